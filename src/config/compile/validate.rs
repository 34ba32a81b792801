//! How inbound tokens are checked: `defaults.validate`, and what an operation says instead of it or beyond it.

use std::time::Duration;

use super::Compiler;
use crate::access::{ApplicationIds, CallerRules, ClientApplications, ClientClaims, Requirement, TokenType};
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{Alternative, Audiences, Validate};
use crate::jwt::TimeRules;
use crate::keys::Issuer;

/// More would keep expired tokens alive.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(600);

impl Compiler {
    /// Faults of `defaults.validate` are reported once, where they stand.
    pub(super) fn check_validate(&mut self, path: &Path, raw: &raw::Validate) {
        self.check_alternative(path, &raw.alternative());
        self.check_additions(path, raw.roles.as_ref(), raw.required_claims.as_deref());
        if raw.any_of.is_some() && raw.names_an_issuer() {
            let why = "`any_of` stands in place of `issuer`, `audiences`, `client_application_ids`, \
                       `backend_application_ids` and `token_type`; move these into its entries";
            self.fault::<()>(&path.member("any_of"), FaultKind::Invalid(why));
        }
        if raw.any_of.as_ref().is_some_and(Vec::is_empty) {
            self.fault::<()>(&path.member("any_of"), FaultKind::Empty("name the issuers"));
        }
        for (index, alternative) in raw.any_of.iter().flatten().enumerate() {
            let path = path.member("any_of").item(index);
            self.check_alternative(&path, alternative);
            self.check_additions(&path, alternative.roles.as_ref(), alternative.required_claims.as_deref());
            self.alternative(&path, alternative);
        }
        self.check_token(path, raw);
        if raw.max_lifetime.is_some() {
            let path = path.member("max_lifetime");
            let longest = self.duration(&path, raw.max_lifetime.as_deref(), Duration::ZERO);
            if longest.is_some_and(|longest| longest.is_zero()) {
                self.fault::<()>(
                    &path,
                    FaultKind::Invalid("no token lives that short; leave it out for any life"),
                );
            }
        }
        let path = path.member("clock_skew");
        let skew = self.duration(&path, raw.clock_skew.as_deref(), Duration::ZERO);
        if skew.is_some_and(|skew| skew > MAX_CLOCK_SKEW) {
            self.fault::<()>(&path, FaultKind::Invalid("clocks may differ by `10m` at the most"));
        }
    }

    /// Each field by itself.
    fn check_alternative(&mut self, path: &Path, raw: &raw::Alternative) {
        if let Some(name) = &raw.issuer {
            self.named_issuer(&path.member("issuer"), name);
        }
        if let Some(raw::Words::OneOf(list)) = &raw.audiences {
            self.words(&path.member("audiences"), list, "name the audiences, or say `audiences: any`");
        }
        for (name, ids) in [
            ("client_application_ids", &raw.client_application_ids),
            ("backend_application_ids", &raw.backend_application_ids),
        ] {
            if let Some(ids) = ids {
                self.words(&path.member(name), ids, "name the applications, or leave it out");
            }
        }
    }

    fn check_additions(
        &mut self,
        path: &Path,
        roles: Option<&raw::Roles>,
        claims: Option<&[raw::RequiredClaim]>,
    ) {
        if let Some(roles) = roles {
            self.roles(&path.member("roles"), roles);
        }
        if let Some(claims) = claims {
            self.required_claims(&path.member("required_claims"), claims);
        }
    }

    pub(super) fn validate(
        &mut self,
        path: &Path,
        own: &raw::Validate,
        defaults: &raw::Validate,
    ) -> Option<Validate> {
        self.check_validate(path, own);
        let mut silent = self.silent();
        let skew = own.clock_skew.as_deref().or(defaults.clock_skew.as_deref());
        let skew = silent.duration(path, skew, Duration::ZERO);
        let handling = self.token_handling(path, own, defaults);
        let longest = own.max_lifetime.as_deref().or(defaults.max_lifetime.as_deref());
        let max_lifetime = match longest {
            Some(text) => Some(silent.duration(path, Some(text), Duration::ZERO)?),
            None => None,
        };
        let decryption_keys = match &own.decryption_keys {
            Some(keys) => self.decryption_keys(&path.member("decryption_keys"), keys)?,
            None => self.decryption_keys.clone().unwrap_or_default(),
        };
        let common = silent.required(path, [defaults.additions(), own.additions()]);
        // What an entry of `any_of` lacks was told where it stands.
        let any_of = match self.alternatives(path, own, defaults)? {
            Alternatives::Entries(entries) => {
                entries.iter().map(|raw| silent.alternative(path, raw)).collect::<Vec<_>>()
            }
            Alternatives::Merged(raw) => vec![self.alternative(path, &raw)],
        };
        let any_of: Option<Vec<_>> = any_of.into_iter().collect();
        let (mut any_of, common) = (any_of?, common?);
        for alternative in &mut any_of {
            alternative.callers.required.splice(0..0, common.iter().cloned());
        }
        Some(Validate {
            any_of,
            time: TimeRules {
                clock_skew: skew?,
                require_expiration: own.require_expiration.or(defaults.require_expiration).unwrap_or(true),
                max_lifetime,
            },
            handling: handling?,
            decryption_keys,
            optional: own.optional.or(defaults.optional).unwrap_or(false),
        })
    }

