use std::collections::BTreeMap;

use super::document::{Discovered, Origin};
use super::issuer_name::{ExpectedIssuer, IssuerName};
use crate::calls::{CallRequest, Url};
use crate::fingerprint::Fingerprint;
use crate::jwt::{Algorithm, Jwk};

/// One set of keys, as it is configured: where it comes from, and whose it is.
#[derive(Debug)]
pub struct Definition {
    /// The issuer's name in the configuration, for logs.
    pub name: String,
    /// What it is known by.
    pub fingerprint: Fingerprint,
    /// The algorithms that its keys may sign with.
    pub algorithms: Vec<Algorithm>,
    /// Whether nothing is fetched before a token asks for it.
    pub on_demand: bool,
    pub(super) source: Source,
}

/// Where keys come from.
#[derive(Debug)]
pub enum Source {
    /// A discovery document, which names the issuer and the place of its keys.
    Discovery {
        /// Where it is.
        url: Url,
        /// Envoy's cluster for its host.
        cluster: String,
        /// Envoy's clusters for further hosts that it may name. Keys on other hosts are not fetched.
        hosts: BTreeMap<String, String>,
        /// Whose document it must be.
        expected: ExpectedIssuer,
    },
    /// A JWK Set.
    KeySet {
        /// Where it is.
        url: Url,
        /// Envoy's cluster for its host.
        cluster: String,
        /// The issuer whose keys it holds.
        issuer: String,
    },
    /// The configuration.
    Configured {
        /// The issuer whose keys they are.
        issuer: String,
        /// The keys.
        keys: Vec<Jwk>,
        /// What tells these keys from others: a digest, in which no secret can be read.
        digest: String,
    },
}

impl Source {
    fn parts(&self) -> Vec<String> {
        let place = |kind: &str, url: &Url, cluster: &str| {
            vec![kind.to_owned(), url.authority.clone(), url.path.clone(), cluster.to_owned()]
        };
        match self {
            Self::Discovery { url, cluster, hosts, expected } => {
                let mut parts = place("discovery", url, cluster);
                parts.extend(expected.parts());
                parts.extend(hosts.iter().flat_map(|(host, cluster)| [host.clone(), cluster.clone()]));
                parts
            }
            Self::KeySet { url, cluster, issuer } => {
                let mut parts = place("key set", url, cluster);
                parts.push(issuer.clone());
                parts
            }
            Self::Configured { issuer, digest, .. } => {
                vec!["configured".to_owned(), issuer.clone(), digest.clone()]
            }
        }
    }

    /// Envoy's cluster for `url`, if the URL's host is allowed.
    pub(super) fn cluster_for(&self, url: &Url) -> Option<&str> {
        match self {
            _ if !url.https => None,
            Self::Discovery { url: own, cluster, .. } | Self::KeySet { url: own, cluster, .. }
                if own.authority == url.authority =>
            {
                Some(cluster)
            }
            Self::Discovery { hosts, .. } => hosts.get(&url.authority).map(String::as_str),
            Self::KeySet { .. } | Self::Configured { .. } => None,
        }
    }

    /// The request for the discovery document, where there is one.
    pub(super) fn discovery_request(&self) -> Option<CallRequest> {
        match self {
            Self::Discovery { url, cluster, .. } => Some(get(cluster, url.clone())),
            Self::KeySet { .. } | Self::Configured { .. } => None,
        }
    }

    /// The issuer, where its document says that it is `issuer`; `None` where it is another's.
    pub(super) fn named(&self, issuer: &str) -> Option<IssuerName> {
        match self {
            Self::Discovery { expected, .. } => expected.check(issuer),
            Self::KeySet { .. } | Self::Configured { .. } => None,
        }
    }

    /// What is known without a discovery document.
    pub(super) fn known(&self) -> Option<Discovered> {
        match self {
            Self::Discovery { .. } | Self::Configured { .. } => None,
            Self::KeySet { url, cluster, issuer } => {
                Some(Discovered { origin: Origin::of(issuer), jwks: url.clone(), cluster: cluster.clone() })
            }
        }
    }
}

impl Definition {
    /// Keys of the issuer that the configuration calls `name`, which may sign with `algorithms`.
    pub fn new(name: &str, algorithms: Vec<Algorithm>, source: Source) -> Self {
        let mut parts = vec!["issuer".to_owned()];
        parts.extend(algorithms.iter().map(|algorithm| algorithm.name().to_owned()));
        parts.extend(source.parts());
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let fingerprint = Fingerprint::of(&parts);
        Self { name: name.to_owned(), fingerprint, algorithms, on_demand: false, source }
    }

    /// The same, but fetched only when a token asks for it.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.on_demand = true;
        self
    }
}

pub(super) fn get(cluster: &str, url: Url) -> CallRequest {
    CallRequest::get(cluster, url).with("accept", "application/json".to_owned())
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::keys::{ExpectedTenant, Version};

    /// What is kept under a fingerprint must never serve another definition: it may trust another issuer.
    #[test]
    fn definitions_that_differ_in_anything_have_different_fingerprints() {
        let url = |text: &str| Url::parse(text).unwrap();
        let discovery = |at: &str, cluster: &str, hosts: &[(&str, &str)], expected| Source::Discovery {
            url: url(at),
            cluster: cluster.to_owned(),
            hosts: hosts.iter().map(|(host, cluster)| (host.to_string(), cluster.to_string())).collect(),
            expected,
        };
        let exactly = |name: &str| ExpectedIssuer::Exactly(name.to_owned());
        let entra = ExpectedIssuer::Entra;
        let id = |id: &str| ExpectedTenant::Id(id.to_owned());
        let key_set = |at: &str, cluster: &str, issuer: &str| Source::KeySet {
            url: url(at),
            cluster: cluster.to_owned(),
            issuer: issuer.to_owned(),
        };
        let configured = |issuer: &str, digest: &str| Source::Configured {
            issuer: issuer.to_owned(),
            keys: Vec::new(),
            digest: digest.to_owned(),
        };
        let (a, b) = ("https://a.example/x", "https://b.example/x");
        let sources = || {
            vec![
                discovery(a, "a", &[], exactly("a")),
                discovery(b, "a", &[], exactly("a")),
                discovery("https://a.example/y", "a", &[], exactly("a")),
                discovery(a, "b", &[], exactly("a")),
                discovery(a, "a", &[("k", "k")], exactly("a")),
                discovery(a, "a", &[("k", "l")], exactly("a")),
                discovery(a, "a", &[], exactly("b")),
                discovery(a, "a", &[], entra(Version::V1, id("a"))),
                discovery(a, "a", &[], entra(Version::V2, id("a"))),
                discovery(a, "a", &[], entra(Version::V2, id("b"))),
                discovery(a, "a", &[], entra(Version::V2, ExpectedTenant::Named)),
                discovery(a, "a", &[], entra(Version::V2, ExpectedTenant::Template)),
                key_set(a, "a", "a"),
                key_set(b, "a", "a"),
                key_set(a, "b", "a"),
                key_set(a, "a", "b"),
                configured("a", "a"),
                configured("b", "a"),
                configured("a", "b"),
            ]
        };
        let of = |name: &str, algorithms: &[Algorithm]| -> Vec<Fingerprint> {
            let all = sources().into_iter();
            all.map(|source| Definition::new(name, algorithms.to_vec(), source).fingerprint).collect()
        };
        let all = [of("x", &[Algorithm::Rs256]), of("x", &[Algorithm::Rs256, Algorithm::Es256])].concat();
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
        assert_eq!(of("x", &[Algorithm::Rs256]), of("another name", &[Algorithm::Rs256]));
    }
}
