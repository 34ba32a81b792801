//! Credentials that are put into the request.

use std::rc::Rc;

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{Attachment, Credential, Existing, OnError};
use crate::header_name::HeaderName;
use crate::tokens::{self, Target};

impl Compiler {
    pub(super) fn attachments(
        &mut self,
        path: &Path,
        raw: Option<Vec<raw::Attach>>,
    ) -> Option<Vec<Attachment>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where nothing is attached"));
        }
        let mut attachments = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = path.item(index);
            attachments.push(self.attachment(&path, raw));
        }
        attachments.into_iter().collect()
    }

    fn attachment(&mut self, path: &Path, raw: raw::Attach) -> Option<Attachment> {
        let credential = self.credential(path, &raw);
        let header = match (&raw.header, &raw.secret) {
            (Some(text), _) => self.header_name(&path.member("header"), text),
            (None, None) => Some(HeaderName::AUTHORIZATION),
            (None, Some(_)) => self.fault(path, FaultKind::MissingField("header".to_owned())),
        };
        let default_prefix = if raw.secret.is_some() { "" } else { "Bearer " };
        let prefix = self.prefix(&path.member("prefix"), raw.prefix, default_prefix);
        let existing = match raw.existing.unwrap_or_default() {
            raw::Existing::Overwrite => Some(Existing::Overwrite),
            raw::Existing::Keep => Some(Existing::Keep),
            raw::Existing::MoveTo(text) => {
                self.header_name(&path.member("existing").member("move_to"), &text).map(Existing::MoveTo)
            }
        };
        let on_error = match raw.on_error.unwrap_or_default() {
            raw::OnError::Refuse => OnError::Refuse,
            raw::OnError::Continue => OnError::Continue,
        };
        let destinations = match raw.to {
            Some(to) => {
                let why = "name at least one cluster; leave `to` out where the credential may go to any";
                self.words(&path.member("to").member("clusters"), &to.clusters, why)
            }
            None => Some(Vec::new()),
        };
        Some(Attachment {
            credential: credential?,
            header: header?,
            prefix: prefix?,
            existing: existing?,
            on_error,
            destinations: destinations?.into(),
        })
    }

    fn credential(&mut self, path: &Path, raw: &raw::Attach) -> Option<Credential> {
        match (&raw.identity, &raw.secret) {
            (Some(identity), None) => self.attached_token(path, identity, raw).map(Credential::Token),
            (None, Some(name)) => {
                let targets =
                    [("resource", &raw.resource), ("scope", &raw.scope), ("audience", &raw.audience)];
                if let Some((field, _)) = targets.iter().find(|(_, target)| target.is_some()) {
                    let why = "a secret is the same for every target; remove this, or name an `identity`";
                    return self.fault(&path.member(field), FaultKind::Invalid(why));
                }
                self.secret(&path.member("secret"), name).map(Credential::Secret)
            }
            _ => self.not_exactly_one(path, &["identity", "secret"]),
        }
    }

    fn attached_token(
        &mut self,
        path: &Path,
        identity: &str,
        raw: &raw::Attach,
    ) -> Option<Rc<tokens::Definition>> {
        let (path_of_target, text, target): (_, _, fn(String) -> Target) =
            match (&raw.resource, &raw.scope, &raw.audience) {
                (Some(text), None, None) => (path.member("resource"), text, Target::Resource),
                (None, Some(text), None) => (path.member("scope"), text, Target::Scope),
                (None, None, Some(text)) => (path.member("audience"), text, Target::Audience),
                _ => return self.not_exactly_one(path, &["resource", "scope", "audience"]),
            };
        let target = self.text(&path_of_target, text.clone()).map(target)?;
        self.token(path, identity, &path_of_target, &target)
    }

    fn prefix(&mut self, path: &Path, raw: Option<String>, default: &str) -> Option<String> {
        let Some(prefix) = raw else { return Some(default.to_owned()) };
        match prefix.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !prefix.starts_with(' ') {
            true => Some(prefix),
            false => {
                let why = "only printable ASCII can stand in a header, and no space at its beginning";
                self.fault(path, FaultKind::Invalid(why))
            }
        }
    }
}
