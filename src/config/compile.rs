//! From what is written to what holds: names resolved, defaults applied, every value checked.
//!
//! Compilation goes on after a fault, so that one look at the log shows all of them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;

use super::fault::{Fault, FaultKind, Path};
use super::raw;
use super::{Attachment, Audiences, Configuration, Inbound, OnFailure, Operation, Validate};
use crate::access::{
    BadTemplate, Condition, Matcher, PathPattern, PathRules, RequiredClaim, Requirement, is_method,
};
use crate::calls::Url;
use crate::jwt::{Algorithm, TimeRules};
use crate::tokens::{Imds, ImdsIdentity};
use crate::{keys, tokens};

pub(super) fn compile(raw: raw::Configuration) -> Result<Configuration, Vec<Fault>> {
    let mut compiler = Compiler::default();
    let configuration = compiler.configuration(raw);
    match configuration {
        Some(configuration) if compiler.faults.is_empty() => Ok(configuration),
        _ => Err(compiler.faults),
    }
}

/// More would keep expired tokens alive.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(600);

/// What has been compiled so far, and the faults met on the way. A step that meets a fault returns `None`.
#[derive(Default)]
struct Compiler {
    faults: Vec<Fault>,
    issuers: BTreeMap<String, Option<Rc<keys::Definition>>>,
    identities: BTreeMap<String, Option<Imds>>,
}

impl Compiler {
    fn fault<T>(&mut self, path: &Path, kind: FaultKind) -> Option<T> {
        self.faults.push(Fault::new(path.clone(), kind));
        None
    }

    fn not_exactly_one<T>(&mut self, path: &Path, kinds: &[&str]) -> Option<T> {
        self.fault(path, FaultKind::NotExactlyOne(kinds.iter().map(|kind| (*kind).to_owned()).collect()))
    }

    fn configuration(&mut self, raw: raw::Configuration) -> Option<Configuration> {
        let root = Path::root();
        for (name, issuer) in raw.issuers {
            let path = root.member("issuers").member(&name);
            let issuer = self.issuer(&path, &name, issuer).map(Rc::new);
            self.issuers.insert(name, issuer);
        }
        for (name, identity) in raw.identities {
            let path = root.member("identities").member(&name);
            let identity = self.identity(&path, identity);
            self.identities.insert(name, identity);
        }
        let defaults = raw.defaults.and_then(|defaults| defaults.validate).unwrap_or_default();
        self.check_validate(&root.member("defaults").member("validate"), &defaults);
        let on_failure = self.on_failure(&root.member("on_failure"), raw.on_failure);
        let wait = self.wait(&root.member("wait"), raw.wait.as_deref());
        let operations = self.operations(&root.member("operations"), raw.operations, &defaults);
        Some(Configuration {
            operations: operations?,
            issuers: self.issuers.values().flatten().cloned().collect(),
            on_failure: on_failure?,
            wait: wait?,
            shared_cache: raw.shared_cache.map(|switch| switch.0),
        })
    }

