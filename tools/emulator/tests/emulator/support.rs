//! An emulator and a client that trusts it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass_emulator::{
    Emulator, Options,
    directory::{B2C_HOST, CLUSTER_HOST, EXTERNAL_ID_HOST, VAULT_HOST},
};
use jwt_simple::prelude::*;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A running emulator with a state directory of its own.
pub(crate) struct Running {
    emulator: Emulator,
    client: reqwest::Client,
    _state: TempDir,
}

impl Deref for Running {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}

/// Starts one on free ports.
pub(crate) async fn start() -> Running {
    let state = tempfile::tempdir().unwrap();
    let options = Options::on_free_ports(state.path().join("made/by/it"));
    let emulator = Emulator::start(options).await.unwrap();
    Running { client: client(&emulator, b"http/1.1"), emulator, _state: state }
}

/// The names that lead to this machine.
const NAMES: [&str; 7] = [
    "login.microsoftonline.com",
    "idp.partner.example",
    B2C_HOST,
    EXTERNAL_ID_HOST,
    CLUSTER_HOST,
    VAULT_HOST,
    "backend.contoso.example",
];

/// A client that trusts the emulator's authority, knows its names, and gives up after ten seconds.
pub(crate) fn client(emulator: &Emulator, protocol: &[u8]) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(emulator.ca_certificate()).unwrap();
    roots.add(ca).unwrap();
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut builder =
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(Duration::from_secs(10));
    for name in NAMES {
        builder = builder.resolve(name, here);
    }
    builder.build().unwrap()
}

impl Running {
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn imds_url(&self, query: &str) -> String {
        format!("http://{}/metadata/identity/oauth2/token?{query}", self.imds())
    }

    /// A URL of one of the hosts that share the login host's port.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.login().port())
    }

    pub(crate) fn login_url(&self, path: &str) -> String {
        self.url("login.microsoftonline.com", path)
    }

    pub(crate) fn partner_url(&self, path: &str) -> String {
        self.url("idp.partner.example", path)
    }

    pub(crate) fn backend_url(&self, path: &str) -> String {
        format!("https://backend.contoso.example:{}{path}", self.backend().port())
    }

    pub(crate) fn control_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.control())
    }

    /// A request for a token, as a well-behaved client makes it.
    pub(crate) fn ask_imds(&self, query: &str) -> RequestBuilder {
        self.client.get(self.imds_url(query)).header("metadata", "true")
    }

    /// A token of the gateway, and what came with it.
    pub(crate) async fn imds_token(&self) -> Value {
        json(self.ask_imds("api-version=2018-02-01&resource=api://contoso-api"), 200).await
    }

    /// The document that is published at `url`.
    pub(crate) async fn get(&self, url: String) -> Value {
        json(self.client.get(url), 200).await
    }

    /// The keys of Entra's v2 key set.
    pub(crate) async fn entra_keys(&self) -> Vec<Value> {
        let path = format!("/{}/discovery/v2.0/keys", gatepass_emulator::directory::TENANT);
        list(&self.get(self.login_url(&path)).await["keys"])
    }

    /// The keys of the partner's key set.
    pub(crate) async fn partner_keys(&self) -> Vec<Value> {
        list(&self.get(self.partner_url("/jwks")).await["keys"])
    }
}

/// Sends a request, wants that status, reads the body as JSON.
pub(crate) async fn json(request: RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), status, "{answer:?}");
    body(answer).await
}

/// The body as JSON.
pub(crate) async fn body(answer: Response) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.unwrap()
}

/// A JSON array's elements.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

/// The header (0) or the claims (1) of a token, not verified.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Whether one of the keys that the token's `kid` names made its signature, in the eyes of a
/// library that had no part in making it. Only signatures, `exp` and `nbf` are looked at.
pub(crate) fn verifies(token: &str, keys: &[Value]) -> bool {
    let kid = &part(token, 0)["kid"];
    keys.iter().filter(|key| key["kid"] == *kid).any(|key| {
        let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        match key["kty"].as_str().unwrap() {
            "RSA" => RS256PublicKey::from_components(&member("n"), &member("e"))
                .unwrap()
                .verify_token::<NoCustomClaims>(token, None)
                .is_ok(),
            "EC" => {
                let point = [vec![4], member("x"), member("y")].concat();
                ES256PublicKey::from_bytes(&point)
                    .unwrap()
                    .verify_token::<NoCustomClaims>(token, None)
                    .is_ok()
            }
            _ => false,
        }
    })
}

/// The fields of a form.
pub(crate) type Form = Vec<(&'static str, String)>;

/// The form of client credentials with a secret.
pub(crate) fn client_credentials(client_id: &str, secret: &str) -> Form {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", client_id.to_owned()),
        ("client_secret", secret.to_owned()),
        ("scope", "api://contoso-api/.default".to_owned()),
    ]
}

/// A form on its way.
pub(crate) fn post_form(emulator: &Running, url: String, fields: &Form) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = emulator.client().post(url);
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Wants a refusal of Entra's with that error and that code.
pub(crate) fn refused(refusal: &Value, error: &str, code: u32) {
    assert_eq!(refusal["error"], error, "{refusal}");
    assert_eq!(refusal["error_codes"], serde_json::json!([code]), "{refusal}");
    let description = refusal["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    for name in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
        assert!(refusal[name].is_string(), "{name}");
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
