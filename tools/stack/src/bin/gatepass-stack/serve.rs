//! `gatepass-stack serve`: what runs in the background after `up`.

use std::{process::ExitCode, time::Duration};

use gatepass_stack::{Error, Stack};
use tokio::time::sleep;

use crate::{background, checkout, interrupt};

const LOOK: Duration = Duration::from_millis(500);

/// Holds the stack until a signal, or until Envoy ends.
pub(crate) async fn run() -> Result<ExitCode, Error> {
    let checkout = checkout()?;
    let state = checkout.state();
    let _claim = background::claim(&state)?;
    let hold = async {
        let emulator = Stack::reference_emulator(&checkout).await?;
        let mut stack = Stack::reference(&checkout, emulator).await?;
        background::announce(&state)?;
        while stack.is_alive() {
            sleep(LOOK).await;
        }
        eprintln!("Envoy has ended; see target/stack/envoy.log");
        Ok(ExitCode::FAILURE)
    };
    tokio::select! {
        result = hold => result,
        signalled = interrupt::signalled() => signalled.map(|()| ExitCode::SUCCESS),
    }
}
