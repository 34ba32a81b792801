//! What is asked of roles and other claims.

use std::collections::BTreeMap;

use super::Compiler;
use crate::access::{Condition, RequiredClaim, Requirement};
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;

impl Compiler {
    pub(super) fn roles(&mut self, path: &Path, raw: &raw::Roles) -> Option<Requirement> {
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

    pub(super) fn required_claims(
        &mut self,
        path: &Path,
        raw: &[raw::RequiredClaim],
    ) -> Option<Vec<Requirement>> {
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where no claim is required"));
        }
        let claims = raw.iter().enumerate().map(|(index, raw)| self.required_claim(&path.item(index), raw));
        let claims: Vec<_> = claims.collect();
        claims.into_iter().map(|claim| claim.map(Requirement::same)).collect()
    }

    pub(super) fn required_claim(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<RequiredClaim> {
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

    pub(super) fn condition(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<Condition> {
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
    pub(super) fn separator(&mut self, path: &Path, raw: &raw::RequiredClaim) -> Option<Option<String>> {
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
    pub(super) fn parameters(
        &mut self,
        path: &Path,
        defined: &[String],
        own: &raw::Validate,
        defaults: &raw::Validate,
    ) {
        let unknown = |claim: &raw::RequiredClaim| {
            claim.equals_parameter.clone().filter(|name| !name.is_empty() && !defined.contains(name))
        };
        let own_path = path.member("validate");
        for (path, claim) in claims_of(&own_path, own) {
            let path = path.member("equals_parameter");
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
        if claims_of(&Path::root(), defaults).any(|(_, claim)| unknown(claim).is_some()) {
            let why = "`defaults.validate.required_claims` compares a claim with a parameter that this path does not \
                       have; give it a `template` with that parameter, or ask for the claim in the operations that have it";
            self.fault::<()>(&path.member("match").member("path"), FaultKind::Invalid(why));
        }
    }
}

/// The required claims of an operation and of its issuers, each with its place.
fn claims_of<'r>(
    path: &Path,
    raw: &'r raw::Validate,
) -> impl Iterator<Item = (Path, &'r raw::RequiredClaim)> {
    let entries = raw.any_of.iter().flatten().enumerate();
    let of_issuers =
        entries.map(|(index, raw)| (path.member("any_of").item(index), raw.required_claims.as_deref()));
    let places = std::iter::once((path.clone(), raw.required_claims.as_deref())).chain(of_issuers);
    places.collect::<Vec<_>>().into_iter().flat_map(|(path, claims)| {
        let path = path.member("required_claims");
        claims.into_iter().flatten().enumerate().map(move |(index, claim)| (path.item(index), claim))
    })
}
