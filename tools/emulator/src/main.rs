//! `gatepass-emulator`: the Azure identity endpoints on one machine, until it is interrupted.

mod health;

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use gatepass_emulator::{Emulator, Options, StartError};

/// Plays Azure's identity endpoints on one machine: managed identities, the Entra login host, a
/// partner's identity provider, Key Vault, and a backend that shows what it was sent.
///
/// All keys, certificates and secrets are made at the start. Stops on Ctrl-C and SIGTERM.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Where IMDS listens (HTTP)
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().imds)]
    imds: SocketAddr,
    /// Where App Service, Azure ML, Cloud Shell and the AKS sidecar listen (HTTP)
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().platforms)]
    platforms: SocketAddr,
    /// Where the agent of Azure Arc listens (HTTP)
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().arc)]
    arc: SocketAddr,
    /// Where the agent of Azure Arc writes the files of its challenges
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = Options::default().arc_tokens)]
    arc_tokens: PathBuf,
    /// What the challenges call that folder, where it is served under another path
    #[arg(long, value_name = "DIRECTORY")]
    arc_tokens_path: Option<PathBuf>,
    /// Where the login host and the partner's identity provider listen (HTTPS)
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().login)]
    login: SocketAddr,
    /// Where the backend listens (HTTPS)
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().backend)]
    backend: SocketAddr,
    /// Where the control interface listens (HTTP); a loopback address
    #[arg(long, value_name = "ADDRESS", default_value_t = Options::default().control)]
    control: SocketAddr,
    /// Where ca.pem is written, the certificate to trust, and the folder `files` with the caller's credentials
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = Options::default().state_dir)]
    state_dir: PathBuf,
    /// Start nothing: ask the emulator whose control interface this is whether it is ready, and exit with 0 or 1
    #[arg(long)]
    health: bool,
}

const EXAMPLES: &str = "\
Examples:
  Start with the usual ports:
    gatepass-emulator

  Get the machine's token for the API, as the gateway does:
    curl -H 'Metadata: true' 'http://127.0.0.1:10254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://contoso-api'

  Make a token that expired a minute ago:
    curl http://127.0.0.1:10001/tokens --json '{\"lifetime\": -60}'

  Throttle the next two token requests, then cut the third one off:
    curl http://127.0.0.1:10001/faults/imds --json '[
      {\"action\": {\"answer\": {\"status\": 429, \"headers\": [[\"retry-after\", \"2\"]]}}},
      {\"action\": {\"answer\": {\"status\": 429}}},
      {\"delay_ms\": 500, \"action\": \"close\"}]'

  Roll the signing keys over, keeping the old ones published:
    curl -X POST 'http://127.0.0.1:10001/keys/rotate?mode=add'

  See what was asked:
    curl http://127.0.0.1:10001/requests

  Put a secret into the vault, and a newer version of it:
    curl -X PUT http://127.0.0.1:10001/vault/secrets/functions-key --json '{\"value\": \"one\"}'

  Let the backend refuse the next request:
    curl http://127.0.0.1:10001/refusals --json '[{\"www_authenticate\": \"Bearer error=invalid_token\"}]'

What listens where (tools/emulator/README.md has the paths):
  IMDS       managed identities of a virtual machine
  platforms  App Service /msi/token, Azure ML /azureml/token, Cloud Shell /cloudshell/oauth2/token,
             the sidecar of AKS workload identity (IMDS's path)
  Arc        managed identities of Azure Arc (IMDS's path)
  login      login.microsoftonline.com, idp.partner.example, contosocustomers.b2clogin.com,
             contosocustomers.ciamlogin.com, aks.oidc.example, contoso.vault.azure.net;
             Service Fabric (IMDS's path, on any name)
  backend    shows what it was sent; a workflow at /workflows/9a1c3f5e/triggers/manual/paths/invoke
  control    /health /directory /requests /faults/{endpoint} /keys/rotate /token-lifetime
             /client-token-lifetime /identity-header/rotate /vault/secrets/{name}
             /vault/readers/{client_id} /refusals[/{token_sha256}] /workflow-policy /tokens

Endpoints that faults can be set for:
  imds, app-service, azure-ml, cloud-shell, workload-proxy, arc, service-fabric, discovery, jwks, token,
  customer-discovery, customer-jwks, cluster-discovery, cluster-jwks, partner-discovery, partner-jwks,
  partner-token, key-vault, workflow, backend, other";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.health {
        let is_ready = health::is_ready(arguments.control).unwrap_or(false);
        return if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatepass-emulator: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// Why the program ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot listen for signals")]
    Signals(#[from] io::Error),
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let stop = stop_signal()?;
    let emulator = Emulator::start(Options {
        imds: arguments.imds,
        platforms: arguments.platforms,
        arc: arguments.arc,
        arc_tokens: arguments.arc_tokens,
        arc_tokens_path: arguments.arc_tokens_path,
        login: arguments.login,
        backend: arguments.backend,
        control: arguments.control,
        state_dir: arguments.state_dir,
    })
    .await?;
    let rows = [
        ("IMDS", "http", emulator.imds(), "the managed identities \"gateway\" and \"reader\""),
        ("platforms", "http", emulator.platforms(), "App Service, Azure ML, Cloud Shell, the AKS sidecar"),
        ("Arc", "http", emulator.arc(), "the agent of Azure Arc"),
        (
            "login",
            "https",
            emulator.login(),
            "login.microsoftonline.com, idp.partner.example, Key Vault and others",
        ),
        ("backend", "https", emulator.backend(), "backend.contoso.example, which shows what it was sent"),
        ("control", "http", emulator.control(), "faults, requests, tokens, keys: see --help"),
    ];
    for (name, scheme, address, plays) in rows {
        println!("{name:<9} {scheme:<6} {:<16} {plays}", address.to_string());
    }
    println!("CA        {}", emulator.ca_certificate().display());
    println!("ready");
    stop.await;
    Ok(())
}

/// Listens for Ctrl-C and SIGTERM from now on; what it returns ends at the first of them.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Listens for Ctrl-C; what it returns ends then.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
