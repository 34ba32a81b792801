//! Issuers of inbound tokens.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Compiler;
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::jwt::Algorithm;
use crate::keys;

impl Compiler {
    pub(super) fn issuer(&mut self, path: &Path, name: &str, raw: raw::Issuer) -> Option<keys::Definition> {
        let hosts = self.hosts(&path.member("hosts"), raw.hosts);
        let algorithms = self.algorithms(&path.member("algorithms"), raw.algorithms.as_deref());
        let (discovery, cluster, tenant) = match (raw.entra, raw.discovery, raw.cluster) {
            (Some(entra), None, None) => {
                let path = path.member("entra");
                let tenant = self.guid(&path.member("tenant"), &entra.tenant);
                let cluster = self.text(&path.member("cluster"), entra.cluster);
                let discovery = Url {
                    https: true,
                    authority: login_host(entra.cloud.unwrap_or_default()).to_owned(),
                    path: format!("/{}/v2.0{DISCOVERY}", tenant.as_deref().unwrap_or_default()),
                };
                (discovery, cluster?, Some(tenant?))
            }
            (None, Some(discovery), Some(cluster)) => {
                let url = self.https_url(&path.member("discovery"), &discovery);
                (url?, self.text(&path.member("cluster"), cluster)?, None)
            }
            (None, Some(_), None) => return self.fault(path, FaultKind::MissingField("cluster".to_owned())),
            _ => return self.not_exactly_one(path, &["entra", "discovery (with cluster)"]),
        };
        let Some(issuer) = raw.issuer.or_else(|| issuer_of(&discovery)) else {
            let why = "the field `issuer` is missing: `discovery` does not end in `/.well-known/openid-configuration`, \
                       so it does not tell what the issuer calls itself";
            return self.fault(path, FaultKind::Invalid(why));
        };
        let issuer = self.text(&path.member("issuer"), issuer)?;
        Some(keys::Definition::new(name, issuer, discovery, cluster, algorithms?, hosts?, tenant))
    }

    pub(super) fn hosts(
        &mut self,
        path: &Path,
        raw: BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        let mut hosts = BTreeMap::new();
        for (host, cluster) in raw {
            let cluster = self.text(&path.member(&host), cluster)?;
            hosts.insert(host.to_ascii_lowercase(), cluster);
        }
        Some(hosts)
    }

    pub(super) fn algorithms(&mut self, path: &Path, raw: Option<&[String]>) -> Option<Vec<Algorithm>> {
        let Some(names) = raw else { return Some(vec![Algorithm::Rs256]) };
        if names.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for RS256"));
        }
        let mut algorithms = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(algorithm) = Algorithm::from_name(name) else {
                let expected = Algorithm::ALL.iter().map(|known| known.name().to_owned()).collect();
                return self
                    .fault(&path.item(index), FaultKind::UnknownWord { word: name.clone(), expected });
            };
            algorithms.push(algorithm);
        }
        algorithms.sort_unstable();
        algorithms.dedup();
        Some(algorithms)
    }

    pub(super) fn guid(&mut self, path: &Path, text: &str) -> Option<String> {
        const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
        let groups = text
            .split('-')
            .map(|group| if group.bytes().all(|byte| byte.is_ascii_hexdigit()) { group.len() } else { 0 });
        if groups.eq(GROUPS) {
            return Some(text.to_ascii_lowercase());
        }
        self.fault(path, FaultKind::Invalid("not a tenant id (a GUID: 00000000-0000-0000-0000-000000000000)"))
    }

    pub(super) fn named_issuer(&mut self, path: &Path, name: &str) -> Option<Rc<keys::Definition>> {
        match self.issuers.get(name) {
            Some(issuer) => issuer.clone(),
            None => {
                let defined = self.issuers.keys().cloned().collect();
                self.fault(path, FaultKind::UnknownName { what: "issuer", name: name.to_owned(), defined })
            }
        }
    }
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What an issuer with this discovery document calls itself (OpenID Connect Discovery 1.0, section 4.3).
fn issuer_of(discovery: &Url) -> Option<String> {
    Some(format!("https://{}{}", discovery.authority, discovery.path.strip_suffix(DISCOVERY)?))
}

const fn login_host(cloud: raw::Cloud) -> &'static str {
    match cloud {
        raw::Cloud::Public => "login.microsoftonline.com",
        raw::Cloud::UsGovernment => "login.microsoftonline.us",
        raw::Cloud::China => "login.partner.microsoftonline.cn",
    }
}
