//! The partner's token endpoint: plain OAuth 2.0 client credentials (RFC 6749 section 4.4).
//!
//! It knows the applications of the directory by the same ids and secrets, and the caller's keys.
//! `scope`, `audience` and `resource` (RFC 8707) may all be missing.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use crate::{
    Algorithm, TokenSpec,
    assertion::Assertion,
    clock,
    directory::{APPLICATIONS, Api, Application, CALLER, CONTOSO_API, PARTNER_ISSUER},
    endpoint::PARTNER_TOKEN_PATH,
    json::extend,
    mint::{Subject, mint},
    shared::Shared,
    token_request::{Proof, TokenRequest},
};

/// The scopes that the partner knows.
const SCOPES: [&str; 2] = ["orders.read", "orders.write"];

/// The token endpoint's route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(PARTNER_TOKEN_PATH, post(token))
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = TokenRequest::parse(&headers, &body);
    let answer = match &request {
        Ok(request) => answer(&shared, request),
        Err(name) => Err(Refusal("invalid_request", format!("the parameter {name} comes twice"))),
    };
    let is_basic = request.is_ok_and(|request| request.is_basic());
    match answer {
        Ok(answer) => ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(refusal) => refusal.into_response(is_basic),
    }
}

/// The `error` of RFC 6749 section 5.2, and why.
struct Refusal(&'static str, String);

impl Refusal {
    /// `invalid_client` is 401, with a challenge where the client has used `Authorization`.
    fn into_response(self, is_basic: bool) -> Response {
        let body = Json(json!({"error": self.0, "error_description": self.1}));
        match (self.0, is_basic) {
            ("invalid_client", true) => {
                let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"partner\"")];
                (StatusCode::UNAUTHORIZED, challenge, body).into_response()
            }
            ("invalid_client", false) => (StatusCode::UNAUTHORIZED, body).into_response(),
            _ => (StatusCode::BAD_REQUEST, body).into_response(),
        }
    }
}

fn answer(shared: &Shared, request: &TokenRequest) -> Result<Value, Refusal> {
    let application = client(shared, request)?;
    if request.field("grant_type") != Some("client_credentials") {
        return Err(Refusal("unsupported_grant_type", "only client_credentials".to_owned()));
    }
    let scope = request.field("scope");
    if let Some(unknown) = scope.and_then(|scope| scope.split(' ').find(|name| !SCOPES.contains(name))) {
        return Err(Refusal("invalid_scope", format!("there is no scope {unknown}")));
    }
    let resource = request.field("audience").or_else(|| request.field("resource"));
    let resource = resource.unwrap_or(CONTOSO_API.client_id);
    let api = Api::named(resource)
        .ok_or_else(|| Refusal("invalid_target", format!("there is no API {resource}")))?;

    let lifetime = shared.client_token_lifetime();
    let spec = TokenSpec::partner().lifetime(lifetime).claim("scope", scope);
    let subject = Subject::application(&application, &api, resource);
    let mut answer = json!({
        "access_token": mint(&subject, &spec, &shared.keys(), clock::now()),
        "token_type": "Bearer",
        "expires_in": lifetime,
    });
    if let Some(scope) = scope {
        extend(&mut answer, json!({"scope": scope}));
    }
    Ok(answer)
}

fn client(shared: &Shared, request: &TokenRequest) -> Result<Application, Refusal> {
    let refused = |why: &str| Refusal("invalid_client", why.to_owned());
    let (client_id, proven) = match request.proof() {
        Ok(Proof::Secret(secret)) => {
            let client_id = request.client_id().unwrap_or_default();
            (client_id.to_owned(), shared.client_secret(client_id) == Some(secret))
        }
        Ok(Proof::Assertion(text)) => {
            let assertion = Assertion::parse(text).ok_or_else(|| refused("the assertion is no JWT"))?;
            let client_id = request.client_id().unwrap_or_else(|| assertion.claim("iss"));
            check(shared, &assertion, client_id).map_err(refused)?;
            (client_id.to_owned(), true)
        }
        Err(_) => return Err(refused("one of a secret and an assertion is wanted")),
    };
    let application = APPLICATIONS.into_iter().find(|application| application.client_id == client_id);
    application.filter(|_| proven).ok_or_else(|| refused("unknown client or wrong secret"))
}

/// `private_key_jwt` (OpenID Connect Core section 9).
fn check(shared: &Shared, assertion: &Assertion<'_>, client_id: &str) -> Result<(), &'static str> {
    let keys = shared.keys();
    let caller = &keys.fixed.caller;
    let algorithms = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256];
    let known = algorithms.iter().any(|&algorithm| caller.kid(algorithm) == assertion.header("kid"));
    if client_id != CALLER.client_id || !known {
        return Err("the client has no such key");
    }
    if [assertion.claim("iss"), assertion.claim("sub")] != [client_id; 2] {
        return Err("iss and sub are not the client's id");
    }
    if !assertion.is_signed_by(caller, &algorithms) {
        return Err("the signature is wrong");
    }
    if !assertion.is_for(&[PARTNER_ISSUER, &format!("{PARTNER_ISSUER}{PARTNER_TOKEN_PATH}")]) {
        return Err("the audience is neither the issuer nor the token endpoint");
    }
    if !assertion.is_timely(clock::now()) {
        return Err("the assertion is not valid now");
    }
    if !shared.used_assertions.first_use(assertion) {
        return Err("jti is missing or was used before");
    }
    Ok(())
}
