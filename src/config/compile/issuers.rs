//! Issuers of inbound tokens.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Compiler;
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::jwt::Algorithm;
use crate::keys::{Definition, ExpectedIssuer, Issuer, SharedKeys, Source};

impl Compiler {
    pub(super) fn issuer(&mut self, path: &Path, name: &str, mut raw: raw::Issuer) -> Option<Issuer> {
        self.check_issuer_fields(path, &raw)?;
        let known: &[Algorithm] =
            if raw.symmetric_keys.is_some() { &Algorithm::HMAC } else { &Algorithm::ALL };
        let algorithms = match raw.algorithms.take() {
            Some(names) => Some(self.algorithms(&path.member("algorithms"), &names, known)?),
            None => None,
        };
        if let Some(keys) = raw.symmetric_keys.take() {
            let issuer = self.required_issuer_name(path, raw.issuer);
            let algorithms = algorithms.unwrap_or_else(|| vec![Algorithm::Hs256]);
            let keys = self.symmetric_keys(&path.member("symmetric_keys"), keys, &algorithms);
            return Some(Issuer::Shared(SharedKeys { issuer: issuer?, algorithms, keys: keys? }));
        }
        let configured = match (raw.jwks.take(), raw.public_keys.take()) {
            (Some(jwks), _) => Some(self.jwks(path, &jwks)),
            (None, keys) => keys.map(|keys| self.public_keys(path, &keys)),
        };
        if let Some(keys) = configured {
            let issuer = self.required_issuer_name(path, raw.issuer);
            let (source, algorithms) = self.configured_keys(path, issuer?, keys, algorithms)?;
            return Some(Issuer::OpenId(Rc::new(Definition::new(name, algorithms, source))));
        }
        let algorithms = algorithms.unwrap_or_else(|| vec![Algorithm::Rs256]);
        if let Some(entra) = raw.entra.take() {
            let hosts = self.hosts(&path.member("hosts"), raw.hosts);
            return self.entra(&path.member("entra"), name, entra, &hosts?, &algorithms).map(Issuer::Entra);
        }
        let source = match (raw.discovery.take(), raw.jwks_uri.take()) {
            (Some(discovery), _) => self.discovery(path, &discovery, raw),
            (None, jwks_uri) => self.key_set(path, &jwks_uri.unwrap_or_default(), raw),
        };
        Some(Issuer::OpenId(Rc::new(Definition::new(name, algorithms, source?))))
    }

    /// A field that would be without effect is a fault: whoever wrote it expects one.
    fn check_issuer_fields(&mut self, path: &Path, raw: &raw::Issuer) -> Option<()> {
        let kinds = [
            ("entra", raw.entra.is_some()),
            ("discovery", raw.discovery.is_some()),
            ("jwks_uri", raw.jwks_uri.is_some()),
            ("jwks", raw.jwks.is_some()),
            ("public_keys", raw.public_keys.is_some()),
            ("symmetric_keys", raw.symmetric_keys.is_some()),
        ];
        let [is_entra, is_discovered, is_fetched_alone, ..] = kinds.map(|(_, is_there)| is_there);
        let is_configured = !is_entra && !is_discovered && !is_fetched_alone;
        if kinds.iter().filter(|(_, is_there)| *is_there).count() != 1 {
            return self.not_exactly_one(path, &kinds.map(|(name, _)| name));
        }
        let faults = [
            (is_entra && raw.cluster.is_some(), "cluster", "the cluster of `entra` belongs into `entra`"),
            (
                is_entra && raw.issuer.is_some(),
                "issuer",
                "what Entra's issuers call themselves is in their discovery documents; leave it out",
            ),
            (
                is_configured && raw.cluster.is_some(),
                "cluster",
                "nothing is fetched where the keys stand here; leave it out",
            ),
            (
                (is_configured || is_fetched_alone) && !raw.hosts.is_empty(),
                "hosts",
                "only a discovery document names further hosts; leave it out",
            ),
        ];
        for (_, field, why) in faults.iter().filter(|(is_fault, ..)| *is_fault) {
            self.fault::<()>(&path.member(field), FaultKind::Invalid(why));
        }
        (!faults.iter().any(|(is_fault, ..)| *is_fault)).then_some(())
    }

