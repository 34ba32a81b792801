//! Identities: where outbound tokens come from.

use std::rc::Rc;

use super::Compiler;
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::environment::Environment;
use crate::observe::{LogLevel, LogLine};
use crate::secret::SecretString;
use crate::tokens::{self, AppService, Arc, AssignedIdentity, Imds, Source, Target};

impl Compiler {
    /// The identity that is called `name` at `path`.
    pub(super) fn identity(&mut self, path: &Path, name: &str) -> Option<Source> {
        if let Some(known) = self.identities.get(name) {
            return known.clone();
        }
        let own = Path::root().member("identities").member(name);
        let Some(raw) = self.raw.identities.remove(name) else {
            let defined = self.names.identities.clone();
            let unknown = FaultKind::UnknownName { what: "identity", name: name.to_owned(), defined };
            let kind = self.cycle(&own).unwrap_or(unknown);
            return self.fault(path, kind);
        };
        self.under_way.push(own.clone());
        let source = self.source(&own, name, raw);
        self.under_way.pop();
        self.identities.insert(name.to_owned(), source.clone());
        source
    }

    /// Compiles the identities that nothing refers to, but for those that a chain has passed over.
    pub(super) fn other_identities(&mut self) {
        let raw = &self.raw.identities;
        let alternatives: Vec<_> = raw.values().flat_map(|raw| raw.chain.iter().flatten().cloned()).collect();
        for name in self.names.identities.clone() {
            if !alternatives.contains(&name) {
                self.identity(&Path::root().member("identities"), &name);
            }
        }
    }

    /// The token of the identity that is named at `path.identity` for the target at `target_path`.
    pub(super) fn token(
        &mut self,
        path: &Path,
        identity: &str,
        target_path: &Path,
        target: &Target,
    ) -> Option<Rc<tokens::Definition>> {
        let source = self.identity(&path.member("identity"), identity)?;
        match tokens::Definition::new(identity, source, target) {
            Ok(definition) => Some(Rc::new(definition)),
            Err(instead) => self.fault(target_path, FaultKind::Invalid(instead)),
        }
    }

    fn source(&mut self, path: &Path, name: &str, raw: raw::Identity) -> Option<Source> {
        const KINDS: [&str; 5] =
            ["managed_identity", "workload_identity", "client_credentials", "static", "chain"];
        match (raw.managed_identity, raw.workload_identity, raw.client_credentials, raw.fixed, raw.chain) {
            (Some(raw), None, None, None, None) => {
                self.managed_identity(&path.member("managed_identity"), raw)
            }
            (None, Some(raw), None, None, None) => {
                self.workload_identity(&path.member("workload_identity"), raw)
            }
            (None, None, Some(raw), None, None) => {
                self.client_credentials(&path.member("client_credentials"), raw)
            }
            (None, None, None, Some(raw), None) => self.fixed_token(&path.member("static"), raw),
            (None, None, None, None, Some(raw)) => self.chain(&path.member("chain"), name, &raw),
            _ => self.not_exactly_one(path, &KINDS),
        }
    }

    fn managed_identity(&mut self, path: &Path, raw: raw::ManagedIdentity) -> Option<Source> {
        use raw::ManagedIdentitySource as From;
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        if raw.expect.is_some() && raw.source != From::AppService {
            return self.fault(
                &path.member("expect"),
                FaultKind::Invalid("this is for `source: app_service` alone"),
            );
        }
        if raw.challenge_files.is_some() && raw.source != From::Arc {
            let why = "this is for `source: arc` alone";
            return self.fault(&path.member("challenge_files"), FaultKind::Invalid(why));
        }
        let identity = match (raw.client_id, raw.object_id, raw.resource_id) {
            (None, None, None) => Some(AssignedIdentity::System),
            (Some(id), None, None) => {
                self.text(&path.member("client_id"), id).map(AssignedIdentity::ClientId)
            }
            (None, Some(id), None) => {
                self.text(&path.member("object_id"), id).map(AssignedIdentity::ObjectId)
            }
            (None, None, Some(id)) => {
                self.text(&path.member("resource_id"), id).map(AssignedIdentity::ResourceId)
            }
            _ => self.not_exactly_one(path, &["client_id", "object_id", "resource_id"]),
        };
        let (cluster, identity) = (cluster?, identity?);
        match raw.source {
            From::Imds => Some(Source::Imds(Imds { cluster, identity })),
            From::AppService => self.app_service(path, cluster, identity, raw.expect.as_deref()),
            From::Arc => self.arc(path, cluster, &identity, raw.challenge_files),
            not_offered => self.fault(&path.member("source"), FaultKind::Invalid(why_not(not_offered))),
        }
    }

