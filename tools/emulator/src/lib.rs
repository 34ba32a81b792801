//! The Azure identity endpoints on one machine.
//!
//! The emulator plays what Gatepass talks to in Azure: the managed-identity endpoint of a virtual
//! machine (IMDS), the Entra login host, the identity provider of a partner, and a backend that
//! shows what it was sent. It answers as they do, errors included, can be told to fail, and keeps
//! a log of every request, so that the filter can be tried and tested without Azure.
//!
//! Every key, certificate and secret is made when it starts; nothing that it signs is worth
//! anything elsewhere. It listens on the loopback interface unless told otherwise.
//!
//! | file | idea |
//! |---|---|
//! | [`directory`] | who there is: the tenant, its API, applications, identities, roles |
//! | `emulator`, `shared` | [`Emulator`]: the running whole, and the knobs of a test |
//! | `token`, `mint` | [`TokenSpec`]: access tokens, right ones and deliberately wrong ones |
//! | `signing` | keys, their rotation, and what is published of them |
//! | `imds`, `entra`, `partner`, `backend` | one player each: routes, no sockets |
//! | `faults` | answers that are late, broken, or not given at all |
//! | `log`, `decoded` | what was asked, without the secrets; tokens taken apart |
//! | [`control`] | the same knobs over HTTP |
//! | `serve`, `tls`, `clock` | sockets and connections, certificates, the time |

mod backend;
mod clock;
pub mod control;
mod decoded;
pub mod directory;
mod emulator;
mod entra;
mod faults;
mod imds;
mod log;
mod mint;
mod partner;
mod serve;
mod shared;
mod signing;
mod tls;
mod token;

pub use emulator::{Emulator, Options, StartError};
pub use faults::{Action, Endpoint, Fault};
pub use log::LoggedRequest;
pub use signing::KeyError;
pub use tls::TlsError;
pub use token::{Algorithm, Issuer, Rotation, SigningKey, TokenSpec};
