use super::app_service::AppService;
use super::arc::Arc;
use super::client_credentials::ClientCredentials;
use super::imds::Imds;
use super::inputs::Inputs;
use super::target::Target;
use crate::calls::{Answer, CallFailure, CallRequest};
use crate::fingerprint::Fingerprint;
use crate::secret::SecretString;
use crate::time::Now;

/// Where tokens come from: one endpoint, asked as one identity.
#[derive(Clone, Debug)]
pub enum Source {
    /// The instance metadata service.
    Imds(Imds),
    /// App Service, Functions and Container Apps.
    AppService(AppService),
    /// A machine that Azure Arc has joined.
    Arc(Arc),
    /// A token endpoint, with the client credentials grant; workload identity is one of its forms.
    ClientCredentials(Box<ClientCredentials>),
    /// A secret that is a token already.
    Static(Fingerprint),
}

impl Source {
    /// The source's name, for counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Imds(_) => "imds",
            Self::AppService(_) => "app_service",
            Self::Arc(_) => "arc",
            Self::ClientCredentials(client) => client.name(),
            Self::Static(_) => "static",
        }
    }

    /// What tells this source from others.
    pub(super) fn parts(&self) -> Vec<String> {
        let mut parts = vec![self.name().to_owned()];
        match self {
            Self::Imds(imds) => parts.extend(imds.parts()),
            Self::AppService(app_service) => parts.extend(app_service.parts()),
            Self::Arc(arc) => parts.extend(arc.parts()),
            Self::ClientCredentials(client) => parts.extend(client.parts()),
            Self::Static(token) => parts.push(token.to_string()),
        }
        parts
    }

    /// The secrets that a request is made of.
    pub(super) fn secrets(&self) -> Vec<Fingerprint> {
        match self {
            Self::Imds(_) | Self::AppService(_) | Self::Arc(_) => Vec::new(),
            Self::ClientCredentials(client) => client.secrets(),
            Self::Static(token) => vec![*token],
        }
    }

    /// `target` in the word and form that this source wants.
    pub(super) fn target(&self, target: &Target) -> Result<(&'static str, String), &'static str> {
        match self {
            Self::Imds(_) | Self::AppService(_) | Self::Arc(_) => {
                Ok(("resource", target.resource()?.to_owned()))
            }
            Self::ClientCredentials(client) => client.target(target),
            Self::Static(_) => Ok(("", String::new())),
        }
    }

    /// The first request for a token. `secrets` are the values of [`Self::secrets`], in order.
    pub(super) fn request(
        &self,
        target: &(&'static str, String),
        secrets: &[SecretString],
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Result<CallRequest, CallFailure> {
        match self {
            Self::Imds(imds) => Ok(imds.request(&target.1)),
            Self::AppService(app_service) => Ok(app_service.request(&target.1)),
            Self::Arc(arc) => Ok(arc.request(&target.1)),
            Self::ClientCredentials(client) => client.request(target, secrets, inputs, now),
            Self::Static(_) => Err(CallFailure::NoSecret),
        }
    }

    /// The next request, where `answer` is not yet the token: so many answers have come before it.
    pub(super) fn next_request(
        &self,
        step: usize,
        answer: &Answer,
        target: &(&'static str, String),
    ) -> Option<Result<CallRequest, CallFailure>> {
        match self {
            Self::Arc(arc) => arc.next_request(step, answer, &target.1),
            _ => None,
        }
    }

    /// Whether an answer must name its `token_type` (RFC 6749, section 5.1); managed identities may leave it out.
    pub(super) const fn names_token_type(&self) -> bool {
        matches!(self, Self::ClientCredentials(_))
    }
}
