//! `gatepass-stack play`: an example against an Envoy and an emulator that somebody else started, such as compose.

use std::{collections::BTreeMap, net::SocketAddr, process::ExitCode, time::Duration};

use gatepass_stack::{Checkout, Error, Example, Listeners, Scenario, Target, tree};
use serde_json::Value;

use crate::{demo, terminal::Terminal};

/// `envoy` is the host whose ports are those of the example's `envoy.yaml`.
pub(crate) async fn run(
    terminal: &Terminal,
    example: &str,
    envoy: &str,
    control: SocketAddr,
) -> Result<ExitCode, Error> {
    let example = Example::find(&Checkout::find()?, example)?;
    let scenario = Scenario::read(&example.scenario_yaml())?;
    let target = Target {
        listeners: listeners(&example, envoy).await?,
        control: format!("http://{control}"),
        // It listens on the loopback interface of Envoy's container.
        admin: None,
        http: reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?,
    };
    let outcome = demo::table(terminal, &scenario, &target).await?;
    Ok(if outcome.faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The example's listeners, by name, at that host.
async fn listeners(example: &Example, host: &str) -> Result<Listeners, Error> {
    let tree = tree::read(&example.envoy_yaml())?;
    let listeners = tree.pointer("/static_resources/listeners").and_then(Value::as_array);
    let ports: BTreeMap<_, _> = listeners.into_iter().flatten().filter_map(port).collect();
    let mut found = Listeners::new();
    for (name, port) in ports {
        let resolved = tokio::net::lookup_host((host, port)).await;
        let mut addresses =
            resolved.map_err(|source| Error::Io { what: format!("resolving {host}"), source })?;
        found.extend(addresses.next().map(|address| (name, address)));
    }
    Ok(found)
}

fn port(listener: &Value) -> Option<(String, u16)> {
    let name = listener.get("name")?.as_str()?.to_owned();
    let port = listener.pointer("/address/socket_address/port_value")?.as_u64()?;
    Some((name, port.try_into().ok()?))
}
