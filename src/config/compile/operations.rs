//! Operations, and which requests they are.

use std::rc::Rc;

use super::{Compiler, Defaults};
use crate::access::{self, Ambiguities, BadTemplate, HostPattern, Index, Matcher, PathPattern, PathRules};
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{Inbound, Operation, Operations, Position};

impl Compiler {
    pub(super) fn operations(
        &mut self,
        path: &Path,
        raw: Vec<raw::Operation>,
        defaults: &Defaults,
    ) -> Option<Operations> {
        if raw.is_empty() {
            return self
                .fault(path, FaultKind::Empty("without an operation every request is refused with 404"));
        }
        let mut operations: Vec<Option<Operation>> = Vec::new();
        let mut index = Index::default();
        for (number, raw) in raw.into_iter().enumerate() {
            let path = path.item(number);
            let operation = self.operation(&path, raw, defaults);
            if let Some(operation) = &operation {
                let earlier = |number| {
                    operations
                        .get(number)
                        .and_then(Option::as_ref)
                        .map(|operation: &Operation| &operation.matcher)
                };
                if let Some(by) = index.find_covering(&operation.matcher, earlier) {
                    self.fault::<()>(&path.member("match"), FaultKind::Shadowed { by });
                }
                index.push(number, &operation.matcher);
                self.written_once(&path, operation);
            }
            operations.push(operation);
        }
        operations.into_iter().collect::<Option<_>>().map(Operations::new)
    }

    pub(super) fn operation(
        &mut self,
        path: &Path,
        raw: raw::Operation,
        defaults: &Defaults,
    ) -> Option<Operation> {
        let enforce = self.enforce(path, &raw);
        let matcher = self.matcher(&path.member("match"), raw.matches);
        let parameters: Option<Vec<String>> =
            matcher.as_ref().map(|matcher| matcher.path.parameter_names().map(ToOwned::to_owned).collect());
        if matcher.as_ref().is_some_and(|matcher| matcher.cors_preflight) && !raw.anonymous {
            let why =
                "a browser asks beforehand without a token, so `anonymous: true` must stand beside this";
            self.fault::<()>(&path.member("match").member("cors_preflight"), FaultKind::Invalid(why));
        }
        let inbound = match (raw.anonymous, &raw.validate) {
            _ if defaults.position == Position::Upstream => Some(Inbound::Anonymous),
            (true, None) if raw.subscription_key.is_some() => {
                let why = "`anonymous: true` asks for nothing, so `subscription_key` contradicts it; where a key is enough, \
                           say `validate: none` instead";
                self.fault(&path.member("subscription_key"), FaultKind::Invalid(why))
            }
            (true, None) => Some(Inbound::Anonymous),
            (true, Some(_)) => {
                let why = "`anonymous: true` asks for no token, so `validate` beside it would be ignored; remove one";
                self.fault(&path.member("validate"), FaultKind::Invalid(why))
            }
            (false, Some(raw::OwnValidate::None)) if raw.subscription_key.is_some() => {
                Some(Inbound::Anonymous)
            }
            (false, Some(raw::OwnValidate::None)) => {
                let why = "`none` is for an operation with a `subscription_key`; one that asks for nothing says \
                           `anonymous: true`";
                self.fault(&path.member("validate"), FaultKind::Invalid(why))
            }
            (false, own) => {
                let nothing = raw::Validate::default();
                let own = match own {
                    Some(raw::OwnValidate::Rules(own)) => own,
                    _ => &nothing,
                };
                if let Some(parameters) = &parameters {
                    self.parameters(path, parameters, own, &defaults.validate);
                }
                self.validate(&path.member("validate"), own, &defaults.validate)
                    .map(Rc::new)
                    .map(Inbound::Validate)
            }
        };
        let subscription = match raw.subscription_key {
            Some(raw) => self.subscription_key(&path.member("subscription_key"), raw).map(Some),
            None => Some(None),
        };
        let required_headers = self.required_headers(&path.member("require_headers"), raw.require_headers);
        let attachments = self.attachments(&path.member("attach"), raw.attach);
        let headers = self.header_rules(&path.member("headers"), raw.headers);
        let own = raw.on_failure.unwrap_or_default();
        let on_failure = self.on_failure(&path.member("on_failure"), &own, &defaults.on_failure);
        Some(Operation {
            matcher: matcher?,
            inbound: inbound?,
            enforce: enforce?,
            subscription: subscription?,
            required_headers: required_headers?,
            attachments: attachments?,
            headers: headers?,
            on_failure: on_failure?,
        })
    }

