use super::imds::Imds;
use super::target::Target;
use crate::calls::CallRequest;

/// Where tokens come from: one endpoint, asked as one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The instance metadata service.
    Imds(Imds),
}

impl Source {
    /// What tells this source from others.
    pub(super) fn parts(&self) -> Vec<&str> {
        match self {
            Self::Imds(imds) => imds.parts().to_vec(),
        }
    }

    /// `target` in the word and form that this source wants.
    pub(super) fn target(&self, target: &Target) -> Result<(&'static str, String), &'static str> {
        match self {
            Self::Imds(_) => Ok(("resource", target.resource()?.to_owned())),
        }
    }

    pub(super) fn request(&self, target: &str) -> CallRequest {
        match self {
            Self::Imds(imds) => imds.request(target),
        }
    }
}