    fn issuer(&mut self, path: &Path, name: &str, raw: raw::Issuer) -> Option<keys::Definition> {
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

    fn hosts(&mut self, path: &Path, raw: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
        let mut hosts = BTreeMap::new();
        for (host, cluster) in raw {
            let cluster = self.text(&path.member(&host), cluster)?;
            hosts.insert(host.to_ascii_lowercase(), cluster);
        }
        Some(hosts)
    }

    fn algorithms(&mut self, path: &Path, raw: Option<&[String]>) -> Option<Vec<Algorithm>> {
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

    fn identity(&mut self, path: &Path, raw: raw::Identity) -> Option<Imds> {
        let Some(raw) = raw.managed_identity else {
            return self.fault(path, FaultKind::MissingField("managed_identity".to_owned()));
        };
        let path = path.member("managed_identity");
        let raw::ManagedIdentitySource::Imds = raw.source;
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let identity = match (raw.client_id, raw.object_id, raw.resource_id) {
            (None, None, None) => Some(ImdsIdentity::SystemAssigned),
            (Some(id), None, None) => self.text(&path.member("client_id"), id).map(ImdsIdentity::ClientId),
            (None, Some(id), None) => self.text(&path.member("object_id"), id).map(ImdsIdentity::ObjectId),
            (None, None, Some(id)) => {
                self.text(&path.member("resource_id"), id).map(ImdsIdentity::ResourceId)
            }
            _ => self.not_exactly_one(&path, &["client_id", "object_id", "resource_id"]),
        };
        Some(Imds { cluster: cluster?, identity: identity? })
    }

    fn operations(
        &mut self,
        path: &Path,
        raw: Vec<raw::Operation>,
        defaults: &raw::Validate,
    ) -> Option<Vec<Operation>> {
        if raw.is_empty() {
            return self
                .fault(path, FaultKind::Empty("without an operation every request is refused with 404"));
        }
        let mut operations: Vec<Option<Operation>> = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = path.item(index);
            let operation = self.operation(&path, raw, defaults);
            let shadow = operation.as_ref().and_then(|operation| {
                operations.iter().position(|earlier| {
                    earlier.as_ref().is_some_and(|earlier| earlier.matcher.covers(&operation.matcher))
                })
            });
            if let Some(by) = shadow {
                self.fault::<()>(&path.member("match"), FaultKind::Shadowed { by });
            }
            operations.push(operation);
        }
        operations.into_iter().collect()
    }

    fn operation(&mut self, path: &Path, raw: raw::Operation, defaults: &raw::Validate) -> Option<Operation> {
        let matcher = self.matcher(&path.member("match"), raw.matches);
        let parameters: Option<Vec<String>> =
            matcher.as_ref().map(|matcher| matcher.path.parameter_names().map(ToOwned::to_owned).collect());
        let inbound = match (raw.anonymous, raw.validate) {
            (true, None) => Some(Inbound::Anonymous),
            (true, Some(_)) => {
                let why = "`anonymous: true` asks for no token, so `validate` beside it would be ignored; remove one";
                self.fault(&path.member("validate"), FaultKind::Invalid(why))
            }
            (false, own) => {
                let own = own.unwrap_or_default();
                if let Some(parameters) = &parameters {
                    self.parameters(path, parameters, &own, defaults);
                }
                self.validate(&path.member("validate"), own, defaults).map(Inbound::Validate)
            }
        };
        let attachments = self.attachments(&path.member("attach"), raw.attach);
        Some(Operation { matcher: matcher?, inbound: inbound?, attachments: attachments? })
    }

    fn matcher(&mut self, path: &Path, raw: raw::Match) -> Option<Matcher> {
        let methods = self.methods(&path.member("methods"), raw.methods);
        let rules = PathRules { case_sensitive: raw.case_sensitive, trailing_slash: raw.trailing_slash };
        let path = path.member("path");
        let (path, pattern) = match (&raw.path.exact, &raw.path.prefix, &raw.path.template) {
            (Some(text), None, None) => {
                (path.member("exact"), PathPattern::exact(text, rules).map_err(BadTemplate::Path))
            }
            (None, Some(text), None) => {
                (path.member("prefix"), PathPattern::prefix(text, rules).map_err(BadTemplate::Path))
            }
            (None, None, Some(text)) => (path.member("template"), PathPattern::template(text, rules)),
            _ => return self.not_exactly_one(&path, &["exact", "prefix", "template"]),
        };
        let pattern = pattern.or_else(|bad| {
            let why = match bad {
                BadTemplate::Path(_) => {
                    "no request reaches this path: it must begin with `/` and may not hold a query, a wildcard (use \
                     `prefix`), a `{parameter}` (use `template`), `;`, an empty or dot segment, or an encoded delimiter"
                }
                BadTemplate::Parameter => {
                    "a parameter is a whole segment, `/{name}/`, and its name is letters, digits and `_`, without a \
                     digit first; a query has none"
                }
                BadTemplate::RepeatedParameter => "two parameters have one name; each needs its own",
            };
            self.fault(&path, FaultKind::Invalid(why)).ok_or(())
        });
        let pattern = pattern.ok();
        Some(Matcher { methods: methods?, path: pattern? })
    }

    fn methods(&mut self, path: &Path, raw: Option<Vec<String>>) -> Option<Vec<String>> {
        let Some(methods) = raw else { return Some(Vec::new()) };
        if methods.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for every method"));
        }
        for (index, method) in methods.iter().enumerate() {
            self.method(&path.item(index), method)?;
        }
        Some(methods)
    }

    fn method(&mut self, path: &Path, method: &str) -> Option<()> {
        if matches!(method, "*" | "ANY" | "ALL") {
            return self.fault(path, FaultKind::Invalid("leave `methods` out for every method"));
        }
        if is_method(method) {
            return Some(());
        }
        self.fault(path, FaultKind::Invalid("not a method; methods are written in capitals: `GET`"))
    }

