//! The emulator as its clients see it: over HTTP, on free ports of the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod assertions;
mod backend;
mod control;
mod entra;
mod faults;
mod imds;
mod key_vault;
mod metadata;
mod official_client;
mod partner;
mod partner_token;
mod platforms;
mod refusals;
mod support;
mod token_endpoint;
mod tokens;
