//! Runs the real Envoy with Gatepass and the emulator of the Azure endpoints, on one machine.
//!
//! ```no_run
//! # async fn example() -> Result<(), gatepass_stack::Error> {
//! use gatepass_stack::Stack;
//!
//! let stack = Stack::builder().concurrency(4).start().await?;
//! let answer = stack.get("/unprotected").await?;
//! assert_eq!(answer.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! A stack starts from the reference configuration, `envoy/envoy.yaml`, with the ports, the folder and the
//! module of this run put in ([`tree`]), hands the filter's configuration to Envoy in one of three ways
//! ([`Delivery`]), and ends with the value: no Envoy outlives its [`Stack`].

mod admin;
mod answer;
mod checkout;
mod delivery;
mod envoy;
mod error;
mod example;
mod older;
pub mod ports;
pub mod raw;
mod reload;
mod scenario;
mod stack;
mod step;
pub mod tree;

pub use admin::Admin;
pub use answer::Answer;
pub use checkout::{Build, Checkout};
pub use delivery::Delivery;
pub use envoy::{Validation, validate};
pub use error::Error;
pub use example::{Example, NAMES as EXAMPLES, Place};
pub use scenario::{Outcome, Row, Scenario, Target};
pub use stack::{Builder, Listeners, Stack, client};
