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
    pub(super) fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id.as_deref() == Some(key_id))
    }

    /// The key of `issuer` with this `kid`; for a token without one, the only key that fits the algorithm.
    pub(super) fn find(&self, issuer: &str, key_id: Option<&str>, algorithm: Algorithm) -> Option<&K> {
        let mut fitting = self.keys.iter().filter(|key| {
            (key_id.is_none() || key.key_id.as_deref() == key_id)
                && key.algorithms.contains(&algorithm)
                && key.issuer.as_ref().is_none_or(|of| of.is(issuer))
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.key)
    }
}

impl Origin {
    /// Whether a key, where it says so, is for this issuer and this cloud.
    fn is_of(&self, key: &Jwk) -> bool {
        let issuer = key.issuer.as_deref().map(IssuerName::of_entra);
        issuer.is_none_or(|issuer| issuer.overlaps(&self.issuer))
            && (self.cloud.is_none() || key.cloud.is_none() || key.cloud == self.cloud)
    }
}

/// The key, if there is one of the `allowed` algorithms that it is for.
fn ready<V: Verifier>(jwk: Jwk, allowed: &[Algorithm], verifier: &V) -> Option<ReadyKey<V::Key>> {
    let algorithms: Vec<_> = allowed.iter().copied().filter(|algorithm| jwk.is_for(*algorithm)).collect();
    if algorithms.is_empty() {
        return None;
    }
    let key = verifier.prepare(&jwk.key).ok()?;
    let issuer = jwk.issuer.as_deref().map(IssuerName::of_entra);
    Some(ReadyKey { key_id: jwk.key_id, issuer, algorithms, key })
}
