//! What the managed-identity endpoints have in common: which identity, which API, which token.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    TokenSpec, clock,
    directory::{Api, GATEWAY, MANAGED_IDENTITIES, ManagedIdentity},
    mint::{Subject, mint},
    shared::Shared,
    token_cache::Issued,
};

/// What a parameter chooses a user-assigned identity by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Client,
    Object,
    AzureResource,
}

/// What an endpoint takes.
pub(crate) struct Dialect {
    /// The values of `api-version`; with none of them, the parameter is not looked at.
    pub(crate) versions: &'static [&'static str],
    /// The parameters that choose an identity; at most one of them may come.
    pub(crate) selectors: &'static [(&'static str, Selector)],
}

/// Why a question is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    /// This parameter comes twice.
    Twice(String),
    /// This parameter is missing.
    Missing(&'static str),
    /// There is no such `api-version`.
    Version(String),
    /// There is more than one selector.
    SeveralSelectors,
    /// Nobody here has that identity.
    UnknownIdentity,
    /// There is no such API.
    UnknownResource(String),
}

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) identity: ManagedIdentity,
    pub(crate) api: Api,
    /// As it was asked for.
    pub(crate) resource: String,
    /// The selector as it came: name and value.
    pub(crate) selected_by: Option<(&'static str, String)>,
    /// The client can handle claims challenges (`xms_cc=cp1`).
    capable: bool,
    /// The SHA-256 of a token that is no good any more (`token_sha256_to_refresh`).
    refused_token: Option<String>,
}

impl Question {
    /// Reads a query or a form.
    pub(crate) fn parse(query: &str, dialect: &Dialect) -> Result<Self, Problem> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = name.to_ascii_lowercase();
            if parameters.insert(name.clone(), value.into_owned()).is_some() {
                return Err(Problem::Twice(name));
            }
        }
        let given = |name: &str| parameters.get(name).filter(|value| !value.is_empty()).cloned();

        if !dialect.versions.is_empty() {
            let version = given("api-version").ok_or(Problem::Missing("api-version"))?;
            if !dialect.versions.contains(&version.as_str()) {
                return Err(Problem::Version(version));
            }
        }
        let resource = given("resource").ok_or(Problem::Missing("resource"))?;
        let mut chosen =
            dialect.selectors.iter().filter_map(|&(name, kind)| Some((name, kind, given(name)?)));
        let selector = chosen.next();
        if chosen.next().is_some() {
            return Err(Problem::SeveralSelectors);
        }
        let identity = match &selector {
            None => GATEWAY,
            Some((_, kind, value)) => find(*kind, value).ok_or(Problem::UnknownIdentity)?,
        };
        let api = Api::named(&resource).ok_or_else(|| Problem::UnknownResource(resource.clone()))?;
        Ok(Self {
            identity,
            api,
            resource,
            selected_by: selector.map(|(name, _, value)| (name, value)),
            capable: given("xms_cc").is_some_and(|list| list.split(',').any(|name| name == "cp1")),
            refused_token: given("token_sha256_to_refresh"),
        })
    }

    /// The token: the one that is kept, unless the client says that it is refused.
    pub(crate) fn answer(&self, shared: &Shared) -> Answer {
        let now = clock::now();
        let lifetime = shared.token_lifetime();
        let tokens = &shared.identity_tokens;
        if let Some(hash) = &self.refused_token {
            tokens.forget(&self.identity, &self.resource, hash);
        }
        let issued = tokens.get(&self.identity, &self.resource, now, || {
            let mut spec = TokenSpec { issuer: (&self.api).into(), lifetime, ..TokenSpec::default() };
            if self.capable {
                spec = spec.claim("xms_cc", json!(["cp1"]));
            }
            let subject = Subject::identity(&self.identity, &self.api, &self.resource);
            Issued {
                token: mint(&subject, &spec, &shared.keys(), now),
                at: now,
                not_before: now.saturating_add(spec.not_before),
                expires: now.saturating_add(lifetime),
            }
        });
        Answer { left: issued.expires - now, issued }
    }

    /// All members that IMDS answers with, each a string.
    pub(crate) fn imds_answer(&self, shared: &Shared) -> Value {
        let Answer { issued, left } = self.answer(shared);
        json!({
            "access_token": issued.token,
            "client_id": self.identity.client_id,
            "expires_in": left.to_string(),
            "expires_on": issued.expires.to_string(),
            "ext_expires_in": left.to_string(),
            "not_before": issued.not_before.to_string(),
            "refresh_token": "",
            "resource": self.resource,
            "token_type": "Bearer",
        })
    }
}

/// A token and what is left of its life, in seconds.
pub(crate) struct Answer {
    pub(crate) issued: Issued,
    pub(crate) left: i64,
}

fn find(kind: Selector, value: &str) -> Option<ManagedIdentity> {
    MANAGED_IDENTITIES.into_iter().find(|identity| {
        let own = match kind {
            Selector::Client => Some(identity.client_id),
            Selector::Object => Some(identity.object_id),
            Selector::AzureResource => identity.resource_id,
        };
        own.is_some_and(|own| own.eq_ignore_ascii_case(value))
    })
}
