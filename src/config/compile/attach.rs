//! Tokens that are put into the request.

use std::rc::Rc;

use super::Compiler;
use crate::config::Attachment;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::tokens;

impl Compiler {
    pub(super) fn attachments(
        &mut self,
        path: &Path,
        raw: Option<Vec<raw::Attach>>,
    ) -> Option<Vec<Attachment>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        let [raw] = <[raw::Attach; 1]>::try_from(raw)
            .or_else(|raw| {
                let kind = match raw.is_empty() {
                    true => FaultKind::Empty("leave it out where nothing is attached"),
                    false => {
                        FaultKind::Invalid("only one token fits into `Authorization`; remove the others")
                    }
                };
                self.fault(path, kind).ok_or(())
            })
            .ok()?;
        let path = path.item(0);
        let resource = self.text(&path.member("resource"), raw.resource);
        let source = match self.identities.get(&raw.identity) {
            Some(identity) => identity.clone(),
            None => {
                let defined = self.identities.keys().cloned().collect();
                let kind = FaultKind::UnknownName { what: "identity", name: raw.identity.clone(), defined };
                self.fault(&path.member("identity"), kind)
            }
        };
        let token = Rc::new(tokens::Definition::new(&raw.identity, source?, resource?));
        Some(vec![Attachment { token }])
    }
}
