//! The tokens themselves: what Entra and the partner put into them (Entra: access-token claims
//! reference).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    Issuer, TokenSpec,
    directory::{
        Api, Application, B2C_HOST, B2C_POLICY, CLUSTER_ISSUER, CONTOSO_API, CUSTOMER_TENANT, LOGIN,
        ManagedIdentity, PARTNER_ISSUER, SERVICE_ACCOUNT, TokenVersion,
    },
    json::{object, replace},
    random::{random_guid, random_text},
    signing::Keys,
};

/// Whom a token is about, and what for.
pub(crate) struct Subject {
    client_id: &'static str,
    object_id: &'static str,
    audience: String,
    roles: &'static [&'static str],
    /// How the client showed who it is: `1` a secret, `2` a certificate or a managed identity.
    strength: &'static str,
    resource_id: Option<&'static str>,
}

impl Subject {
    /// An application that asks for a token under that name of the API.
    pub(crate) fn application(application: &Application, api: &Api, resource: &str) -> Self {
        Self {
            client_id: application.client_id,
            object_id: application.object_id,
            audience: api.audience(resource).to_owned(),
            roles: application.roles_on(api),
            strength: "1",
            resource_id: None,
        }
    }

    /// The same, with a certificate or a federated credential.
    pub(crate) fn without_secret(self) -> Self {
        Self { strength: "2", ..self }
    }

    /// A managed identity that asks for a token under that name of the API.
    pub(crate) fn identity(identity: &ManagedIdentity, api: &Api, resource: &str) -> Self {
        Self {
            client_id: identity.client_id,
            object_id: identity.object_id,
            audience: api.audience(resource).to_owned(),
            roles: identity.roles_on(api),
            strength: "2",
            resource_id: Some(identity.resource_id.unwrap_or(MACHINE)),
        }
    }
}

impl From<Application> for Subject {
    fn from(application: Application) -> Self {
        Self::application(&application, &CONTOSO_API, CONTOSO_API.identifier_uri)
    }
}

impl From<&Api> for Issuer {
    fn from(api: &Api) -> Self {
        match api.token_version {
            TokenVersion::V1 => Self::EntraV1,
            TokenVersion::V2 => Self::EntraV2,
        }
    }
}

