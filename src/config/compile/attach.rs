//! Tokens that are put into the request.

use super::Compiler;
use crate::config::Attachment;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::tokens::Target;

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
        let target = path.member("resource");
        let resource = self.text(&target, raw.resource).map(Target::Resource)?;
        let token = self.token(&path, &raw.identity, &target, &resource)?;
        Some(vec![Attachment { token }])
    }
}
