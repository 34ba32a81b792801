//! Sockets and connections: each request is logged, meets its fault, and only then its route.

use std::{collections::HashMap, convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{
        HeaderName, HeaderValue, Request, Response, StatusCode,
        header::{CONTENT_LENGTH, HOST},
    },
};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower::{ServiceExt, service_fn};

use crate::{Action, Endpoint, Fault, endpoint::Site, json::replace, log::LogNumber, shared::Shared};

/// A player behind one port.
#[derive(Clone)]
pub(crate) struct Player {
    /// Says what a host and a path are for.
    pub(crate) classify: fn(&str, &str) -> Endpoint,
    /// Gives the normal answer.
    pub(crate) router: Router,
    /// The log and the faults.
    pub(crate) shared: Arc<Shared>,
}

impl Player {
    /// Serves every connection, for as long as the runtime lives.
    pub(crate) async fn run(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let tls = tls.map(TlsAcceptor::from);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: some will be closed.
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let player = self.clone();
            match tls.clone() {
                None => tokio::spawn(player.serve(stream)),
                Some(tls) => tokio::spawn(async move {
                    // A client that does not trust us has said so; there is nobody to tell.
                    if let Ok(stream) = tls.accept(stream).await {
                        player.serve(stream).await;
                    }
                }),
            };
        }
    }

    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| self.clone().play(request));
        // An error is a connection that has gone, or one that a fault has closed.
        let _ = auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await;
    }

    async fn play(self, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
        let endpoint = (self.classify)(host(&request), request.uri().path());
        let log = &self.shared.log;
        let number = log.begin(endpoint, request.method(), request.uri(), request.headers());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(LogNumber(number));
        if endpoint.takes_forms() {
            let (head, body) = request.into_parts();
            let form = to_bytes(body, FORM_LIMIT).await.unwrap_or_default();
            log.note_form(number, &form);
            request = Request::from_parts(head, Body::from(form));
        }
        let Fault { delay, action } =
            self.shared.faults.next(endpoint).unwrap_or_else(|| Fault::new(Action::Normal));
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let normal = async || {
            let answered: Result<_, Infallible> = self.router.clone().oneshot(request).await;
            let Ok(response) = answered;
            response
        };
        let response = match action {
            Action::Normal => normal().await,
            Action::Answer { status, headers, body } => answer(status, headers, body),
            Action::Hang => std::future::pending().await,
            Action::Close => return Err(Closed),
            Action::Drip { bytes_per_second } => drip(normal().await, bytes_per_second).await,
            Action::Truncate => truncate(normal().await).await,
            Action::Merge(members) => merge(normal().await, members).await,
        };
        log.finish(number, response.status().as_u16());
        Ok(response)
    }
}

/// A router that gives every site its own routes; a site without any has those of the login host.
pub(crate) fn by_host(login: Router, sites: Vec<(Site, Router)>) -> Router {
    let sites: HashMap<_, _> = sites.into_iter().collect();
    Router::new().fallback(move |request: Request<Body>| {
        let router = sites.get(&Site::of(host(&request))).unwrap_or(&login).clone();
        async move {
            let answered: Result<Response<Body>, Infallible> = router.oneshot(request).await;
            let Ok(response) = answered;
            response
        }
    })
}

/// The host that was asked: HTTP/2's `:authority`, else `Host`.
fn host<B>(request: &Request<B>) -> &str {
    let header = || request.headers().get(HOST)?.to_str().ok();
    request.uri().authority().map(|authority| authority.as_str()).or_else(header).unwrap_or_default()
}

/// A fault has closed the connection. (With HTTP/2 it resets the stream.)
#[derive(Debug, thiserror::Error)]
#[error("closed by a fault")]
struct Closed;

fn answer(status: u16, headers: Vec<(String, String)>, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let Ok(status) = StatusCode::from_u16(status) else {
        return unusable(format!("{status} is no status"));
    };
    *response.status_mut() = status;
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value))
        else {
            return unusable(format!("the header {name} cannot be sent"));
        };
        response.headers_mut().append(name, value);
    }
    response
}

fn unusable(why: String) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("unusable fault: {why}\n")));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// How often a dripping body drips.
const DRIPS_PER_SECOND: u32 = 10;

async fn drip(response: Response<Body>, bytes_per_second: u32) -> Response<Body> {
    let rate = bytes_per_second.max(1);
    let drop = rate.div_ceil(DRIPS_PER_SECOND);
    let pause = Duration::from_secs_f64(f64::from(drop) / f64::from(rate));
    let size = usize::try_from(drop).unwrap_or(usize::MAX);
    with_body(response, |body| {
        Body::from_stream(stream::unfold(body, move |mut left| async move {
            if left.is_empty() {
                return None;
            }
            sleep(pause).await;
            let next = left.split_to(size.min(left.len()));
            Some((Ok::<_, io::Error>(next), left))
        }))
    })
    .await
}

async fn truncate(response: Response<Body>) -> Response<Body> {
    with_body(response, |mut body| {
        let half = body.split_to(body.len() / 2);
        Body::from_stream(stream::unfold(Some(half), |half| async {
            match half {
                Some(half) => Some((Ok(half), None)),
                None => {
                    // The half has to be on its way before the connection is closed.
                    sleep(Duration::from_millis(50)).await;
                    Some((Err(io::Error::other(Closed)), None))
                }
            }
        }))
    })
    .await
}

/// The members of a JSON body replaced; `null` removes one. A body that is no object stays.
async fn merge(response: Response<Body>, members: Map<String, Value>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    head.headers.remove(CONTENT_LENGTH);
    let Ok(mut object) = serde_json::from_slice(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    replace(&mut object, &members);
    Response::from_parts(head, Body::from(Value::Object(object).to_string()))
}

/// The longest form that is read, in bytes; a longer one is empty.
const FORM_LIMIT: usize = 64 * 1024;

/// The response with `change` done to its body, and the `content-length` of the whole body.
async fn with_body(response: Response<Body>, change: impl FnOnce(Bytes) -> Body) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    Response::from_parts(head, change(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_sent_says_so() {
        let bad = answer(99, Vec::new(), String::new());
        assert_eq!(bad.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bad = answer(200, vec![("a b".into(), "c".into())], String::new());
        assert_eq!(bad.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
