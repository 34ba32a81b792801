//! Where the emulator listens, and why it might not.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::{KeyError, TlsError};

/// Where the emulator listens and keeps its files. Port 0 is any free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// IMDS, plain HTTP. Default 127.0.0.1:10254.
    pub imds: SocketAddr,
    /// The login host and the partner's identity provider, HTTPS. Default 127.0.0.1:10443.
    pub login: SocketAddr,
    /// The backend, HTTPS. Default 127.0.0.1:10080.
    pub backend: SocketAddr,
    /// The control interface, plain HTTP; only a loopback address. Default 127.0.0.1:10001.
    pub control: SocketAddr,
    /// App Service, Azure Machine Learning, Cloud Shell and the sidecar of AKS workload identity,
    /// plain HTTP. Default 127.0.0.1:10255.
    pub platforms: SocketAddr,
    /// The agent of Azure Arc, plain HTTP. Default 127.0.0.1:10256.
    pub arc: SocketAddr,
    /// Where Arc's agent writes the files of its challenges; made if it is not there. Default
    /// `target/stack/arc`. (Arc's own is `/var/opt/azcmagent/tokens`.)
    pub arc_tokens: PathBuf,
    /// What the challenges call that folder, where it is served under another path. Default: as it is.
    pub arc_tokens_path: Option<PathBuf>,
    /// Where `ca.pem` is written; made if it is not there. Default `target/stack`.
    pub state_dir: PathBuf,
}

impl Options {
    /// Free ports on the loopback interface, for tests that run side by side.
    #[must_use]
    pub fn on_free_ports(state_dir: PathBuf) -> Self {
        Self {
            imds: loopback(0),
            platforms: loopback(0),
            arc: loopback(0),
            login: loopback(0),
            backend: loopback(0),
            control: loopback(0),
            arc_tokens: state_dir.join("arc"),
            arc_tokens_path: None,
            state_dir,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            imds: loopback(10254),
            platforms: loopback(10255),
            arc: loopback(10256),
            login: loopback(10443),
            backend: loopback(10080),
            control: loopback(10001),
            arc_tokens: PathBuf::from("target/stack/arc"),
            arc_tokens_path: None,
            state_dir: PathBuf::from("target/stack"),
        }
    }
}

/// Why the emulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The control interface can make tokens, so it stays on the machine.
    #[error("the control interface must listen on a loopback address, not on {0}")]
    ControlNotOnLoopback(SocketAddr),
    /// An address is taken or not this machine's.
    #[error("cannot listen on {address} as {name}")]
    Listen {
        /// What would have listened there.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A file of the state directory could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no key to sign with.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads could not be started, or ended early.
    #[error("cannot start the emulator's threads")]
    Threads(#[source] io::Error),
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