    /// The issuers of an operation: its own, or the defaults'.
    fn alternatives<'r>(
        &mut self,
        path: &Path,
        own: &'r raw::Validate,
        defaults: &'r raw::Validate,
    ) -> Option<Alternatives<'r>> {
        match (&own.any_of, &defaults.any_of) {
            (Some(entries), _) => Some(Alternatives::Entries(entries)),
            (None, Some(entries)) if !own.names_an_issuer() => Some(Alternatives::Entries(entries)),
            (None, Some(_)) if own.issuer.is_none() => {
                let why = "`defaults.validate` has `any_of`, and what stands here belongs to one of its issuers; name \
                           the `issuer` too, or write `any_of` here";
                self.fault(path, FaultKind::Invalid(why))
            }
            (None, Some(_)) => Some(Alternatives::Merged(own.alternative())),
            (None, None) => Some(Alternatives::Merged(own.alternative().or(defaults.alternative()))),
        }
    }

    /// An issuer and what is asked of its tokens. Faults of single fields have been told; here it is what they lack
    /// together.
    fn alternative(&mut self, path: &Path, raw: &raw::Alternative) -> Option<Alternative> {
        let Some(name) = &raw.issuer else {
            let why = "no issuer is named, here or in `defaults.validate`; an operation that asks for no token says \
                       `anonymous: true`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        if raw.audiences.is_none() && raw.backend_application_ids.is_none() {
            let why =
                "no audiences are named, here or in `defaults.validate`; `audiences: any` accepts every one";
            return self.fault(path, FaultKind::Invalid(why));
        }
        let mut silent = self.silent();
        let issuer = silent.named_issuer(path, name)?;
        let is_entra = matches!(*issuer, Issuer::Entra(_));
        let clients =
            self.application_ids(path, "client_application_ids", &raw.client_application_ids, is_entra);
        let backends =
            self.application_ids(path, "backend_application_ids", &raw.backend_application_ids, is_entra);
        if raw.token_type.is_some() && !is_entra {
            let why = "only tokens of Entra tell it in a way that is known; ask for it by `required_claims`";
            return self.fault(&path.member("token_type"), FaultKind::Invalid(why));
        }
        let audiences = match &raw.audiences {
            None | Some(raw::Words::Any) => None,
            Some(raw::Words::OneOf(list)) => Some(silent.words(path, list, "")?),
        };
        let claims = if is_entra { ClientClaims::Entra } else { ClientClaims::OpenId };
        Some(Alternative {
            issuer,
            audiences: Audiences { one_of: audiences, applications: backends? },
            callers: CallerRules {
                clients: clients?.map(|ids| ClientApplications { ids, claims }),
                token_type: raw.token_type.map(|token_type| match token_type {
                    raw::TokenType::App => TokenType::App,
                    raw::TokenType::User => TokenType::User,
                }),
                required: silent.required(path, [(raw.roles.as_ref(), raw.required_claims.as_ref())])?,
            },
        })
    }

    /// The outer `None` is a fault. Ids of Entra are GUIDs.
    fn application_ids(
        &mut self,
        path: &Path,
        field: &str,
        ids: &Option<Vec<String>>,
        is_entra: bool,
    ) -> Option<Option<ApplicationIds>> {
        let Some(ids) = ids else { return Some(None) };
        let path = path.member(field);
        for (index, id) in ids.iter().enumerate().filter(|(_, id)| is_entra && !id.is_empty()) {
            self.guid(&path.item(index), id)?;
        }
        Some(Some(ApplicationIds::new(self.silent().words(&path, ids, "")?)))
    }

    /// A compiler that knows the same names and tells no faults, for what has been looked at before.
    fn silent(&self) -> Self {
        Self { issuers: self.issuers.clone(), ..Self::default() }
    }

    /// What the defaults ask for, and what an operation or an issuer adds to that.
    fn required<'r>(
        &mut self,
        path: &Path,
        additions: impl IntoIterator<Item = Additions<'r>>,
    ) -> Option<Vec<Requirement>> {
        let mut required = Vec::new();
        let mut claims = Vec::new();
        for (roles, required_claims) in additions {
            if let Some(roles) = roles {
                required.push(self.roles(path, roles)?);
            }
            if let Some(required_claims) = required_claims {
                claims.extend(self.required_claims(path, required_claims)?);
            }
        }
        required.append(&mut claims);
        Some(required)
    }
}

/// Roles and required claims.
type Additions<'r> = (Option<&'r raw::Roles>, Option<&'r Vec<raw::RequiredClaim>>);

/// The issuers of an operation.
enum Alternatives<'r> {
    /// The entries of one `any_of`.
    Entries(&'r [raw::Alternative]),
    /// One, whose fields stand in the operation and in the defaults.
    Merged(raw::Alternative),
}

impl raw::Validate {
    const fn additions(&self) -> Additions<'_> {
        (self.roles.as_ref(), self.required_claims.as_ref())
    }

    /// Whether there is a field that belongs to one issuer.
    const fn names_an_issuer(&self) -> bool {
        self.issuer.is_some()
            || self.audiences.is_some()
            || self.client_application_ids.is_some()
            || self.backend_application_ids.is_some()
            || self.token_type.is_some()
    }

    /// The fields that belong to one issuer.
    fn alternative(&self) -> raw::Alternative {
        raw::Alternative {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            client_application_ids: self.client_application_ids.clone(),
            backend_application_ids: self.backend_application_ids.clone(),
            token_type: self.token_type,
            ..raw::Alternative::default()
        }
    }
}

impl raw::Alternative {
    /// These fields, and where one is not there, the other's.
    fn or(self, other: Self) -> Self {
        Self {
            issuer: self.issuer.or(other.issuer),
            audiences: self.audiences.or(other.audiences),
            client_application_ids: self.client_application_ids.or(other.client_application_ids),
            backend_application_ids: self.backend_application_ids.or(other.backend_application_ids),
            token_type: self.token_type.or(other.token_type),
            ..self
        }
    }
}
