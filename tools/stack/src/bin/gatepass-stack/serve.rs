//! `gatepass-stack serve`: what runs in the background after `up`.

use std::{process::ExitCode, time::Duration};

use gatepass_stack::{Error, Example, Stack};
use tokio::time::sleep;

use crate::{background, checkout, interrupt};

const LOOK: Duration = Duration::from_millis(500);

/// Holds the stack until a signal, or until Envoy ends.
pub(crate) async fn run(example: &str) -> Result<ExitCode, Error> {
    let checkout = checkout()?;
    let example = Example::find(&checkout, example)?;
    let state = checkout.state();
    let _claim = background::claim(&state)?;
    let hold = async {
        let emulator = Stack::reference_emulator(&checkout).await?;
        let mut stack = Stack::fixed(&checkout, &example, emulator).await?;
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
