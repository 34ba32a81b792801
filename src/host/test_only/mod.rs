//! What tests do to a module that was built for them: it fails, or writes into shared data what somebody else could
//! have written. The audit refuses such a module for the export below.

mod vectors;

use super::stream::Action;
use super::{abi, headers};

/// Marks the module: no module that is shipped has this export.
#[unsafe(no_mangle)]
extern "C" fn gatepass_test_only() {}

/// Does what the request's `x-gatepass-test` says: `trap`; `verify`, which checks the signatures in `x-gatepass-value`
/// by Envoy and in the VM; or `write`, which puts the value of `x-gatepass-value` under
/// the shared key `x-gatepass-key` and answers with what was there.
pub(super) fn obey() -> Option<Action> {
    let bytes = abi::header_pairs(abi::MapType::Request).ok()?;
    let pairs = headers::parse(&bytes);
    let value = |name: &[u8]| pairs.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value);
    match value(b"x-gatepass-test")? {
        b"trap" => std::process::abort(),
        b"verify" => {
            let verdicts = vectors::verdicts(value(b"x-gatepass-value")?)?;
            let body = verdicts.as_bytes();
            abi::send_local_response(200, -1, "gatepass.test_only", body, &headers::serialize(&[])).ok()?;
            Some(Action::Pause)
        }
        b"write" => {
            let key = std::str::from_utf8(value(b"x-gatepass-key")?).ok()?;
            let before = abi::shared_data(key).map(|(before, _)| before).unwrap_or_default();
            if let Some(value) = value(b"x-gatepass-value") {
                // Without a version the host writes whatever is there.
                abi::set_shared_data(key, value, 0).ok()?;
            }
            abi::send_local_response(200, -1, "gatepass.test_only", &before, &headers::serialize(&[]))
                .ok()?;
            Some(Action::Pause)
        }
        _ => None,
    }
}
