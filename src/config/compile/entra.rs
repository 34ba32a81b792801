//! Microsoft Entra ID: tenants, versions, clouds.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Compiler;
use super::issuers::DISCOVERY;
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::guid::is_guid;
use crate::jwt::Algorithm;
use crate::keys::{CONSUMERS, Definition, Entra, ExpectedIssuer, ExpectedTenant, Source, Tenants, Version};

/// Whose issuers they are: a segment of the discovery document's path, and what is expected of it.
struct Authority {
    segment: String,
    expected: ExpectedTenant,
    tenants: Tenants,
}

impl Compiler {
    pub(super) fn entra(
        &mut self,
        path: &Path,
        name: &str,
        raw: raw::Entra,
        hosts: &BTreeMap<String, String>,
        algorithms: &[Algorithm],
    ) -> Option<Entra> {
        let authority = self.authority(path, &raw.tenant, raw.tenants.as_ref());
        let versions = self.versions(&path.member("versions"), raw.versions.as_deref());
        let query = raw.app_id.as_deref().map(|id| self.guid(&path.member("app_id"), id));
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let host = login_host(raw.cloud.unwrap_or_default());
        let (authority, versions, cluster) = (authority?, versions?, cluster?);
        let query = match query {
            None => String::new(),
            Some(id) => format!("?appid={}", id?),
        };
        let definition = |name: &str, version, directory| {
            let path = format!("/{}{directory}{DISCOVERY}{query}", authority.segment);
            let source = Source::Discovery {
                url: Url { https: true, authority: host.to_owned(), path },
                cluster: cluster.clone(),
                hosts: hosts.clone(),
                expected: ExpectedIssuer::Entra(version, authority.expected.clone()),
            };
            versions.contains(&version).then(|| Definition::new(name, algorithms.to_vec(), source))
        };
        let v2 = definition(name, Version::V2, "/v2.0");
        let v1 = definition(&format!("{name} (v1)"), Version::V1, "");
        // An API gets tokens of one version. Keys for the older one are fetched if one comes.
        let v1 = if v2.is_some() { v1.map(Definition::on_demand) } else { v1 };
        Some(Entra { v1: v1.map(Rc::new), v2: v2.map(Rc::new), tenants: authority.tenants })
    }

    fn authority(&mut self, path: &Path, tenant: &str, tenants: Option<&raw::Words>) -> Option<Authority> {
        let segment = tenant.to_ascii_lowercase();
        if let "organizations" | "common" = segment.as_str() {
            let tenants = self.tenants(path, &segment, tenants)?;
            return Some(Authority { segment, expected: ExpectedTenant::Template, tenants });
        }
        if tenants.is_some() {
            let why = "`tenants` goes with `tenant: organizations` or `tenant: common`; a single tenant is `tenant` alone";
            return self.fault(&path.member("tenants"), FaultKind::Invalid(why));
        }
        if is_guid(&segment) {
            let tenants = Tenants::OneOf(vec![segment.clone()]);
            return Some(Authority { expected: ExpectedTenant::Id(segment.clone()), segment, tenants });
        }
        if is_domain(&segment) {
            return Some(Authority {
                segment,
                expected: ExpectedTenant::Named,
                tenants: Tenants::OfDocument,
            });
        }
        let why = "not a tenant: write its id (a GUID: 00000000-0000-0000-0000-000000000000), one of its domain names, \
                   `organizations` or `common`";
        self.fault(&path.member("tenant"), FaultKind::Invalid(why))
    }

    fn tenants(&mut self, path: &Path, authority: &str, raw: Option<&raw::Words>) -> Option<Tenants> {
        let is_common = authority == "common";
        let path = path.member("tenants");
        match raw {
            None => {
                let why = "the field is missing: list the ids of the tenants whose tokens are accepted, or say \
                           `tenants: any`";
                self.fault(&path, FaultKind::Invalid(why))
            }
            Some(raw::Words::Any) if is_common => Some(Tenants::Any),
            Some(raw::Words::Any) => Some(Tenants::AnyOrganization),
            Some(raw::Words::OneOf(ids)) if ids.is_empty() => {
                self.fault(&path, FaultKind::Empty("list the ids of the tenants, or say `tenants: any`"))
            }
            Some(raw::Words::OneOf(ids)) => {
                let ids: Option<Vec<_>> =
                    ids.iter().enumerate().map(|(index, id)| self.guid(&path.item(index), id)).collect();
                let ids = ids?;
                if let (false, Some(index)) = (is_common, ids.iter().position(|id| id == CONSUMERS)) {
                    let why =
                        "the tenant of personal accounts is no organisation; it goes with `tenant: common`";
                    return self.fault(&path.item(index), FaultKind::Invalid(why));
                }
                Some(Tenants::OneOf(ids))
            }
        }
    }

    fn versions(&mut self, path: &Path, raw: Option<&[raw::Version]>) -> Option<Vec<Version>> {
        match raw {
            None => Some(vec![Version::V1, Version::V2]),
            Some([]) => self.fault(path, FaultKind::Empty("leave it out for both")),
            Some(versions) => Some(
                versions
                    .iter()
                    .map(|version| match version {
                        raw::Version::V1 => Version::V1,
                        raw::Version::V2 => Version::V2,
                    })
                    .collect(),
            ),
        }
    }

    /// An id of Entra, in lower case.
    pub(super) fn guid(&mut self, path: &Path, text: &str) -> Option<String> {
        if is_guid(text) {
            return Some(text.to_ascii_lowercase());
        }
        self.fault(path, FaultKind::Invalid("not a GUID (00000000-0000-0000-0000-000000000000)"))
    }
}

/// Names of hosts in lower case, with at least one dot (RFC 1123, section 2.1).
pub(super) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.contains('.') && text.len() <= 253 && text.split('.').all(is_label)
}

pub(super) const fn login_host(cloud: raw::Cloud) -> &'static str {
    match cloud {
        raw::Cloud::Public => "login.microsoftonline.com",
        raw::Cloud::UsGovernment => "login.microsoftonline.us",
        raw::Cloud::China => "login.partner.microsoftonline.cn",
        raw::Cloud::Bleu => "login.sovcloud-identity.fr",
        raw::Cloud::Delos => "login.sovcloud-identity.de",
        raw::Cloud::GovSg => "login.sovcloud-identity.sg",
    }
}
