//! The operator's configuration: read ([`raw`]), then compiled. A [`Configuration`] that exists is valid.

mod attachment;
mod compile;
mod fault;
mod guards;
mod headers;
mod operations;
mod protobuf;
mod raw;
mod token;
mod tree;
mod values;

use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;

use crate::access::{ApplicationIds, CallerRules, Matcher, RequiredHeader};
use crate::environment::Environment;
use crate::json::Json;
use crate::jwt::TimeRules;
use crate::observe::LogLine;
use crate::{keys, secrets};

use values::Values;

pub use attachment::{Attachment, Credential, Existing, OnError};
pub use fault::{Fault, FaultKind, Path, Segment};
pub use guards::SubscriptionRule;
pub use headers::{Disclosure, GatewayHeaders, HeaderRules};
pub use operations::Operations;
pub use token::{InboundToken, Scheme, TokenHandling, TokenPlace};

/// A valid configuration.
#[derive(Debug)]
pub struct Configuration {
    /// Where the filter stands in Envoy.
    pub position: Position,
    /// The filter state in which an upstream filter leaves a note for the next attempt.
    pub attempts: Rc<str>,
    /// The operations, first match first.
    pub operations: Operations,
    /// Every issuer that an operation trusts or that is merely defined.
    pub issuers: Vec<Rc<keys::Issuer>>,
    /// Every secret that is defined.
    pub secrets: Vec<Rc<secrets::Definition>>,
    /// Headers that requests do not bring in, whatever the operation.
    pub gateway_headers: GatewayHeaders,
    /// How refusals look where no operation is found.
    pub on_failure: OnFailure,
    /// How long a request waits at the most.
    pub wait: Duration,
    /// Whether VMs share tokens although their `vm_id` is empty, or do not although it is set.
    pub shared_cache: Option<bool>,
    /// What the operator should know about it although it is valid.
    pub notices: Vec<LogLine>,
}

/// Where the filter stands in Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// Among the HTTP filters of a connection manager: once per request.
    #[default]
    Listener,
    /// Among the HTTP filters of a cluster: once per attempt.
    Upstream,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Which requests it is.
    pub matcher: Matcher,
    /// What it asks of the caller.
    pub inbound: Inbound,
    /// Whether what `inbound` refuses is refused. Where it is not, nothing is attached.
    pub enforce: bool,
    /// The subscription key that it asks for.
    pub subscription: Option<SubscriptionRule>,
    /// Headers that it asks for.
    pub required_headers: Vec<RequiredHeader>,
    /// Credentials that are put into the request, each into a header of its own.
    pub attachments: Vec<Attachment>,
    /// How its refusals look.
    pub on_failure: OnFailure,
    /// Headers that it writes or takes away.
    pub headers: HeaderRules,
}

/// What an operation asks of the caller.
#[derive(Debug)]
pub enum Inbound {
    /// No token.
    Anonymous,
    /// A good token.
    Validate(Rc<Validate>),
}

/// How an inbound token is checked.
#[derive(Clone, Debug)]
pub struct Validate {
    /// Whose tokens are accepted, one or more; the first that accepts a token does.
    pub any_of: Vec<Alternative>,
    /// How the token's time is looked at.
    pub time: TimeRules,
    /// Where the token stands, and what becomes of it.
    pub handling: TokenHandling,
    /// The keys that tokens may be encrypted to. Without any, an encrypted token is none.
    pub decryption_keys: Rc<[keys::ConfiguredDecryptionKey]>,
    /// Whether a request without a token passes.
    pub optional: bool,
}

/// An issuer, and what is asked of its tokens. Nothing of it holds for another issuer's.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// The issuer.
    pub issuer: Rc<keys::Issuer>,
    /// The audiences that are accepted.
    pub audiences: Audiences,
    /// The callers that may pass.
    pub callers: CallerRules,
}

/// The audiences that are accepted. Where both lists are there, a token must satisfy both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences {
    /// At least one of these, compared exactly; without it, whatever the token says, even nothing.
    pub one_of: Option<Vec<String>>,
    /// One of these applications, by its id or as `api://<id>`.
    pub applications: Option<ApplicationIds>,
}

