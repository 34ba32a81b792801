use std::rc::Rc;

use super::{abi, headers};
use crate::config::Configuration;
use crate::engine::{Edit, Edits, Pending, Step};
use crate::observe::LogLevel;
use crate::refusal::Refusal;

/// What Envoy does with a request when its callback returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Action {
    Continue = 0,
    Pause = 1,
}

/// A stream context: one request.
pub(super) struct Stream {
    /// The root that it was created under, which may be gone by now.
    pub(super) root: u32,
    /// The configuration that it began with.
    pub(super) configuration: Option<Rc<Configuration>>,
    /// What is left to do, while it waits.
    pub(super) pending: Option<Box<Pending>>,
    /// Whether it may reach the backend: not before it is admitted, and never when it is refused.
    pub(super) admitted: bool,
}

/// The answer to a fault of ours, where there is not even a stream.
pub(super) fn fault() -> Action {
    refuse(&Refusal::internal());
    Action::Pause
}

/// Changes the request in effect. Whether all changes were made: if not, the request must not go on, for it could
/// carry what it should not.
fn apply(edits: &Edits) -> bool {
    let made = |edit| match edit {
        Edit::SetHeader(name, value) => abi::replace_request_header(name, value),
        Edit::RemoveHeader(name) => abi::remove_request_header(name),
        Edit::SetFilterState(key, value) => abi::set_property(key, value),
    };
    edits.iter().all(|edit| made(edit).is_ok())
}

impl Stream {
    /// A stream under a root whose configuration this is.
    pub(super) const fn new(root: u32, configuration: Option<Rc<Configuration>>) -> Self {
        Self { root, configuration, pending: None, admitted: false }
    }

    /// Carries out what was decided about the request in effect.
    pub(super) fn settle(&mut self, step: Step) -> Action {
        match step {
            Step::Forward(edits) if apply(&edits) => {
                self.admitted = true;
                return Action::Continue;
            }
            Step::Forward(_) => refuse(&Refusal::internal()),
            Step::Refuse(refusal) => refuse(&refusal),
            Step::Wait(pending) => self.pending = Some(pending),
        }
        Action::Pause
    }
}

/// Answers the request in effect.
fn refuse(refusal: &Refusal) {
    let pairs: Vec<_> = refusal.headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    let details = format!("gatepass.{}", refusal.reason.code());
    let status = refusal.status.as_u16();
    let grpc_status = i32::from(refusal.grpc_status.0);
    let headers = headers::serialize(&pairs);
    if let Err(status) =
        abi::send_local_response(status, grpc_status, &details, refusal.body.as_bytes(), &headers)
    {
        abi::log(LogLevel::Error, &format!("a refusal could not be sent ({status:?})"));
    }
}
