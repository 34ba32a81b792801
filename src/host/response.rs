//! The answers of backends, for those builds of the module that look at them.

use super::abi::{self, MapType};
use super::headers;
use super::vm::Vm;
use crate::challenge::Remedy;
use crate::config::Position;
use crate::tokens::Eagerness;

impl Vm {
    /// A backend may have refused a token that went out with this request. What Envoy, or this filter, has answered
    /// itself says nothing about the token.
    pub(super) fn response_headers(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let sent = std::mem::take(&mut stream.sent);
        let Some(configuration) = stream.configuration.as_ref().filter(|_| !sent.is_empty()) else { return };
        let eagerness = match configuration.position {
            Position::Listener => Eagerness::ONCE,
            Position::Upstream => Eagerness::BEFORE_A_RETRY,
        };
        let bytes = abi::header_pairs(MapType::Response).unwrap_or_default();
        let pairs = headers::parse(&bytes);
        let all = |name: &'static [u8]| {
            pairs.iter().filter(move |(candidate, _)| *candidate == name).map(|(_, value)| *value)
        };
        if all(b":status").next() != Some(b"401") || !is_from_upstream() {
            return;
        }
        let remedy = Remedy::read(all(b"www-authenticate"));
        self.state.refused(&sent, &remedy, eagerness, &mut self.store, abi::now());
        self.write_log();
    }
}

/// Whether the answer under way is the backend's.
fn is_from_upstream() -> bool {
    abi::property("response\0code_details").is_ok_and(|details| details == b"via_upstream")
}
