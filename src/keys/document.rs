use serde::Deserialize;

use super::definition::Source;
use super::{Definition, IssuerName};
use crate::calls::{Unusable, Url};
use crate::jwt::{Algorithm, Jwk, Jwks, Verifier, sha256};

/// What a discovery document (OpenID Connect Discovery 1.0, section 3) says that we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discovered {
    pub origin: Origin,
    /// Where the keys are.
    pub jwks: Url,
    /// Envoy's cluster for them.
    pub cluster: String,
}

/// Whose keys a set has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The issuer, as tokens name it.
    pub issuer: IssuerName,
    /// Entra's cloud.
    pub cloud: Option<String>,
}

impl Discovered {
    pub(super) fn parse(json: &[u8], source: &Source) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
            cloud_instance_name: Option<String>,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| Unusable::NotTheJson)?;
        let issuer = source.named(&document.issuer).ok_or(Unusable::Issuer)?;
        let jwks = Url::parse(&document.jwks_uri).ok_or(Unusable::JwksUri)?;
        let cluster = source.cluster_for(&jwks).ok_or(Unusable::JwksUri)?.to_owned();
        let origin = Origin { issuer, cloud: document.cloud_instance_name };
        Ok(Self { origin, jwks, cluster })
    }
}

/// Keys that are ready for use.
pub(super) struct KeySet<K> {
    keys: Vec<ReadyKey<K>>,
    digest: [u8; 32],
    dropped: usize,
    is_configured: bool,
}

struct ReadyKey<K> {
    key_id: Option<String>,
    /// The issuer that the key is for, where it says so.
    issuer: Option<IssuerName>,
    /// Those of the issuer's algorithms that the key is for.
    algorithms: Vec<Algorithm>,
    key: K,
}

impl<K> KeySet<K> {
    /// Reads a JWK Set; keys that cannot be used, or are not for this issuer, are dropped and counted.
    pub(super) fn parse<V: Verifier<Key = K>>(
        json: &[u8],
        origin: &Origin,
        definition: &Definition,
        verifier: &V,
    ) -> Result<Self, Unusable> {
        let jwks = Jwks::parse(json).map_err(|_| Unusable::NotTheJson)?;
        let offered = jwks.keys.len();
        let keys: Vec<_> = jwks
            .keys
            .into_iter()
            .filter(|key| origin.is_of(key))
            .filter_map(|jwk| ready(&jwk, &definition.algorithms, verifier))
            .collect();
        if keys.is_empty() {
            return Err(Unusable::NoKeys);
        }
        let dropped = jwks.dropped.saturating_add(offered.saturating_sub(keys.len()));
        Ok(Self { keys, digest: sha256(json), dropped, is_configured: false })
    }

    /// Keys that stand in the configuration. They are good: otherwise the configuration would not exist.
    pub(super) fn configured<V: Verifier<Key = K>>(
        keys: &[Jwk],
        algorithms: &[Algorithm],
        verifier: &V,
    ) -> Self {
        let keys = keys.iter().filter_map(|jwk| ready(jwk, algorithms, verifier)).collect();
        Self { keys, digest: [0; 32], dropped: 0, is_configured: true }
    }

    /// Whether an unknown `kid` may be looked for elsewhere.
    pub(super) const fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// Whether this set was read from the same bytes.
    pub(super) fn is_from(&self, json: &[u8]) -> bool {
        self.digest == sha256(json)
    }

    pub(super) const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether a key has this `kid`, for whatever algorithm.
    pub(super) fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id.as_deref() == Some(key_id))
    }

    /// The key of `issuer` with this `kid`; for a token without one, the only key that fits the algorithm. A key that
    /// stands in the configuration without a `kid` has every one that no other key has.
    pub(super) fn find(&self, issuer: &str, key_id: Option<&str>, algorithm: Algorithm) -> Option<&K> {
        let name = key_id.filter(|key_id| !self.is_configured || self.has(key_id));
        let is_named = |key: &ReadyKey<K>| match key_id {
            None => true,
            Some(_) => key.key_id.as_deref() == name,
        };
        let mut fitting = self.keys.iter().filter(|key| {
            is_named(key)
                && key.algorithms.contains(&algorithm)
                && key.issuer.as_ref().is_none_or(|of| of.is(issuer))
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.key)
    }
}

impl Origin {
    /// Keys of this issuer.
    pub(super) fn of(issuer: &str) -> Self {
        Self { issuer: IssuerName::exactly(issuer), cloud: None }
    }

    /// Whether a key, where it says so, is for this issuer and this cloud.
    fn is_of(&self, key: &Jwk) -> bool {
        let issuer = key.issuer.as_deref().map(IssuerName::of_entra);
        issuer.is_none_or(|issuer| issuer.overlaps(&self.issuer))
            && (self.cloud.is_none() || key.cloud.is_none() || key.cloud == self.cloud)
    }
}

/// The key, if there is one of the `allowed` algorithms that it is for.
fn ready<V: Verifier>(jwk: &Jwk, allowed: &[Algorithm], verifier: &V) -> Option<ReadyKey<V::Key>> {
    let algorithms: Vec<_> = allowed.iter().copied().filter(|algorithm| jwk.is_for(*algorithm)).collect();
    if algorithms.is_empty() {
        return None;
    }
    let key = verifier.prepare(&jwk.key).ok()?;
    let issuer = jwk.issuer.as_deref().map(IssuerName::of_entra);
    Some(ReadyKey { key_id: jwk.key_id.clone(), issuer, algorithms, key })
}
