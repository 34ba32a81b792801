//! The tokens themselves: what Entra and the partner put into them (Entra: access-token claims
//! reference).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    Issuer, SigningKey, TokenSpec,
    directory::{Application, CALLER, CONTOSO_API, ManagedIdentity, TENANT},
    partner,
    signing::{Keys, random_text},
};

/// Whom a token is for.
pub(crate) struct Subject {
    client_id: &'static str,
    object_id: &'static str,
    roles: &'static [&'static str],
    /// How the client showed who it is: `1` a secret, `2` a certificate or a managed identity.
    strength: &'static str,
    resource_id: Option<&'static str>,
}

impl From<Application> for Subject {
    fn from(application: Application) -> Self {
        Self {
            client_id: application.client_id,
            object_id: application.object_id,
            roles: application.roles,
            strength: "1",
            resource_id: None,
        }
    }
}

impl From<ManagedIdentity> for Subject {
    fn from(identity: ManagedIdentity) -> Self {
        Self {
            client_id: identity.client_id,
            object_id: identity.object_id,
            roles: identity.roles,
            strength: "2",
            resource_id: Some(identity.resource_id.unwrap_or(MACHINE)),
        }
    }
}

/// The token that `spec` describes, made at `now`, for the caller application.
pub(crate) fn mint(spec: &TokenSpec, keys: &Keys, now: i64) -> String {
    mint_for(&CALLER.into(), spec, keys, now)
}

/// The token that `spec` describes, made at `now`, for `subject`.
pub(crate) fn mint_for(subject: &Subject, spec: &TokenSpec, keys: &Keys, now: i64) -> String {
    let ring = match spec.issuer {
        Issuer::EntraV2 | Issuer::EntraV1 => &keys.entra,
        Issuer::Partner => &keys.partner,
    };
    let pair = match spec.key {
        SigningKey::Current => ring.current(),
        SigningKey::Previous => ring.previous(),
        SigningKey::Foreign => &keys.foreign,
    };
    let kid = pair.kid(spec.algorithm);

    let mut header = object(json!({"typ": "JWT", "alg": spec.algorithm, "kid": kid}));
    let mut claims = match spec.issuer {
        Issuer::EntraV2 => entra_v2(subject),
        Issuer::EntraV1 => {
            header.insert("x5t".to_owned(), kid.into());
            entra_v1(subject)
        }
        Issuer::Partner => partner_claims(subject),
    };
    claims.insert("iat".to_owned(), now.saturating_add(spec.not_before).into());
    claims.insert("nbf".to_owned(), now.saturating_add(spec.not_before).into());
    claims.insert("exp".to_owned(), now.saturating_add(spec.lifetime).into());

    replace(&mut header, &spec.header);
    replace(&mut claims, &spec.claims);
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = pair.sign(spec.algorithm, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The issuer of v2 tokens; `tenant` may be the template `{tenantid}`.
pub(crate) fn issuer_v2(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// The issuer of v1 tokens, with its slash at the end.
pub(crate) fn issuer_v1(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// The virtual machine that the system-assigned identity belongs to (`xms_mirid`).
const MACHINE: &str = "/subscriptions/d3b07384-d9a0-4c1f-8b2e-5a6f7c8d9e01/resourcegroups/contoso/providers/Microsoft.Compute/virtualMachines/gateway";

fn entra_v2(subject: &Subject) -> Map<String, Value> {
    let mut claims = entra(subject);
    claims.extend(object(json!({
        "iss": issuer_v2(TENANT),
        "azp": subject.client_id,
        "azpacr": subject.strength,
        "ver": "2.0",
    })));
    claims
}

fn entra_v1(subject: &Subject) -> Map<String, Value> {
    let mut claims = entra(subject);
    claims.extend(object(json!({
        "iss": issuer_v1(TENANT),
        "idp": issuer_v1(TENANT),
        "appid": subject.client_id,
        "appidacr": subject.strength,
        "ver": "1.0",
    })));
    claims
}

/// What v1 and v2 tokens have in common. The values of `aio`, `rh`, `uti` and `xms_ftd` mean
/// nothing outside Entra; theirs is the length.
fn entra(subject: &Subject) -> Map<String, Value> {
    let mut claims = object(json!({
        "aud": CONTOSO_API.client_id,
        "aio": random_text(60),
        "idtyp": "app",
        "oid": subject.object_id,
        "rh": format!("1.{}.", random_text(45)),
        "sub": subject.object_id,
        "tid": TENANT,
        "uti": random_text(16),
        "xms_ftd": random_text(62),
    }));
    if !subject.roles.is_empty() {
        claims.insert("roles".to_owned(), subject.roles.into());
    }
    if let Some(resource_id) = subject.resource_id {
        claims.insert("xms_mirid".to_owned(), resource_id.into());
    }
    claims
}

fn partner_claims(subject: &Subject) -> Map<String, Value> {
    object(json!({
        "iss": partner::ISSUER,
        "aud": CONTOSO_API.client_id,
        "sub": subject.client_id,
        "client_id": subject.client_id,
        "jti": random_text(16),
        "roles": subject.roles,
    }))
}

fn replace(object: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
}

fn part(object: Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(object).to_string())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
