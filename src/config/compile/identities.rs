//! Identities: where outbound tokens come from.

use std::rc::Rc;

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::tokens::{self, Imds, ImdsIdentity, Source, Target};

impl Compiler {
    /// The identity that is called `name` at `path`.
    pub(super) fn identity(&mut self, path: &Path, name: &str) -> Option<Source> {
        if let Some(known) = self.identities.get(name) {
            return known.clone();
        }
        let own = Path::root().member("identities").member(name);
        let Some(raw) = self.raw.identities.remove(name) else {
            let defined = self.names.identities.clone();
            let unknown = FaultKind::UnknownName { what: "identity", name: name.to_owned(), defined };
            let kind = self.cycle(&own).unwrap_or(unknown);
            return self.fault(path, kind);
        };
        self.under_way.push(own.clone());
        let source = self.source(&own, raw);
        self.under_way.pop();
        self.identities.insert(name.to_owned(), source.clone());
        source
    }

    /// Compiles the identities that nothing refers to.
    pub(super) fn other_identities(&mut self) {
        for name in self.names.identities.clone() {
            self.identity(&Path::root().member("identities"), &name);
        }
    }

    fn source(&mut self, path: &Path, raw: raw::Identity) -> Option<Source> {
        let Some(raw) = raw.managed_identity else {
            return self.fault(path, FaultKind::MissingField("managed_identity".to_owned()));
        };
        let path = path.member("managed_identity");
        let raw::ManagedIdentitySource::Imds = raw.source;
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let identity = match (raw.client_id, raw.object_id, raw.resource_id) {
            (None, None, None) => Some(ImdsIdentity::SystemAssigned),
            (Some(id), None, None) => self.text(&path.member("client_id"), id).map(ImdsIdentity::ClientId),
            (None, Some(id), None) => self.text(&path.member("object_id"), id).map(ImdsIdentity::ObjectId),
            (None, None, Some(id)) => {
                self.text(&path.member("resource_id"), id).map(ImdsIdentity::ResourceId)
            }
            _ => self.not_exactly_one(&path, &["client_id", "object_id", "resource_id"]),
        };
        Some(Source::Imds(Imds { cluster: cluster?, identity: identity? }))
    }

    /// The token of the identity that is named at `path.identity` for the target at `target_path`.
    pub(super) fn token(
        &mut self,
        path: &Path,
        identity: &str,
        target_path: &Path,
        target: &Target,
    ) -> Option<Rc<tokens::Definition>> {
        let source = self.identity(&path.member("identity"), identity)?;
        match tokens::Definition::new(identity, source, target) {
            Ok(definition) => Some(Rc::new(definition)),
            Err(instead) => self.fault(target_path, FaultKind::Invalid(instead)),
        }
    }
}
