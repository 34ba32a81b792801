//! The players and their sockets.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    Options, StartError, app_service, arc, backend, cloud_shell, cluster, control, customers,
    endpoint::{Site, on_arc, on_backend, on_imds, on_login, on_platforms},
    entra, entra_token, imds, key_vault, partner, partner_token,
    serve::{Player, by_host},
    service_fabric,
    shared::Shared,
    tls::Tls,
    workflow,
};

/// Where everything listens.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) imds: SocketAddr,
    pub(crate) platforms: SocketAddr,
    pub(crate) arc: SocketAddr,
    pub(crate) login_thumbprint: String,
    pub(crate) login: SocketAddr,
    pub(crate) backend: SocketAddr,
    pub(crate) control: SocketAddr,
}

/// Makes the certificates, writes the authority's to `ca`, and serves every player from then on.
pub(crate) async fn listen(
    shared: Arc<Shared>,
    options: Options,
    ca: PathBuf,
) -> Result<Addresses, StartError> {
    if !options.control.ip().is_loopback() {
        return Err(StartError::ControlNotOnLoopback(options.control));
    }
    let tls = Tls::generate()?;
    let (imds, imds_address) = bind("IMDS", options.imds).await?;
    let (platforms, platforms_address) = bind("the platforms", options.platforms).await?;
    let (arc_listener, arc_address) = bind("Azure Arc", options.arc).await?;
    let (login, login_address) = bind("the login host", options.login).await?;
    let (backend, backend_address) = bind("the backend", options.backend).await?;
    let (control, control_address) = bind("the control interface", options.control).await?;
    write(&ca, &tls.ca)?;

    let routes = |router: Router<Arc<Shared>>| router.with_state(Arc::clone(&shared));
    let player = |classify, router| Player { classify, router, shared: Arc::clone(&shared) };
    let login_routes = by_host(
        routes(
            entra::router()
                .merge(entra_token::router())
                .merge(partner::router())
                .merge(partner_token::router())
                .merge(service_fabric::router()),
        ),
        vec![
            (Site::B2c, routes(customers::b2c())),
            (Site::ExternalId, routes(customers::external_id())),
            (Site::Cluster, routes(cluster::router())),
            (Site::KeyVault, routes(key_vault::router())),
        ],
    );
    tokio::spawn(player(on_imds, routes(imds::router())).run(imds, None));
    let platform_routes = routes(app_service::router().merge(cloud_shell::router()));
    tokio::spawn(player(on_platforms, platform_routes).run(platforms, None));
    tokio::spawn(player(on_arc, routes(arc::router())).run(arc_listener, None));
    tokio::spawn(player(on_login, login_routes).run(login, Some(tls.login)));
    tokio::spawn(
        player(on_backend, routes(backend::router().merge(workflow::router())))
            .run(backend, Some(tls.backend)),
    );
    tokio::spawn(axum::serve(control, routes(control::router())).into_future());
    Ok(Addresses {
        imds: imds_address,
        platforms: platforms_address,
        arc: arc_address,
        login_thumbprint: tls.login_thumbprint,
        login: login_address,
        backend: backend_address,
        control: control_address,
    })
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { name, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn write(path: &Path, text: &str) -> Result<(), StartError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .map_err(|source| StartError::Write { path: path.to_owned(), source })
}