impl Audiences {
    /// Whether a token for `audiences` is accepted.
    pub fn accept(&self, audiences: &[&str]) -> bool {
        let is_one_of = |accepted: &Vec<String>| accepted.iter().any(|one| audiences.contains(&one.as_str()));
        let is_for = |ids: &ApplicationIds| {
            audiences.iter().any(|audience| ids.contain(audience.strip_prefix("api://").unwrap_or(audience)))
        };
        self.one_of.as_ref().is_none_or(is_one_of) && self.applications.as_ref().is_none_or(is_for)
    }
}

/// How refusals look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnFailure {
    /// The status of a refused token.
    pub status: StatusCode,
    /// The status where a role or claim is missing.
    pub forbidden_status: StatusCode,
    /// Replaces the message in the body where a token or its holder is refused.
    pub message: Option<String>,
    /// The form of the body.
    pub body: BodyForm,
    /// Whether the caller is told the reason.
    pub expose_reason: bool,
}

/// The form of a refusal's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// API Management's.
    Apim,
    /// Problem details (RFC 9457).
    Problem,
}

impl Default for OnFailure {
    /// API Management's: 401 for everything.
    fn default() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            forbidden_status: StatusCode::UNAUTHORIZED,
            message: None,
            body: BodyForm::Apim,
            expose_reason: false,
        }
    }
}

impl Configuration {
    /// Every key that an operation's tokens may be encrypted to; one that several share, several times.
    pub fn decryption_keys(&self) -> impl Iterator<Item = &keys::ConfiguredDecryptionKey> {
        self.operations.iter().flat_map(|operation| match &operation.inbound {
            Inbound::Validate(validate) => &*validate.decryption_keys,
            Inbound::Anonymous => &[],
        })
    }

    /// Reads a configuration as Envoy hands it over: JSON text (a `StringValue`), or a `Struct`'s wire form.
    ///
    /// What it takes from the environment, it takes once.
    ///
    /// # Errors
    /// What is wrong with it, as far as it could be read: at least one fault.
    pub fn parse(bytes: &[u8], environment: &Environment) -> Result<Self, Vec<Fault>> {
        let tree = Json::parse(bytes).or_else(|error| {
            let written_as_yaml = protobuf::read_struct(bytes).filter(|_| !bytes.is_empty());
            written_as_yaml.ok_or_else(|| vec![Fault::new(Path::root(), FaultKind::NotJson(error))])
        });
        let mut tree = tree?;
        let faults = match Values::resolve(&mut tree, environment) {
            Err(faults) => faults,
            Ok(values) => match read(&mut tree).and_then(|raw| compile::compile(raw, environment)) {
                Ok(configuration) => return Ok(configuration),
                Err(faults) => faults.into_iter().map(|fault| values.hide(fault)).collect(),
            },
        };
        Err(faults.into_iter().map(Fault::without_secrets).collect())
    }
}

/// The JSON Schema of the configuration: every field with its description and its default.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    raw::schema()
}

/// Reads the raw configuration. A field that does not exist is noted and taken out, so that one look shows all of
/// them; any other fault of reading ends it.
fn read(tree: &mut Json) -> Result<raw::Configuration, Vec<Fault>> {
    const MAX_FAULTS: usize = 20;
    let mut faults = Vec::new();
    loop {
        let fault = match tree::read(tree, Path::root()) {
            Ok(raw) if faults.is_empty() => return Ok(raw),
            Ok(_) => return Err(faults),
            Err(fault) => fault,
        };
        let unknown = match &fault.kind {
            FaultKind::UnknownField { field, .. } => take_out(tree, &fault.path, field),
            _ => None,
        };
        let may_go_on = unknown.is_some() && faults.len() < MAX_FAULTS;
        faults.push(fault);
        if !may_go_on {
            return Err(faults);
        }
    }
}

fn take_out(tree: &mut Json, path: &Path, field: &str) -> Option<Json> {
    let object = path.segments().iter().try_fold(tree, |tree, segment| match (tree, segment) {
        (Json::Object(members), Segment::Member(name)) => members.get_mut(name),
        (Json::Array(items), Segment::Item(index)) => items.get_mut(*index),
        _ => None,
    });
    match object {
        Some(Json::Object(members)) => members.remove(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
