use std::rc::Rc;

use super::{abi, headers};
use crate::config::Configuration;
use crate::engine::{Edit, Edits, Pending, Step};
use crate::jwt::Verifier;
use crate::observe::LogLevel;
use crate::refusal::Refusal;
use crate::state::State;
#[cfg(feature = "response_headers")]
use crate::tokens::Sent;

/// The cluster of the route that Envoy has chosen.
const CHOSEN_CLUSTER: &str = "xds\0cluster_name";

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
    /// The tokens that went out with it and can be replaced.
    #[cfg(feature = "response_headers")]
    pub(super) sent: Vec<Sent>,
}

/// The answer to a fault of ours, where there is not even a stream.
pub(super) fn fault() -> Action {
    refuse(&Refusal::internal());
    Action::Pause
}

/// Changes the request in effect. If not all changes were made, the request must not go on, for it could carry what it
/// should not.
fn forward(edits: &Edits) -> Result<(), Refusal> {
    let made = |edit| match edit {
        Edit::SetHeader(name, value) => abi::replace_request_header(name, value),
        Edit::RemoveHeader(name) => abi::remove_request_header(name),
        Edit::SetFilterState(key, value) => abi::set_property(key, value),
    };
    match edits.iter().all(|edit| made(edit).is_ok()) {
        true => Ok(()),
        false => Err(Refusal::internal()),
    }
}

fn strip(pending: &Pending) -> bool {
    pending.stripped().all(|name| abi::remove_request_header(name.as_str()).is_ok())
}

impl Stream {
    /// A stream under a root whose configuration this is.
    pub(super) const fn new(root: u32, configuration: Option<Rc<Configuration>>) -> Self {
        Self {
            root,
            configuration,
            pending: None,
            admitted: false,
            #[cfg(feature = "response_headers")]
            sent: Vec::new(),
        }
    }

    /// Carries out what was decided about the request in effect.
    pub(super) fn settle<V: Verifier>(&mut self, step: Step, state: &mut State<V>) -> Action {
        let forwarded = match step {
            Step::Forward(edits) => forward(&edits).map(|()| edits),
            Step::ForwardTo(edits, pending) => forward(&edits).and_then(|()| {
                let destination = abi::property(CHOSEN_CLUSTER).ok();
                pending.depart(&edits, destination.as_deref(), state)?;
                Ok(edits)
            }),
            Step::Wait(pending) if strip(&pending) => {
                self.pending = Some(pending);
                return Action::Pause;
            }
            Step::Wait(_) => Err(Refusal::internal()),
            Step::Refuse(refusal) => Err(refusal),
        };
        match forwarded {
            Ok(edits) => {
                self.admitted = true;
                self.remember(edits);
                Action::Continue
            }
            Err(refusal) => {
                refuse(&refusal);
                Action::Pause
            }
        }
    }
}

impl Stream {
    #[cfg(feature = "response_headers")]
    fn remember(&mut self, edits: Edits) {
        self.sent = edits.into_sent();
    }

    #[cfg(not(feature = "response_headers"))]
    fn remember(&mut self, _: Edits) {}
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
