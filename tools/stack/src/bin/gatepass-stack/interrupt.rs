//! Ctrl-C and SIGTERM end the work in hand, and with it every process that it started.

use std::{future::Future, io, process::ExitCode};

use gatepass_stack::Error;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports for a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the work to its end, or drops it at the first signal.
pub(crate) async fn or(work: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    tokio::select! {
        result = work => result,
        signalled = signalled() => signalled.map(|()| {
            eprintln!("\ninterrupted");
            ExitCode::from(INTERRUPTED)
        }),
    }
}

/// Waits for a signal to end.
pub(crate) async fn signalled() -> Result<(), Error> {
    let problem = |source: io::Error| Error::Io { what: "waiting for signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(problem)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(problem)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
