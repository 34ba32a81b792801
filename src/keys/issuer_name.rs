use crate::guid::is_guid;

/// What stands for a tenant's id in the names of Entra's issuers.
const TENANT: &str = "{tenantid}";

/// What an issuer calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerName {
    /// One issuer.
    Exactly(String),
    /// One issuer for each tenant of Entra: a tenant's id stands between these two texts.
    OfAnyTenant(String, String),
}

impl IssuerName {
    pub(super) fn exactly(name: &str) -> Self {
        Self::Exactly(name.to_owned())
    }

    /// A name in which `{tenantid}` stands for any tenant's id.
    pub(super) fn of_entra(name: &str) -> Self {
        match name.split_once(TENANT) {
            Some((before, after)) => Self::OfAnyTenant(before.to_owned(), after.to_owned()),
            None => Self::exactly(name),
        }
    }

    /// Whether a token's `iss` is this name. Names are compared as they are.
    pub(super) fn is(&self, issuer: &str) -> bool {
        match self {
            Self::Exactly(name) => name == issuer,
            Self::OfAnyTenant(before, after) => issuer
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(is_guid),
        }
    }

    /// Whether some issuer has both names.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(name), other) | (other, Self::Exactly(name)) => other.is(name),
            (one, other) => one == other,
        }
    }
}

/// Whose discovery document is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedIssuer {
    /// That of the issuer which calls itself so (OpenID Connect Discovery 1.0, section 4.3). A trailing slash is
    /// part of some issuers' names, though not of their documents' places: it may differ, and the document's
    /// counts.
    Exactly(String),
    /// Entra's. Its host differs from the document's in some clouds, so the document tells it.
    Entra(Version, ExpectedTenant),
}

/// The versions of Entra's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `ver` 1.0: `iss` is `https://sts…/<tenant>/`.
    V1,
    /// `ver` 2.0: `iss` is `https://login…/<tenant>/v2.0`.
    V2,
}

impl Version {
    const fn issuer_ending(self) -> &'static str {
        match self {
            Self::V1 => "/",
            Self::V2 => "/v2.0",
        }
    }
}

/// The tenant that a discovery document of Entra must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedTenant {
    /// The tenant with this id.
    Id(String),
    /// The tenant that the document names: it was asked for by a domain name.
    Named,
    /// All: the document is `organizations`' or `common`'s.
    Template,
}

impl ExpectedIssuer {
    /// The name of the issuer with a document that says `issuer`, if it is the one that is wanted.
    pub(super) fn check(&self, issuer: &str) -> Option<IssuerName> {
        match self {
            Self::Exactly(name) => (issuer.trim_end_matches('/') == name.trim_end_matches('/'))
                .then(|| IssuerName::exactly(issuer)),
            Self::Entra(version, expected) => {
                let (_, path) = issuer.strip_prefix("https://")?.split_once('/')?;
                let tenant = path.strip_suffix(version.issuer_ending())?;
                let is_expected = match expected {
                    ExpectedTenant::Id(id) => tenant.eq_ignore_ascii_case(id),
                    ExpectedTenant::Named => is_guid(tenant),
                    ExpectedTenant::Template => tenant == TENANT,
                };
                is_expected.then(|| IssuerName::of_entra(issuer))
            }
        }
    }

    pub(super) fn parts(&self) -> Vec<String> {
        match self {
            Self::Exactly(name) => vec!["exactly".to_owned(), name.clone()],
            Self::Entra(version, tenant) => {
                let tenant = match tenant {
                    ExpectedTenant::Id(id) => id,
                    ExpectedTenant::Named => "named",
                    ExpectedTenant::Template => "template",
                };
                vec!["entra".to_owned(), format!("{version:?}"), tenant.to_owned()]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TENANT_ID: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";

    fn is_expected(expected: &ExpectedIssuer, issuer: &str) -> bool {
        expected.check(&issuer.replace("TENANT", TENANT_ID)).is_some()
    }

    #[test]
    fn a_document_of_entra_is_for_its_version_and_tenant() {
        let id = || ExpectedTenant::Id(TENANT_ID.to_owned());
        for (version, good, bad) in [
            (Version::V1, "https://sts.windows.net/TENANT/", "https://sts.windows.net/TENANT/v2.0"),
            (
                Version::V2,
                "https://login.microsoftonline.us/TENANT/v2.0",
                "https://login.microsoftonline.us/TENANT/",
            ),
        ] {
            for expected in [id(), ExpectedTenant::Named] {
                let expected = ExpectedIssuer::Entra(version, expected);
                assert!(is_expected(&expected, good));
                for bad in [
                    bad,
                    &good.replace("TENANT", "{tenantid}"),
                    &good.replace("TENANT", "x/TENANT"),
                    &good.replace("TENANT", "contoso.example"),
                    &good.replace("https", "http"),
                    &good.replace("/TENANT", ""),
                    "",
                ] {
                    assert!(!is_expected(&expected, bad), "{bad}");
                }
            }
            let other = good.replace("TENANT", "00000000-1d0e-4b68-9c47-2a5d8e6b1f90");
            assert!(!is_expected(&ExpectedIssuer::Entra(version, id()), &other));
            let template = ExpectedIssuer::Entra(version, ExpectedTenant::Template);
            assert!(is_expected(&template, &good.replace("TENANT", "{tenantid}")));
            assert!(!is_expected(&template, good));
        }
    }

    #[test]
    fn a_template_is_every_tenants_and_nobody_elses() {
        let name = IssuerName::of_entra("https://login.example/{tenantid}/v2.0");
        assert!(name.is(&format!("https://login.example/{TENANT_ID}/v2.0")));
        for other in [
            "https://login.example/{tenantid}/v2.0",
            "https://login.example//v2.0",
            "https://login.example/v2.0",
            "https://login.example/contoso/v2.0",
            &format!("https://login.example/{TENANT_ID}/x/v2.0"),
            &format!("https://login.example/{TENANT_ID}/v2.0/"),
            &format!("https://evil.example/{TENANT_ID}/v2.0"),
            &format!("https://login.example/{TENANT_ID}"),
        ] {
            assert!(!name.is(other), "{other}");
        }
    }
}
