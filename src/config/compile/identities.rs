//! Identities: where outbound tokens come from.

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::tokens::{Imds, ImdsIdentity};

impl Compiler {
    pub(super) fn identity(&mut self, path: &Path, raw: raw::Identity) -> Option<Imds> {
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
        Some(Imds { cluster: cluster?, identity: identity? })
    }
}