    fn discovery(&mut self, path: &Path, discovery: &str, raw: raw::Issuer) -> Option<Source> {
        let cluster = self.issuer_cluster(path, raw.cluster);
        let hosts = self.hosts(&path.member("hosts"), raw.hosts);
        let url = self.https_url(&path.member("discovery"), discovery)?;
        let Some(issuer) = raw.issuer.or_else(|| issuer_of(&url)) else {
            let why = "the field `issuer` is missing: `discovery` does not end in `/.well-known/openid-configuration`, \
                       so it does not tell what the issuer calls itself";
            return self.fault(path, FaultKind::Invalid(why));
        };
        let issuer = self.issuer_name(&path.member("issuer"), issuer);
        let expected = ExpectedIssuer::Exactly(issuer?);
        Some(Source::Discovery { url, cluster: cluster?, hosts: hosts?, expected })
    }

    fn key_set(&mut self, path: &Path, jwks_uri: &str, raw: raw::Issuer) -> Option<Source> {
        let cluster = self.issuer_cluster(path, raw.cluster);
        let url = self.https_url(&path.member("jwks_uri"), jwks_uri);
        let issuer = self.required_issuer_name(path, raw.issuer);
        Some(Source::KeySet { url: url?, cluster: cluster?, issuer: issuer? })
    }

    fn issuer_cluster(&mut self, path: &Path, cluster: Option<String>) -> Option<String> {
        match cluster {
            Some(cluster) => self.text(&path.member("cluster"), cluster),
            None => self.fault(path, FaultKind::MissingField("cluster".to_owned())),
        }
    }

    fn required_issuer_name(&mut self, path: &Path, name: Option<String>) -> Option<String> {
        match name {
            Some(name) => self.issuer_name(&path.member("issuer"), name),
            None => self.fault(path, FaultKind::MissingField("issuer".to_owned())),
        }
    }

    /// The name is compared as it is: a template would match no token.
    fn issuer_name(&mut self, path: &Path, name: String) -> Option<String> {
        if name.contains(['{', '}']) {
            let why = "an issuer's name has no parameters; issuers of many tenants are configured by `entra`, with \
                       `tenant: organizations` or `common`";
            return self.fault(path, FaultKind::Invalid(why));
        }
        self.text(path, name)
    }

    fn hosts(&mut self, path: &Path, raw: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
        let mut hosts = BTreeMap::new();
        for (host, cluster) in raw {
            let cluster = self.text(&path.member(&host), cluster)?;
            hosts.insert(host.to_ascii_lowercase(), cluster);
        }
        Some(hosts)
    }

    /// Algorithms of the `known` ones: HMAC has no place where keys are public, and public keys none where they are
    /// shared.
    fn algorithms(&mut self, path: &Path, names: &[String], known: &[Algorithm]) -> Option<Vec<Algorithm>> {
        if names.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for what is usual"));
        }
        let mut algorithms = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(algorithm) = Algorithm::from_name(name).filter(|algorithm| known.contains(algorithm))
            else {
                let expected = known.iter().map(|known| known.name().to_owned()).collect();
                return self
                    .fault(&path.item(index), FaultKind::UnknownWord { word: name.clone(), expected });
            };
            algorithms.push(algorithm);
        }
        Some(known.iter().copied().filter(|algorithm| algorithms.contains(algorithm)).collect())
    }

    pub(super) fn named_issuer(&mut self, path: &Path, name: &str) -> Option<Rc<Issuer>> {
        match self.issuers.get(name) {
            Some(issuer) => issuer.clone(),
            None => {
                let defined = self.issuers.keys().cloned().collect();
                self.fault(path, FaultKind::UnknownName { what: "issuer", name: name.to_owned(), defined })
            }
        }
    }
}

/// The place of a discovery document, behind its issuer's name (OpenID Connect Discovery 1.0, section 4).
pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What an issuer with this discovery document calls itself (OpenID Connect Discovery 1.0, section 4.3). A query,
/// such as Entra's `?appid=`, is no part of it.
fn issuer_of(discovery: &Url) -> Option<String> {
    let path = discovery.path.split('?').next().unwrap_or_default();
    Some(format!("https://{}{}", discovery.authority, path.strip_suffix(DISCOVERY)?))
}
