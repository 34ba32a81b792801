//! Credentials that an operation puts into the request.

use std::rc::Rc;

use crate::header_name::HeaderName;
use crate::{secrets, tokens};

/// A credential that is put into the request.
#[derive(Debug)]
pub struct Attachment {
    /// What it is.
    pub credential: Credential,
    /// The header that it goes into.
    pub header: HeaderName,
    /// What stands before it in the header.
    pub prefix: String,
    /// What becomes of the caller's own header of that name.
    pub existing: Existing,
    /// What becomes of the request where it is not to be had.
    pub on_error: OnError,
    /// Envoy's clusters that it may go to; empty: any.
    pub destinations: Rc<[String]>,
}

/// A token or a secret.
#[derive(Debug)]
pub enum Credential {
    /// The token of an identity: where it comes from and what it is for.
    Token(Rc<tokens::Definition>),
    /// A secret, as it is.
    Secret(Rc<secrets::Definition>),
}

/// What becomes of the caller's own header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It goes, before the credential is fetched and whatever becomes of that.
    Overwrite,
    /// It stays, and nothing is fetched.
    Keep,
    /// It goes to this header. What the caller sent there goes.
    MoveTo(HeaderName),
}

/// What becomes of the request where the credential is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is refused.
    Refuse,
    /// It goes on without it.
    Continue,
}

impl Attachment {
    /// Headers of the caller that do not reach the backend: the credential's own, and the one that it moves to.
    pub const fn stripped(&self) -> (Option<&HeaderName>, Option<&HeaderName>) {
        match &self.existing {
            Existing::Overwrite => (Some(&self.header), None),
            Existing::Keep => (None, None),
            Existing::MoveTo(target) => (Some(&self.header), Some(target)),
        }
    }
}