    /// Faults of `defaults.validate` are reported once, where they stand.
    fn check_validate(&mut self, path: &Path, raw: &raw::Validate) {
        if let Some(name) = &raw.issuer {
            self.named_issuer(&path.member("issuer"), name);
        }
        if let Some(audiences) = &raw.audiences {
            self.audiences(&path.member("audiences"), audiences);
        }
        if let Some(roles) = &raw.roles {
            self.roles(&path.member("roles"), roles);
        }
        if let Some(claims) = &raw.required_claims {
            self.required_claims(&path.member("required_claims"), claims);
        }
        let path = path.member("clock_skew");
        let skew = self.duration(&path, raw.clock_skew.as_deref(), Duration::ZERO);
        if skew.is_some_and(|skew| skew > MAX_CLOCK_SKEW) {
            self.fault::<()>(&path, FaultKind::Invalid("clocks may differ by `10m` at the most"));
        }
    }

    fn validate(&mut self, path: &Path, own: raw::Validate, defaults: &raw::Validate) -> Option<Validate> {
        self.check_validate(path, &own);
        let mut silent = Self { issuers: self.issuers.clone(), ..Self::default() };
        let required = silent.required(path, defaults, &own);
        let skew = own.clock_skew.as_deref().or(defaults.clock_skew.as_deref());
        let skew = silent.duration(path, skew, Duration::ZERO);
        let Some(issuer) = own.issuer.as_ref().or(defaults.issuer.as_ref()) else {
            let why = "no issuer is named, here or in `defaults.validate`; an operation that asks for no token says \
                       `anonymous: true`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        let Some(audiences) = own.audiences.as_ref().or(defaults.audiences.as_ref()) else {
            let why =
                "no audiences are named, here or in `defaults.validate`; `audiences: any` accepts every one";
            return self.fault(path, FaultKind::Invalid(why));
        };
        Some(Validate {
            issuers: vec![silent.named_issuer(path, issuer)?],
            audiences: silent.audiences(path, audiences)?,
            required: required?,
            time: TimeRules {
                clock_skew: skew?,
                require_expiration: own.require_expiration.or(defaults.require_expiration).unwrap_or(true),
            },
        })
    }

    /// What the defaults ask for, and what an operation adds to that.
    fn required(
        &mut self,
        path: &Path,
        defaults: &raw::Validate,
        own: &raw::Validate,
    ) -> Option<Vec<Requirement>> {
        let mut required = Vec::new();
        for roles in [&defaults.roles, &own.roles].into_iter().flatten() {
            required.push(self.roles(path, roles)?);
        }
        for claims in [&defaults.required_claims, &own.required_claims].into_iter().flatten() {
            required.extend(self.required_claims(path, claims)?);
        }
        Some(required)
    }

    fn named_issuer(&mut self, path: &Path, name: &str) -> Option<Rc<keys::Definition>> {
        match self.issuers.get(name) {
            Some(issuer) => issuer.clone(),
            None => {
                let defined = self.issuers.keys().cloned().collect();
                self.fault(path, FaultKind::UnknownName { what: "issuer", name: name.to_owned(), defined })
            }
        }
    }

    fn audiences(&mut self, path: &Path, raw: &raw::Audiences) -> Option<Audiences> {
        match raw {
            raw::Audiences::Any => Some(Audiences::Any),
            raw::Audiences::OneOf(list) => {
                self.words(path, list, "name the audiences, or say `audiences: any`").map(Audiences::OneOf)
            }
        }
    }

    fn roles(&mut self, path: &Path, raw: &raw::Roles) -> Option<Requirement> {
        const WHY: &str = "name the roles, or leave it out where none is required";
        match raw {
            raw::Roles::Same(roles) => {
                self.words(path, roles, WHY).map(RequiredClaim::roles).map(Requirement::same)
            }
            raw::Roles::ByMethod(entries) => {
                if entries.is_empty() {
                    return self.fault(path, FaultKind::Empty(WHY));
                }
                let mut by_method = BTreeMap::new();
                let mut otherwise = None;
                for (method, roles) in entries {
                    let path = path.member(method);
                    let roles = RequiredClaim::roles(self.words(&path, roles, WHY)?);
                    if method == "*" {
                        otherwise = Some(roles);
                    } else {
                        self.method(&path, method)?;
                        by_method.insert(method.clone(), roles);
                    }
                }
                Some(Requirement::by_method(by_method, otherwise))
            }
        }
    }

