//! How inbound tokens are checked: `defaults.validate`, and what an operation says instead of it or beyond it.

use std::time::Duration;

use super::Compiler;
use crate::access::Requirement;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{Audiences, Validate};
use crate::jwt::TimeRules;

/// More would keep expired tokens alive.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(600);

impl Compiler {
    /// Faults of `defaults.validate` are reported once, where they stand.
    pub(super) fn check_validate(&mut self, path: &Path, raw: &raw::Validate) {
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

    pub(super) fn validate(
        &mut self,
        path: &Path,
        own: raw::Validate,
        defaults: &raw::Validate,
    ) -> Option<Validate> {
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
    pub(super) fn required(
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

    pub(super) fn audiences(&mut self, path: &Path, raw: &raw::Audiences) -> Option<Audiences> {
        match raw {
            raw::Audiences::Any => Some(Audiences::Any),
            raw::Audiences::OneOf(list) => {
                self.words(path, list, "name the audiences, or say `audiences: any`").map(Audiences::OneOf)
            }
        }
    }
}
