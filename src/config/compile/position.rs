//! What stands where the filter is an upstream filter: it sees what was already let pass.

use super::Compiler;
use crate::config::Position;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;

const CHECKS_NO_CALLER: &str = "an upstream filter (`position: upstream`) checks no caller: it runs once per attempt, \
                                behind the route. Remove this, or put it into the configuration of a filter of the listener";

impl Compiler {
    pub(super) fn position(&mut self, raw: &raw::Configuration) -> Position {
        if raw.position.unwrap_or_default() == raw::Position::Listener {
            return Position::Listener;
        }
        let root = Path::root();
        for (name, is_there) in [
            ("issuers", !raw.issuers.is_empty()),
            ("subscription_keys", !raw.subscription_keys.is_empty()),
            ("defaults", raw.defaults.is_some()),
        ] {
            if is_there {
                self.fault::<()>(&root.member(name), FaultKind::Invalid(CHECKS_NO_CALLER));
            }
        }
        for (index, operation) in raw.operations.iter().enumerate() {
            self.upstream_operation(&root.member("operations").item(index), operation);
        }
        Position::Upstream
    }

    fn upstream_operation(&mut self, path: &Path, operation: &raw::Operation) {
        // Whoever adds a field has to say here whether it may stand in an upstream filter.
        let raw::Operation {
            matches: _,
            anonymous,
            validate,
            enforce,
            subscription_key,
            require_headers,
            attach: _,
            on_failure: _,
            headers: _,
        } = operation;
        for (name, is_there) in [
            ("anonymous", *anonymous),
            ("validate", validate.is_some()),
            ("enforce", enforce.is_some()),
            ("subscription_key", subscription_key.is_some()),
            ("require_headers", require_headers.is_some()),
        ] {
            if is_there {
                self.fault::<()>(&path.member(name), FaultKind::Invalid(CHECKS_NO_CALLER));
            }
        }
    }
}
