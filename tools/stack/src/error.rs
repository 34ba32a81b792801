use std::{io, path::PathBuf};

/// What can go wrong with a stack, in words for the person who started it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The checkout was not found around the current folder.
    #[error("this is not a checkout of Gatepass: no envoy/envoy.yaml in {0} or above it")]
    NoCheckout(PathBuf),
    /// The filter has not been built.
    #[error("the filter is not built: {0} does not exist; run `make build`, or set GATEPASS_MODULE")]
    NoModule(PathBuf),
    /// No Envoy.
    #[error("no Envoy: {0} does not exist; run `make envoy`, or set ENVOY to the path of one")]
    NoEnvoy(PathBuf),
    /// A port of the reference configuration is in use.
    #[error(
        "port {port} ({role}) is taken. If the stack is already up, `make down` stops it; \
         `ss -ltnp 'sport = :{port}'` shows who has it; `cargo run -p gatepass-stack -- demo --free-ports` takes others"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// What the stack needs it for.
        role: &'static str,
    },
    /// A configuration file that cannot be read or has not the expected parts.
    #[error("{file}: {problem}")]
    Configuration {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The emulator did not start.
    #[error("the emulator did not start: {0}")]
    Emulator(String),
    /// Envoy ended, or did not become ready.
    #[error("Envoy {what}; the end of its log:\n{log}")]
    Envoy {
        /// What happened.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// Something that was waited for did not come.
    #[error("waited in vain for {0}")]
    Timeout(String),
    /// A request that got no answer.
    #[error("no answer: {0}")]
    Request(#[from] reqwest::Error),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