    fn required_claims(&mut self, path: &Path, raw: &[raw::RequiredClaim]) -> Option<Vec<Requirement>> {
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where no claim is required"));
        }
        let claims = raw.iter().enumerate().map(|(index, raw)| self.required_claim(&path.item(index), raw));
        let claims: Vec<_> = claims.collect();
        claims.into_iter().map(|claim| claim.map(Requirement::same)).collect()
    }

    fn required_claim(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<RequiredClaim> {
        let claim = match (&raw.name, &raw.path) {
            (Some(name), None) => self.text(&path.member("name"), name.clone()).map(|name| vec![name]),
            (None, Some(names)) => self.words(
                &path.member("path"),
                names,
                "a claim's name, and the names within it, belong here",
            ),
            _ => self.not_exactly_one(path, &["name", "path"]),
        };
        let condition = self.condition(path, raw);
        let separator = self.separator(&path.member("separator"), raw);
        Some(RequiredClaim { path: claim?, separator: separator?, condition: condition? })
    }

    fn condition(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<Condition> {
        match (&raw.values, &raw.equals_parameter) {
            (Some(_), Some(_)) => {
                let why = "`values` and `equals_parameter` are two conditions; write two entries";
                self.fault(&path.member("equals_parameter"), FaultKind::Invalid(why))
            }
            (None, _) if raw.matches.is_some() => {
                let why = "without `values` there is nothing to match; name them, or leave `match` out";
                self.fault(&path.member("match"), FaultKind::Invalid(why))
            }
            (None, None) => Some(Condition::Present),
            (None, Some(name)) => {
                self.text(&path.member("equals_parameter"), name.clone()).map(Condition::EqualsParameter)
            }
            (Some(values), None) => {
                let why = "name the values, or leave it out where the claim must merely be there";
                let values = self.words(&path.member("values"), values, why)?;
                Some(match raw.matches.unwrap_or_default() {
                    raw::ClaimMatch::All => Condition::All(values),
                    raw::ClaimMatch::Any => Condition::Any(values),
                    raw::ClaimMatch::Not => Condition::Not(values),
                })
            }
        }
    }

    /// A separator that makes a condition idle is a fault: behind `not` it would let everybody pass.
    fn separator(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<Option<String>> {
        let values = raw.values.as_deref().unwrap_or_default();
        let Some(separator) = &raw.separator else {
            let barred = matches!(raw.matches, Some(raw::ClaimMatch::Not));
            if barred && matches!(raw.name.as_deref(), Some("scp" | "scope")) {
                let why =
                    "this claim has several values in one string, so `match: not` needs `separator: \" \"`";
                return self.fault(path, FaultKind::Invalid(why));
            }
            return Some(None);
        };
        if separator.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where the claim is not to be split"));
        }
        if raw.values.is_none() && raw.equals_parameter.is_none() {
            let why = "it splits a claim into values, and none are compared; name `values`, or leave it out";
            return self.fault(path, FaultKind::Invalid(why));
        }
        if values.iter().any(|value| value.contains(separator.as_str())) {
            let why = "one of `values` holds the separator, so it can never be among the claim's; make it two values";
            return self.fault(path, FaultKind::Invalid(why));
        }
        Some(Some(separator.clone()))
    }

    /// Claims are compared only with parameters that the operation's path has.
    fn parameters(&mut self, path: &Path, defined: &[String], own: &raw::Validate, defaults: &raw::Validate) {
        let own_path = path.member("validate").member("required_claims");
        let unknown = |claim: &raw::RequiredClaim| {
            claim.equals_parameter.clone().filter(|name| !name.is_empty() && !defined.contains(name))
        };
        for (index, claim) in own.required_claims.iter().flatten().enumerate() {
            let path = own_path.item(index).member("equals_parameter");
            match unknown(claim) {
                Some(_) if defined.is_empty() => {
                    let why =
                        "the operation's path has no parameters; name them by `match: {path: {template: …}}`";
                    self.fault::<()>(&path, FaultKind::Invalid(why));
                }
                Some(word) => {
                    self.fault::<()>(&path, FaultKind::UnknownWord { word, expected: defined.to_vec() });
                }
                None => {}
            }
        }
        if defaults.required_claims.iter().flatten().any(|claim| unknown(claim).is_some()) {
            let why = "`defaults.validate.required_claims` compares a claim with a parameter that this path does not \
                       have; give it a `template` with that parameter, or ask for the claim in the operations that have it";
            self.fault::<()>(&path.member("match").member("path"), FaultKind::Invalid(why));
        }
    }

    /// A list with at least one word, none of them empty.
    fn words(&mut self, path: &Path, words: &[String], why: &'static str) -> Option<Vec<String>> {
        if words.is_empty() || words.iter().any(String::is_empty) {
            return self.fault(path, FaultKind::Empty(why));
        }
        Some(words.to_vec())
    }

    fn attachments(&mut self, path: &Path, raw: Option<Vec<raw::Attach>>) -> Option<Vec<Attachment>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        let [raw] = <[raw::Attach; 1]>::try_from(raw)
            .or_else(|raw| {
                let kind = match raw.is_empty() {
                    true => FaultKind::Empty("leave it out where nothing is attached"),
                    false => {
                        FaultKind::Invalid("only one token fits into `Authorization`; remove the others")
                    }
                };
                self.fault(path, kind).ok_or(())
            })
            .ok()?;
        let path = path.item(0);
        let resource = self.text(&path.member("resource"), raw.resource);
        let source = match self.identities.get(&raw.identity) {
            Some(identity) => identity.clone(),
            None => {
                let defined = self.identities.keys().cloned().collect();
                let kind = FaultKind::UnknownName { what: "identity", name: raw.identity.clone(), defined };
                self.fault(&path.member("identity"), kind)
            }
        };
        let token = Rc::new(tokens::Definition::new(&raw.identity, source?, resource?));
        Some(vec![Attachment { token }])
    }

    fn on_failure(&mut self, path: &Path, raw: Option<raw::OnFailure>) -> Option<OnFailure> {
        let raw = raw.unwrap_or_default();
        let status = self.status(&path.member("status"), raw.status, StatusCode::UNAUTHORIZED)?;
        let forbidden_status = self.status(&path.member("forbidden_status"), raw.forbidden_status, status)?;
        Some(OnFailure { status, forbidden_status, message: raw.message })
    }

    fn status(&mut self, path: &Path, raw: Option<u16>, default: StatusCode) -> Option<StatusCode> {
        let Some(status) = raw else { return Some(default) };
        match StatusCode::from_u16(status) {
            Ok(status) if status.is_client_error() || status.is_server_error() => Some(status),
            _ => self.fault(path, FaultKind::Invalid("a refusal has a status from 400 to 599")),
        }
    }

    fn wait(&mut self, path: &Path, raw: Option<&str>) -> Option<Duration> {
        let wait = self.duration(path, raw, Duration::from_secs(15))?;
        if wait.is_zero() || wait > Duration::from_secs(60) {
            return self.fault(path, FaultKind::Invalid("a request may wait from `1ms` to `60s`"));
        }
        Some(wait)
    }

    fn duration(&mut self, path: &Path, raw: Option<&str>, default: Duration) -> Option<Duration> {
        let Some(text) = raw else { return Some(default) };
        duration(text).or_else(|| {
            self.fault(
                path,
                FaultKind::Invalid("not a duration; write a whole number and ms, s, m or h: `30s`"),
            )
        })
    }

    fn https_url(&mut self, path: &Path, text: &str) -> Option<Url> {
        Url::parse(text)
            .filter(|url| url.https)
            .or_else(|| self.fault(path, FaultKind::Invalid("not an https URL (https://host/path)")))
    }

    fn guid(&mut self, path: &Path, text: &str) -> Option<String> {
        const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
        let groups = text
            .split('-')
            .map(|group| if group.bytes().all(|byte| byte.is_ascii_hexdigit()) { group.len() } else { 0 });
        if groups.eq(GROUPS) {
            return Some(text.to_ascii_lowercase());
        }
        self.fault(path, FaultKind::Invalid("not a tenant id (a GUID: 00000000-0000-0000-0000-000000000000)"))
    }

    fn text(&mut self, path: &Path, text: String) -> Option<String> {
        if text.is_empty() {
            return self.fault(path, FaultKind::Empty("a name or a value belongs here"));
        }
        Some(text)
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

/// A whole number with `ms`, `s`, `m` or `h`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}
