//! Requests that must be refused, as data, and what runs them.
//!
//! `corpus/` holds the cases: a good request each, and what is changed in it ([`case`]). Keys and tokens are made
//! at run time ([`keys`], [`token`]). The same cases run against the core ([`native`]), and, in `tests/envoy`,
//! against the module in the real Envoy and against Envoy's own `jwt_authn`. Every case has a control, the same
//! request unchanged, which must be let pass: else the case is void. [`report`] says what came out.

pub mod case;
pub mod corpus;
pub mod encrypted;
#[path = "../../figures/mod.rs"]
pub mod figures;
pub mod keys;
pub mod native;
pub mod report;
pub mod text;
pub mod token;
pub mod world;

pub use case::{Case, Place, Version};
pub use corpus::Corpus;
pub use report::Report;
pub use world::{Published, Request};
