//! `gatepass-stack play`: an example against an Envoy and an emulator that somebody else started, such as compose.

use std::{net::SocketAddr, process::ExitCode};

use gatepass_stack::{Checkout, Error, Example, Listeners, Target, client, tree};

use crate::{demo, terminal::Terminal};

/// `envoy` is the host whose ports are those of the example's `envoy.yaml`.
pub(crate) async fn run(
    terminal: &Terminal,
    example: &str,
    envoy: &str,
    control: SocketAddr,
) -> Result<ExitCode, Error> {
    let example = Example::find(&Checkout::find()?, example)?;
    let scenario = example.scenario()?;
    let target = Target {
        listeners: listeners(&example, envoy).await?,
        control: format!("http://{control}"),
        // It listens on the loopback interface of Envoy's container.
        admin: None,
        http: client()?,
    };
    let outcome = demo::table(terminal, &scenario, &target).await?;
    Ok(if outcome.faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The example's listeners, by name, at that host.
async fn listeners(example: &Example, host: &str) -> Result<Listeners, Error> {
    let mut found = Listeners::new();
    for (name, port) in tree::listeners(&tree::read(&example.envoy_yaml())?) {
        let resolved = tokio::net::lookup_host((host, port)).await;
        let mut addresses =
            resolved.map_err(|source| Error::Io { what: format!("resolving {host}"), source })?;
        found.extend(addresses.next().map(|address| (name, address)));
    }
    Ok(found)
}
