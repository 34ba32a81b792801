//! Identities that a token endpoint knows as clients.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Compiler;
use super::entra::{is_domain, login_host};
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::guid::is_guid;
use crate::jwt::Algorithm;
use crate::secrets::Definition;
use crate::tokens::{AssertionKeyId, ClientCredentials, Credential, Dialect, SignedAssertion, Source};

/// Parameters that the token request sets itself.
const OWN_PARAMETERS: [&str; 8] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "resource",
    "audience",
];

impl Compiler {
    pub(super) fn client_credentials(&mut self, path: &Path, raw: raw::ClientCredentials) -> Option<Source> {
        let client_id = self.text(&path.member("client_id"), raw.client_id);
        let endpoint = match (raw.token_url, raw.cluster, raw.entra) {
            (Some(url), Some(cluster), None) => self.token_url(path, &url, cluster),
            (None, None, Some(entra)) => self.entra_token_endpoint(&path.member("entra"), entra),
            (Some(_), None, None) => self.fault(path, FaultKind::MissingField("cluster".to_owned())),
            _ => self.not_exactly_one(path, &["token_url (with cluster)", "entra"]),
        };
        let audience = endpoint.as_ref().map(|(_, url, _)| url.to_string());
        let credential = match (raw.client_secret, raw.certificate, raw.private_key_jwt) {
            (Some(secret), None, None) => self.client_secret(path, secret, raw.authentication),
            _ if raw.authentication.is_some() => {
                let why = "this is for `client_secret` alone; an assertion goes into the body";
                self.fault(&path.member("authentication"), FaultKind::Invalid(why))
            }
            (None, Some(raw), None) => self.certificate(&path.member("certificate"), raw, audience),
            (None, None, Some(raw)) => self.private_key_jwt(&path.member("private_key_jwt"), raw, audience),
            _ => self.not_exactly_one(path, &["client_secret", "certificate", "private_key_jwt"]),
        };
        let parameters = self.further_parameters(&path.member("parameters"), raw.parameters);
        let (cluster, token_url, dialect) = endpoint?;
        let (client_id, credential, parameters) = (client_id?, credential?, parameters?);
        let client = ClientCredentials { cluster, token_url, dialect, client_id, credential, parameters };
        Some(Source::ClientCredentials(Box::new(client)))
    }

    fn client_secret(
        &mut self,
        path: &Path,
        raw: raw::SecretPosition,
        authentication: Option<raw::ClientAuthentication>,
    ) -> Option<Credential> {
        let secret = self.secret_position(&path.member("client_secret"), raw)?.fingerprint;
        Some(match authentication.unwrap_or_default() {
            raw::ClientAuthentication::Body => Credential::Secret(secret),
            raw::ClientAuthentication::Basic => Credential::BasicSecret(secret),
        })
    }

    fn certificate(
        &mut self,
        path: &Path,
        raw: raw::CertificateCredential,
        audience: Option<String>,
    ) -> Option<Credential> {
        let allowed = [Algorithm::Ps256, Algorithm::Rs256];
        let algorithm = self.assertion_algorithm(path, raw.algorithm.as_deref(), &allowed);
        let certificate = self.secret_position(&path.member("certificate"), raw.certificate);
        let private_key = self.secret_position(&path.member("private_key"), raw.private_key)?.fingerprint;
        let key_id = AssertionKeyId::Certificate(certificate?.fingerprint);
        let (algorithm, audience) = (algorithm?, audience?);
        Some(Credential::SignedAssertion(SignedAssertion { private_key, algorithm, key_id, audience }))
    }

