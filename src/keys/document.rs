use serde::Deserialize;

use super::Definition;
use crate::calls::{Unusable, Url};
use crate::jwt::{Algorithm, Jwk, Jwks, Verifier, sha256};

/// What a discovery document (OpenID Connect Discovery 1.0, section 3) says that we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discovered {
    /// The issuer, as tokens name it.
    pub issuer: String,
    /// Where the keys are.
    pub jwks: Url,
    /// Envoy's cluster for them.
    pub cluster: String,
}

impl Discovered {
    pub(super) fn parse(json: &[u8], definition: &Definition) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| Unusable::NotTheJson)?;
        // A trailing slash is part of some issuers' names, though not of their discovery documents' places.
        if document.issuer.trim_end_matches('/') != definition.issuer.trim_end_matches('/') {
            return Err(Unusable::Issuer);
        }
        let jwks = Url::parse(&document.jwks_uri).ok_or(Unusable::JwksUri)?;
        let cluster = definition.cluster_for(&jwks).ok_or(Unusable::JwksUri)?.to_owned();
        Ok(Self { issuer: document.issuer, jwks, cluster })
    }
}

/// Keys that are ready for use.
pub(super) struct KeySet<K> {
    keys: Vec<ReadyKey<K>>,
    digest: [u8; 32],
    dropped: usize,
}

struct ReadyKey<K> {
    key_id: Option<String>,
    /// Those of the issuer's algorithms that the key is for.
    algorithms: Vec<Algorithm>,
    key: K,
}

impl<K> KeySet<K> {
    /// Reads a JWK Set; keys that cannot be used, or are not for this issuer, are dropped and counted.
    pub(super) fn parse<V: Verifier<Key = K>>(
        json: &[u8],
        issuer: &str,
        definition: &Definition,
        verifier: &V,
    ) -> Result<Self, Unusable> {
        let jwks = Jwks::parse(json).map_err(|_| Unusable::NotTheJson)?;
        let offered = jwks.keys.len();
        let keys: Vec<_> = jwks
            .keys
            .into_iter()
            .filter(|key| {
                key.issuer.as_deref().is_none_or(|of| is_for(of, issuer, definition.tenant.as_deref()))
            })
            .filter_map(|jwk| ready(jwk, &definition.algorithms, verifier))
            .collect();
        if keys.is_empty() {
            return Err(Unusable::NoKeys);
        }
        let dropped = jwks.dropped.saturating_add(offered.saturating_sub(keys.len()));
        Ok(Self { keys, digest: sha256(json), dropped })
    }

    /// Whether this set was read from the same bytes.
    pub(super) fn is_from(&self, json: &[u8]) -> bool {
        self.digest == sha256(json)
    }

    pub(super) const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether a key has this `kid`, for whatever algorithm.
    pub(super) fn has(&self, key_id: Option<&str>) -> bool {
        key_id.is_some() && self.keys.iter().any(|key| key.key_id.as_deref() == key_id)
    }

    /// The key with this `kid`; for a token without one, the only key that fits the algorithm.
    pub(super) fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&K> {
        let mut fitting = self.keys.iter().filter(|key| match key_id {
            Some(_) => key.key_id.as_deref() == key_id && key.algorithms.contains(&algorithm),
            None => key.algorithms.contains(&algorithm),
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.key)
    }
}

/// The key, if there is one of the `allowed` algorithms that it is for.
fn ready<V: Verifier>(jwk: Jwk, allowed: &[Algorithm], verifier: &V) -> Option<ReadyKey<V::Key>> {
    let algorithms: Vec<_> = allowed.iter().copied().filter(|algorithm| jwk.is_for(*algorithm)).collect();
    if algorithms.is_empty() {
        return None;
    }
    let key = verifier.prepare(&jwk.key).ok()?;
    Some(ReadyKey { key_id: jwk.key_id, algorithms, key })
}

/// Entra's keys name the issuer that they are for; `{tenantid}` in it stands for any tenant, so for ours.
fn is_for(of: &str, issuer: &str, tenant: Option<&str>) -> bool {
    match tenant {
        Some(tenant) => of.replace("{tenantid}", tenant) == issuer,
        None => of == issuer,
    }
}
