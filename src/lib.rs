//! Gatepass: identity at the proxy.
//!
//! A filter for Envoy that checks inbound JWTs and attaches outbound tokens. The crate is a pure core (no
//! host, no clock, no randomness: all three are handed in) and one thin room, `host`, that speaks
//! proxy-wasm and exists only in the module that Envoy loads.
//!
//! The way of one request, and the room of each step:
//!
//! | step | room |
//! |---|---|
//! | which operation is it? | [`access`] |
//! | is the token well formed, in time, for us? | [`jwt`] |
//! | which key signed it? | [`keys`] |
//! | may this caller do this? | [`access`] |
//! | which token does the backend want? | [`tokens`] |
//! | which secret? | [`secrets`] |
//! | what happens next? | [`engine`] |
//!
//! [`config`] turns the operator's JSON into values that are valid by construction, [`state`] keeps what
//! outlives a configuration, [`calls`] describes requests to other servers, [`challenge`] reads why a backend refuses a
//! token, [`observe`] names what is counted.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod access;
pub mod bucket;
pub mod calls;
pub mod challenge;
mod collect;
pub mod config;
pub mod engine;
pub mod environment;
pub mod fingerprint;
pub mod guid;
pub mod header_name;
pub mod json;
pub mod jwt;
pub mod keys;
pub mod observe;
pub mod refusal;
pub mod refusal_log;
pub mod secret;
pub mod secrets;
pub mod state;
pub mod time;
pub mod tokens;
pub mod verdicts;

#[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
mod host;