    fn app_service(
        &mut self,
        path: &Path,
        cluster: String,
        identity: AssignedIdentity,
        expect: Option<&str>,
    ) -> Option<Source> {
        let (Some(endpoint), Some(header)) =
            (self.environment.get("IDENTITY_ENDPOINT"), self.environment.get("IDENTITY_HEADER"))
        else {
            let why = "`IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are not set: App Service, Functions and Container Apps \
                       set them where an identity is assigned; name both in the plugin's \
                       `vm_config.environment_variables.host_env_keys`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        let header = SecretString::new(header.to_owned());
        let Some(endpoint) = Url::parse(endpoint).filter(|_| header.header_value().is_some()) else {
            let why = "`IDENTITY_ENDPOINT` is not a URL, or `IDENTITY_HEADER` cannot be a header's value";
            return self.fault(path, FaultKind::Invalid(why));
        };
        if expect.is_some_and(|expect| !expect.eq_ignore_ascii_case(&endpoint.authority)) {
            return self.fault(&path.member("expect"), FaultKind::IdentityEndpointMismatch);
        }
        self.safe_url(path, &endpoint)?;
        Some(Source::AppService(AppService { cluster, endpoint, header, identity }))
    }

    fn arc(
        &mut self,
        path: &Path,
        cluster: String,
        identity: &AssignedIdentity,
        files: Option<raw::ChallengeFiles>,
    ) -> Option<Source> {
        const ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";
        if *identity != AssignedIdentity::System {
            let why = "a machine that Arc has joined has its system-assigned identity alone; remove the id";
            return self.fault(path, FaultKind::Invalid(why));
        }
        let Some(files) = files else {
            return self.fault(path, FaultKind::MissingField("challenge_files".to_owned()));
        };
        let challenge_files = self.text(&path.member("challenge_files").member("cluster"), files.cluster);
        let endpoint = self.environment.get("IDENTITY_ENDPOINT").unwrap_or(ENDPOINT);
        let Some(endpoint) = Url::parse(endpoint).filter(|url| !url.path.contains('?')) else {
            return self.fault(path, FaultKind::Invalid("`IDENTITY_ENDPOINT` is not a URL without a query"));
        };
        self.safe_url(path, &endpoint)?;
        Some(Source::Arc(Arc { cluster, endpoint, challenge_files: challenge_files? }))
    }

    fn fixed_token(&mut self, path: &Path, raw: raw::StaticToken) -> Option<Source> {
        let token = self.secret_position(&path.member("token"), raw.token)?;
        self.warn(format!(
            "{path}: nobody refreshes this token, and whoever may attach it gives it to every target"
        ));
        Some(Source::Static(token.fingerprint))
    }

    /// The first identity of a chain that the environment offers.
    fn chain(&mut self, path: &Path, name: &str, members: &[String]) -> Option<Source> {
        if members.is_empty() {
            return self.fault(path, FaultKind::Empty("the names of identities belong here"));
        }
        let mut chosen = None;
        for (index, member) in members.iter().enumerate() {
            let offered = match self.raw.identities.get(member) {
                Some(raw) if raw.chain.is_some() => {
                    let why = "a chain within a chain; name the identities themselves";
                    return self.fault(&path.item(index), FaultKind::Invalid(why));
                }
                Some(raw) => offers(&self.environment, raw),
                // Compiled already, or not there at all.
                None => true,
            };
            if offered && chosen.is_none() {
                chosen = Some((index, member));
            }
        }
        let Some((index, member)) = chosen else {
            let why = "the environment offers none of these: no `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_CLIENT_ID` and \
                       `AZURE_TENANT_ID`, no `IDENTITY_ENDPOINT`; see the plugin's \
                       `vm_config.environment_variables.host_env_keys`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        let text = format!("identity {name:?}: of its chain, {member:?} is what the environment offers");
        self.notices.push(LogLine { level: LogLevel::Info, text });
        self.identity(&path.item(index), member)
    }
}

/// Whether the environment offers an identity.
fn offers(environment: &Environment, raw: &raw::Identity) -> bool {
    use raw::ManagedIdentitySource as From;
    let is_set = |name| environment.get(name).is_some_and(|value| !value.is_empty());
    if let Some(workload) = &raw.workload_identity {
        return is_set("AZURE_FEDERATED_TOKEN_FILE")
            && (workload.client_id.is_some() || is_set("AZURE_CLIENT_ID"))
            && (workload.tenant.is_some() || is_set("AZURE_TENANT_ID"));
    }
    match raw.managed_identity.as_ref().map(|managed| managed.source) {
        Some(From::AppService) => {
            is_set("IDENTITY_ENDPOINT") && is_set("IDENTITY_HEADER") && !is_set("IDENTITY_SERVER_THUMBPRINT")
        }
        Some(From::Arc) => is_set("IDENTITY_ENDPOINT") && is_set("IMDS_ENDPOINT"),
        _ => true,
    }
}

/// Why a source of managed identities is not offered.
const fn why_not(source: raw::ManagedIdentitySource) -> &'static str {
    use raw::ManagedIdentitySource as From;
    match source {
        From::ServiceFabric => {
            "Service Fabric's endpoint is known by the SHA-1 thumbprint of its certificate, which changes with every \
             start: a cluster of Envoy cannot hold to that"
        }
        From::CloudShell => "Cloud Shell gives the tokens of the person who sits before it, not of a gateway",
        From::AzureMl => {
            "Azure Machine Learning's endpoint speaks a version whose answers have no reliable end"
        }
        From::Imds | From::AppService | From::Arc => "this source is offered",
    }
}
