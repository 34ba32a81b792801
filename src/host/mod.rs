//! The border to Envoy: proxy-wasm, ABI 0.2.1. The only room with `unsafe`, and the only one that knows a host.
//!
//! It speaks the ABI itself instead of through the SDK, because the SDK's getters and its dispatcher panic on
//! a status that they do not expect (a panic is an outage of the worker), because it routes the answer of a
//! call to the context that was active when the call was made (whose client may hang up), and because it
//! exports callbacks that Envoy then makes for every request.
//!
//! * [`abi`]: every host call, bytes only, every status handled.
//! * [`crypto`]: signatures by Envoy's own crypto library.
//! * [`exports`]: what Envoy calls.
//! * [`root`]: one plugin configuration: its ticks, its queue, its calls.
//! * [`stream`]: one request.
//! * [`shared`]: the lease's trait over shared data and queues.
//! * [`vm`]: what all of them share.

#![allow(unsafe_code)]

mod abi;
mod crypto;
mod exports;
mod headers;
mod metrics;
#[cfg(feature = "response_headers")]
mod response;
mod root;
mod shared;
mod stream;
#[cfg(feature = "test_only")]
mod test_only;
mod vm;
