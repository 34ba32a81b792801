//! The Azure identity endpoints on one machine.
//!
//! The emulator plays what Gatepass talks to in Azure: the managed-identity endpoints, the Entra
//! login host, the identity provider of a partner, Key Vault, and a backend that shows what it was
//! sent. It answers as they do, errors included, can be told to fail, and keeps
//! a log of every request, so that the filter can be tried and tested without Azure.
//!
//! Every key, certificate and secret is made when it starts; nothing that it signs is worth
//! anything elsewhere. It listens on the loopback interface unless told otherwise.
//!
//! | file | idea |
//! |---|---|
//! | [`directory`] | who there is: the tenant, its API, applications, identities, roles |
//! | `emulator`, `shared`, `options`, `listen` | [`Emulator`]: the running whole, and the knobs of a test |
//! | `token`, `mint` | [`TokenSpec`]: access tokens, right ones and deliberately wrong ones |
//! | `keys`, `signing` | keys: what is published of them, whose they are, their rotation |
//! | `endpoint` | what a request is for: ports, hosts, paths |
//! | `entra_token`, `entra_client`, `entra_error`, `partner_token` | the token endpoints |
//! | `token_request`, `assertion` | what a token endpoint is sent: forms, client assertions |
//! | `managed_identity` | which identity, which API, which token |
//! | `imds`, `app_service`, `arc`, `service_fabric`, `cloud_shell` | the managed-identity endpoints |
//! | `entra`, `customers`, `cluster`, `partner`, `backend` | one player each: routes, no sockets |
//! | `files` | credentials as files, for Envoy to serve |
//! | `challenge_files`, `token_cache` | what the managed-identity endpoints keep |
//! | `key_vault`, `vault`, `workflow`, `workflow_policy`, `bearer` | APIs of Microsoft's that check tokens |
//! | `challenge` | what the backend refuses tokens with |
//! | `faults` | answers that are late, broken, or not given at all |
//! | `log`, `redact`, `decoded` | what was asked, without the secrets; tokens taken apart |
//! | [`control`] | the same knobs over HTTP |
//! | `serve`, `tls`, `clock` | sockets and connections, certificates, the time |
//! | `random`, `json` | small things |

mod app_service;
mod arc;
mod assertion;
mod backend;
mod bearer;
mod challenge;
mod challenge_files;
mod clock;
mod cloud_shell;
mod cluster;
pub mod control;
mod customers;
mod decoded;
pub mod directory;
mod emulator;
mod endpoint;
mod entra;
mod entra_client;
mod entra_error;
mod entra_token;
mod faults;
mod files;
mod imds;
mod json;
mod key_vault;
mod keys;
mod listen;
mod log;
mod managed_identity;
mod mint;
mod options;
mod partner;
mod partner_token;
mod random;
mod redact;
mod serve;
mod service_fabric;
mod shared;
mod signing;
mod tls;
mod token;
mod token_cache;
mod token_request;
mod vault;
mod workflow;
mod workflow_policy;

pub use challenge::Challenge;
pub use clock::DateShape;
pub use emulator::Emulator;
pub use endpoint::Endpoint;
pub use faults::{Action, Fault};
pub use keys::KeyError;
pub use log::{LoggedAssertion, LoggedRequest};
pub use options::{Options, StartError};
pub use tls::TlsError;
pub use token::{Algorithm, Issuer, Rotation, SigningKey, TokenSpec};
pub use vault::VaultSecret;
pub use workflow_policy::WorkflowPolicy;