/// The token that `spec` describes, made at `now`, for `subject`.
pub(crate) fn mint(subject: &Subject, spec: &TokenSpec, keys: &Keys, now: i64) -> String {
    let pair = keys.of(spec);
    let kid = pair.kid(spec.algorithm);

    let mut header = object(json!({"typ": "JWT", "alg": spec.algorithm, "kid": kid}));
    let mut claims = match spec.issuer {
        Issuer::EntraV2 => entra_v2(subject, &spec.tenant),
        Issuer::EntraV1 => {
            header.insert("x5t".to_owned(), kid.into());
            entra_v1(subject, &spec.tenant)
        }
        Issuer::Partner => partner(subject),
        Issuer::B2c => b2c(subject),
        Issuer::ExternalId => external_id(subject),
        Issuer::Cluster => service_account(),
    };
    claims.insert("iat".to_owned(), now.saturating_add(spec.not_before).into());
    claims.insert("nbf".to_owned(), now.saturating_add(spec.not_before).into());
    claims.insert("exp".to_owned(), now.saturating_add(spec.lifetime).into());

    replace(&mut header, &spec.header);
    replace(&mut claims, &spec.claims);
    let header = spec.raw_header.clone().unwrap_or_else(|| text(header, &spec.appended_header));
    let claims = spec.raw_claims.clone().unwrap_or_else(|| text(claims, &spec.appended_claims));
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = pair.sign(spec.algorithm, spec.hmac_secret.as_deref(), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The issuer of v2 tokens; `tenant` may be the template `{tenantid}`.
pub(crate) fn issuer_v2(tenant: &str) -> String {
    format!("{LOGIN}/{tenant}/v2.0")
}

/// The issuer of v1 tokens, with its slash at the end.
pub(crate) fn issuer_v1(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// The issuer that B2C names, with its slash at the end; the policy is not in it.
pub(crate) fn issuer_b2c() -> String {
    format!("https://{B2C_HOST}/{CUSTOMER_TENANT}/v2.0/")
}

/// The issuer that External ID names, on the host that the tenant's id names.
pub(crate) fn issuer_external_id() -> String {
    format!("https://{CUSTOMER_TENANT}.ciamlogin.com/{CUSTOMER_TENANT}/v2.0")
}

/// The virtual machine that the system-assigned identity belongs to (`xms_mirid`).
const MACHINE: &str = "/subscriptions/d3b07384-d9a0-4c1f-8b2e-5a6f7c8d9e01/resourcegroups/contoso/providers/Microsoft.Compute/virtualMachines/gateway";

fn entra_v2(subject: &Subject, tenant: &str) -> Map<String, Value> {
    let mut claims = entra(subject, tenant);
    claims.extend(object(json!({
        "iss": issuer_v2(tenant),
        "azp": subject.client_id,
        "azpacr": subject.strength,
        "ver": "2.0",
    })));
    claims
}

fn entra_v1(subject: &Subject, tenant: &str) -> Map<String, Value> {
    let mut claims = entra(subject, tenant);
    claims.extend(object(json!({
        "iss": issuer_v1(tenant),
        "idp": issuer_v1(tenant),
        "appid": subject.client_id,
        "appidacr": subject.strength,
        "ver": "1.0",
    })));
    claims
}

/// What v1 and v2 tokens have in common. The values of `aio`, `rh`, `uti` and `xms_ftd` mean
/// nothing outside Entra; theirs is the length.
fn entra(subject: &Subject, tenant: &str) -> Map<String, Value> {
    let mut claims = object(json!({
        "aud": subject.audience,
        "aio": random_text(60),
        "idtyp": "app",
        "oid": subject.object_id,
        "rh": format!("1.{}.", random_text(45)),
        "sub": subject.object_id,
        "tid": tenant,
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

fn partner(subject: &Subject) -> Map<String, Value> {
    object(json!({
        "iss": PARTNER_ISSUER,
        "aud": subject.audience,
        "sub": subject.client_id,
        "client_id": subject.client_id,
        "jti": random_text(16),
        "roles": subject.roles,
    }))
}

/// A user's token (B2C: tokens-overview). There is no `tid`, and `ver` is 1.0 though the endpoint
/// is v2.
fn b2c(subject: &Subject) -> Map<String, Value> {
    object(json!({
        "iss": issuer_b2c(),
        "aud": subject.audience,
        "sub": CUSTOMER,
        "tfp": B2C_POLICY,
        "scp": "orders.read",
        "azp": subject.client_id,
        "ver": "1.0",
    }))
}

fn external_id(subject: &Subject) -> Map<String, Value> {
    object(json!({
        "iss": issuer_external_id(),
        "aud": subject.audience,
        "sub": random_text(32),
        "oid": CUSTOMER,
        "tid": CUSTOMER_TENANT,
        "scp": "orders.read",
        "azp": subject.client_id,
        "azpacr": "0",
        "ver": "2.0",
    }))
}

/// A projected service-account token (Kubernetes: service-accounts-admin).
fn service_account() -> Map<String, Value> {
    object(json!({
        "iss": CLUSTER_ISSUER,
        "aud": [TOKEN_EXCHANGE],
        "sub": SERVICE_ACCOUNT,
        "jti": random_guid(),
        "kubernetes.io": {
            "namespace": "gateway",
            "pod": {"name": "gatepass-0", "uid": "7c1f0b3a-2d5e-4f6a-8b9c-0d1e2f3a4b5c"},
            "serviceaccount": {"name": "gatepass", "uid": "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"},
        },
    }))
}

/// The audience of an assertion that is exchanged for a token at Entra.
pub(crate) const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";

/// The object id of a customer.
const CUSTOMER: &str = "c2a9f1d4-08b3-4e67-95fc-3b1d7e60a284";

/// The members as JSON, `appended` last and as often as they come.
fn text(members: Map<String, Value>, appended: &[(String, Value)]) -> String {
    let members = members.iter().chain(appended.iter().map(|(name, value)| (name, value)));
    let members: Vec<_> =
        members.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}