    /// What is only reported must gain nothing by it.
    fn enforce(&mut self, path: &Path, raw: &raw::Operation) -> Option<bool> {
        let path = path.member("enforce");
        match raw.enforce {
            Some(false) if raw.attach.is_some() => {
                let why = "whoever would be refused would get the gateway's own credentials; remove `attach`, or enforce";
                self.fault(&path, FaultKind::Invalid(why))
            }
            Some(false) if raw.anonymous || matches!(raw.validate, Some(raw::OwnValidate::None)) => {
                self.fault(&path, FaultKind::Invalid("nothing is validated here; remove it"))
            }
            enforce => Some(enforce.unwrap_or(true)),
        }
    }

    pub(super) fn matcher(&mut self, path: &Path, raw: raw::Match) -> Option<Matcher> {
        let methods = self.methods(&path.member("methods"), raw.methods);
        let methods = methods.and_then(|methods| self.preflight(path, raw.cors_preflight, methods));
        let hosts = self.hosts_matched(&path.member("hosts"), raw.hosts);
        let allow = self.allow(&path.member("allow"), raw.allow);
        let rules = PathRules {
            case_sensitive: raw.case_sensitive,
            trailing_slash: raw.trailing_slash,
            allow: allow?,
        };
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
                     `prefix`), a `{parameter}` (use `template`), `;`, an empty or dot segment, or an encoded \
                     delimiter that `allow` does not name"
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
        Some(Matcher { methods: methods?, hosts: hosts?, cors_preflight: raw.cors_preflight, path: pattern? })
    }

    /// What a browser asks beforehand, it asks by `OPTIONS`.
    fn preflight(&mut self, path: &Path, cors_preflight: bool, methods: Vec<String>) -> Option<Vec<String>> {
        const METHOD: &str = "OPTIONS";
        match cors_preflight {
            false => Some(methods),
            true if methods.iter().all(|method| method == METHOD) => Some(vec![METHOD.to_owned()]),
            true => {
                let why = "what a browser asks beforehand has the method `OPTIONS`; leave `methods` out";
                self.fault(&path.member("methods"), FaultKind::Invalid(why))
            }
        }
    }

    fn hosts_matched(&mut self, path: &Path, raw: Option<Vec<String>>) -> Option<Vec<HostPattern>> {
        let Some(hosts) = raw else { return Some(Vec::new()) };
        if hosts.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for every host"));
        }
        let hosts: Vec<_> = hosts
            .iter()
            .enumerate()
            .map(|(index, host)| {
                let why = "not a host: `api.example`, or `*.example` for all below it, without a port; leave `hosts` out \
                           for every host";
                let bad = |_| self.fault::<()>(&path.item(index), FaultKind::Invalid(why));
                HostPattern::parse(host).map_err(bad).ok()
            })
            .collect();
        hosts.into_iter().collect()
    }

    fn allow(&mut self, path: &Path, raw: Option<Vec<raw::Ambiguity>>) -> Option<Ambiguities> {
        let Some(raw) = raw else { return Some(Ambiguities::NONE) };
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where nothing ambiguous is allowed"));
        }
        let mut allow = Ambiguities::NONE;
        for ambiguity in raw {
            match ambiguity {
                raw::Ambiguity::EncodedSlash => allow.encoded_slash = true,
                raw::Ambiguity::EncodedPercent => allow.encoded_percent = true,
                raw::Ambiguity::Semicolon => allow.semicolon = true,
            }
        }
        Some(allow)
    }

    pub(super) fn methods(&mut self, path: &Path, raw: Option<Vec<String>>) -> Option<Vec<String>> {
        let Some(methods) = raw else { return Some(Vec::new()) };
        if methods.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for every method"));
        }
        for (index, method) in methods.iter().enumerate() {
            self.method(&path.item(index), method)?;
        }
        Some(methods)
    }

    pub(super) fn method(&mut self, path: &Path, method: &str) -> Option<()> {
        if matches!(method, "*" | "ANY" | "ALL") {
            return self.fault(path, FaultKind::Invalid("leave `methods` out for every method"));
        }
        if access::method(method.as_bytes()).is_some() {
            return Some(());
        }
        self.fault(path, FaultKind::Invalid("not a method; methods are written in capitals: `GET`"))
    }
}