    fn private_key_jwt(
        &mut self,
        path: &Path,
        raw: raw::PrivateKeyJwt,
        audience: Option<String>,
    ) -> Option<Credential> {
        let allowed = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256];
        let algorithm = self.assertion_algorithm(path, raw.algorithm.as_deref(), &allowed);
        let audience = match raw.audience {
            Some(audience) => self.text(&path.member("audience"), audience),
            None => audience,
        };
        let key_id = match raw.kid {
            Some(kid) => self.text(&path.member("kid"), kid).map(AssertionKeyId::KeyId),
            None => Some(AssertionKeyId::None),
        };
        let private_key = self.secret_position(&path.member("private_key"), raw.private_key)?.fingerprint;
        let (algorithm, key_id, audience) = (algorithm?, key_id?, audience?);
        Some(Credential::SignedAssertion(SignedAssertion { private_key, algorithm, key_id, audience }))
    }

    /// One of `allowed`; the first where nothing is said.
    fn assertion_algorithm(
        &mut self,
        path: &Path,
        raw: Option<&str>,
        allowed: &[Algorithm],
    ) -> Option<Algorithm> {
        let Some(name) = raw else { return allowed.first().copied() };
        allowed.iter().find(|algorithm| algorithm.name() == name).copied().or_else(|| {
            let expected = allowed.iter().map(|algorithm| algorithm.name().to_owned()).collect();
            self.fault(&path.member("algorithm"), FaultKind::UnknownWord { word: name.to_owned(), expected })
        })
    }

    fn token_url(&mut self, path: &Path, url: &str, cluster: String) -> Option<(String, Url, Dialect)> {
        let cluster = self.text(&path.member("cluster"), cluster);
        let path = path.member("token_url");
        let Some(url) = Url::parse(url) else {
            return self.fault(&path, FaultKind::Invalid("not an https URL (https://host/path)"));
        };
        self.safe_url(&path, &url)?;
        let dialect = dialect(&url);
        Some((cluster?, url, dialect))
    }

    /// A credential or a token goes there, or comes from there: over TLS, or within this machine.
    pub(super) fn safe_url(&mut self, path: &Path, url: &Url) -> Option<()> {
        if url.https || url.is_local() {
            return Some(());
        }
        let why =
            "tokens and secrets go over https; plain http is for this machine alone (loopback, link-local)";
        self.fault(path, FaultKind::Invalid(why))
    }

    fn entra_token_endpoint(
        &mut self,
        path: &Path,
        raw: raw::EntraTokenEndpoint,
    ) -> Option<(String, Url, Dialect)> {
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let tenant = self.tenant(&path.member("tenant"), &raw.tenant);
        let (version, dialect) = match raw.version.unwrap_or_default() {
            raw::EntraVersion::V1 => ("oauth2/token", Dialect::EntraV1),
            raw::EntraVersion::V2 => ("oauth2/v2.0/token", Dialect::EntraV2),
        };
        let authority = login_host(raw.cloud.unwrap_or_default()).to_owned();
        let url = Url { https: true, authority, path: format!("/{}/{version}", tenant?) };
        Some((cluster?, url, dialect))
    }

    /// A tenant that has an endpoint of its own for clients: its id, or a domain of it.
    fn tenant(&mut self, path: &Path, text: &str) -> Option<String> {
        let tenant = text.to_ascii_lowercase();
        if is_guid(&tenant) || is_domain(&tenant) {
            return Some(tenant);
        }
        let why = "one tenant: its id (a GUID) or one of its domains; a client has no token in `common`";
        self.fault(path, FaultKind::Invalid(why))
    }

    fn further_parameters(
        &mut self,
        path: &Path,
        raw: BTreeMap<String, String>,
    ) -> Option<Vec<(String, String)>> {
        if let Some(name) = raw.keys().find(|name| OWN_PARAMETERS.contains(&name.as_str())) {
            let why =
                "the token request sets this parameter itself, from the identity and from what is attached";
            return self.fault(&path.member(name), FaultKind::Invalid(why));
        }
        Some(raw.into_iter().collect())
    }

    pub(super) fn workload_identity(&mut self, path: &Path, raw: raw::WorkloadIdentity) -> Option<Source> {
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let client_id = self.or_variable(path, "client_id", raw.client_id, "AZURE_CLIENT_ID");
        let tenant = self.or_variable(path, "tenant", raw.tenant, "AZURE_TENANT_ID");
        let tenant = tenant.and_then(|tenant| self.tenant(&path.member("tenant"), &tenant));
        let authority = raw.authority_host.or_else(|| {
            self.environment
                .get("AZURE_AUTHORITY_HOST")
                .map(ToOwned::to_owned)
                .filter(|host| !host.is_empty())
        });
        let authority = match authority {
            Some(authority) => self.login_url(&path.member("authority_host"), &authority),
            None => Some(Url {
                https: true,
                authority: login_host(raw::Cloud::Public).to_owned(),
                path: "/".into(),
            }),
        };
        let token = self.file(&path.member("token"), raw.token);
        let token = Rc::new(Definition::new(&path.member("token").to_string(), token?));
        self.all_secrets.push(Rc::clone(&token));
        let client = ClientCredentials {
            cluster: cluster?,
            token_url: Url { path: format!("/{}/oauth2/v2.0/token", tenant?), ..authority? },
            dialect: Dialect::EntraV2,
            client_id: client_id?,
            credential: Credential::FederatedToken(token.fingerprint),
            parameters: Vec::new(),
        };
        Some(Source::ClientCredentials(Box::new(client)))
    }

    fn login_url(&mut self, path: &Path, text: &str) -> Option<Url> {
        let Some(url) = Url::parse(text).filter(|url| url.path == "/") else {
            let why = "not the URL of a login host: `https://login.microsoftonline.com/`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        self.safe_url(path, &url)?;
        Some(url)
    }

    /// What is configured as `field`, else what the environment says.
    fn or_variable(
        &mut self,
        path: &Path,
        field: &str,
        configured: Option<String>,
        variable: &'static str,
    ) -> Option<String> {
        if let Some(text) = configured {
            return self.text(&path.member(field), text);
        }
        match self.environment.get(variable).filter(|value| !value.is_empty()) {
            Some(value) => Some(value.to_owned()),
            None => self.fault(&path.member(field), FaultKind::VariableNotSet(variable.to_owned())),
        }
    }
}

/// Which words a token endpoint takes: Entra's are known by their hosts.
fn dialect(url: &Url) -> Dialect {
    const HOSTS: [&str; 7] = [
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
    ];
    match HOSTS.contains(&url.authority.as_str()) {
        true if url.path.ends_with("/oauth2/v2.0/token") => Dialect::EntraV2,
        true if url.path.ends_with("/oauth2/token") => Dialect::EntraV1,
        _ => Dialect::Other,
    }
}
