//! From what is written to what holds: names resolved, defaults applied, every value checked.
//!
//! Compilation goes on after a fault, so that one look at the log shows all of them.

mod attach;
mod claims;
mod client_credentials;
mod decryption;
mod entra;
mod guards;
mod headers;
mod identities;
mod issuer_keys;
mod issuers;
mod on_failure;
mod operations;
mod position;
mod secrets;
mod token;
mod validate;
mod values;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::fault::{Fault, FaultKind, Path};
use super::raw;
use super::{Configuration, Position};
use crate::environment::Environment;
use crate::keys;
use crate::observe::{LogLevel, LogLine};
use crate::secrets::Definition as Secret;
use crate::tokens::Source;

pub(super) fn compile(
    raw: raw::Configuration,
    environment: &Environment,
) -> Result<Configuration, Vec<Fault>> {
    let mut compiler = Compiler { environment: environment.clone(), ..Compiler::default() };
    let configuration = compiler.configuration(raw);
    match configuration {
        Some(configuration) if compiler.faults.is_empty() => Ok(configuration),
        _ => Err(compiler.faults),
    }
}

/// What has been compiled so far, and the faults met on the way. A step that meets a fault returns `None`.
#[derive(Default)]
struct Compiler {
    faults: Vec<Fault>,
    issuers: BTreeMap<String, Option<Rc<keys::Issuer>>>,
    identities: BTreeMap<String, Option<Source>>,
    secrets: BTreeMap<String, Option<Rc<Secret>>>,
    /// Those with a name, and those that stand where they are used.
    all_secrets: Vec<Rc<Secret>>,
    /// What is not yet compiled of what may refer to each other.
    raw: Uncompiled,
    names: Names,
    /// What is being compiled, each for the one before it.
    under_way: Vec<Path>,
    /// The keys that open each product.
    products: BTreeMap<String, Vec<Rc<Secret>>>,
    /// Those of `defaults.validate`.
    decryption_keys: Option<Rc<[keys::ConfiguredDecryptionKey]>>,
    environment: Environment,
    notices: Vec<LogLine>,
}

#[derive(Default)]
struct Uncompiled {
    secrets: BTreeMap<String, raw::Secret>,
    identities: BTreeMap<String, raw::Identity>,
}

/// The names that are defined.
#[derive(Default)]
struct Names {
    secrets: Vec<String>,
    identities: Vec<String>,
}

/// What holds where an operation does not say otherwise.
struct Defaults {
    validate: raw::Validate,
    on_failure: raw::OnFailure,
    position: Position,
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
        let position = self.position(&raw);
        self.names.secrets = raw.secrets.keys().cloned().collect();
        self.names.identities = raw.identities.keys().cloned().collect();
        self.raw = Uncompiled { secrets: raw.secrets, identities: raw.identities };
        for (name, issuer) in raw.issuers {
            let path = root.member("issuers").member(&name);
            let issuer = self.issuer(&path, &name, issuer).map(Rc::new);
            self.issuers.insert(name, issuer);
        }
        self.other_identities();
        self.other_secrets();
        self.subscriptions(&root.member("subscription_keys"), raw.subscription_keys);
        let defaults = Defaults {
            validate: raw.defaults.and_then(|defaults| defaults.validate).unwrap_or_default(),
            on_failure: raw.on_failure.unwrap_or_default(),
            position,
        };
        let path = root.member("defaults").member("validate");
        self.check_validate(&path, &defaults.validate);
        if let Some(keys) = &defaults.validate.decryption_keys {
            self.decryption_keys = self.decryption_keys(&path.member("decryption_keys"), keys);
        }
        let on_failure =
            self.on_failure(&root.member("on_failure"), &defaults.on_failure, &raw::OnFailure::default());
        let wait = self.wait(&root.member("wait"), raw.wait.as_deref());
        let operations = self.operations(&root.member("operations"), raw.operations, &defaults);
        let operations = operations?;
        Some(Configuration {
            gateway_headers: headers::gateway_headers(&operations),
            operations,
            position,
            attempts: "gatepass.attempt".into(),
            issuers: self.issuers.values().flatten().cloned().collect(),
            secrets: std::mem::take(&mut self.all_secrets),
            on_failure: on_failure?,
            wait: wait?,
            shared_cache: raw.shared_cache.map(|switch| switch.0),
            notices: std::mem::take(&mut self.notices),
        })
    }

    fn warn(&mut self, text: String) {
        self.notices.push(LogLine { level: LogLevel::Warn, text });
    }

    /// The fault, if what is at `path` is already being compiled: the way from there to itself.
    fn cycle(&self, path: &Path) -> Option<FaultKind> {
        let way = self.under_way.iter().skip_while(|under_way| *under_way != path);
        let mut way: Vec<_> = way.map(ToString::to_string).collect();
        way.push(way.first()?.clone());
        Some(FaultKind::Cycle(way))
    }

    fn wait(&mut self, path: &Path, raw: Option<&str>) -> Option<Duration> {
        let wait = self.duration(path, raw, Duration::from_secs(15))?;
        if wait.is_zero() || wait > Duration::from_secs(60) {
            return self.fault(path, FaultKind::Invalid("a request may wait from `1ms` to `60s`"));
        }
        Some(wait)
    }
}
