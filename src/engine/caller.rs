//! Who the caller is and whether it may do this: its token is checked, or remembered.

use std::rc::Rc;

use super::head::Credentials;
use super::{Halt, rejected};
use crate::access::{Parameters, Permit};
use crate::calls::Purpose;
use crate::config::{Inbound, Validate};
use crate::jwt::{Claims, Rejection, UnverifiedToken, VerifiedToken, Verifier};
use crate::keys::{self, Lookup};
use crate::observe::Counter;
use crate::refusal::Reason;
use crate::state::State;
use crate::time::Now;
use crate::verdicts::Verdict;

pub(super) fn admit<V: Verifier>(
    inbound: &Inbound,
    method: &str,
    parameters: &Parameters,
    credentials: &Credentials,
    state: &mut State<V>,
    now: Now,
) -> Result<(Permit, Option<Rc<VerifiedToken>>), Halt> {
    let validate = match inbound {
        Inbound::Anonymous => return Ok((Permit::for_anonymous_operation(), None)),
        Inbound::Validate(validate) => validate,
    };
    let token = match credentials {
        Credentials::None => return Err(Halt::Refuse(Reason::TokenMissing)),
        Credentials::Unacceptable(reason) => return Err(Halt::Refuse(*reason)),
        Credentials::Token(token) => authenticate(validate, token.expose(), state, now)?,
    };
    let permit = Permit::for_caller(&validate.required, method, parameters, &token)
        .map_err(|denied| Halt::Refuse(Reason::Denied(denied)))?;
    Ok((permit, Some(token)))
}

/// Checks a token, or remembers it. Its time and audience are looked at either way.
fn authenticate<V: Verifier>(
    validate: &Validate,
    token: &str,
    state: &mut State<V>,
    now: Now,
) -> Result<Rc<VerifiedToken>, Halt> {
    let Some(verified) = remember(validate, token, state, now) else {
        return verify(validate, token, state, now);
    };
    check_claims(validate, verified.claims(), now)?;
    state.counters.count(Counter::Remembered);
    Ok(verified)
}

/// A token that was verified before, with a key that its issuer still has, where this operation trusts that
/// issuer.
fn remember<V: Verifier>(
    validate: &Validate,
    token: &str,
    state: &mut State<V>,
    now: Now,
) -> Option<Rc<VerifiedToken>> {
    let verdict = state.verdicts.get(token)?.clone();
    let definition = validate.issuers.iter().find(|issuer| issuer.fingerprint == verdict.issuer)?;
    let is_current = state.keys.generation(definition, now) == Some(verdict.generation);
    if is_current && verdict.token.claims().check_time(&validate.time, now.wall).is_ok() {
        return Some(verdict.token);
    }
    state.verdicts.remove(token);
    None
}

fn check_claims(validate: &Validate, claims: &Claims, now: Now) -> Result<(), Halt> {
    claims.check_time(&validate.time, now.wall).map_err(rejected)?;
    match validate.audiences.accept(claims.audiences()) {
        true => Ok(()),
        false => Err(rejected(Rejection::AudienceNotAllowed)),
    }
}

/// Checks a token: what costs nothing comes first, so that no unsigned token causes a call or a signature
/// check that its own claims already rule out.
fn verify<V: Verifier>(
    validate: &Validate,
    text: &str,
    state: &mut State<V>,
    now: Now,
) -> Result<Rc<VerifiedToken>, Halt> {
    let token = UnverifiedToken::parse(text).map_err(rejected)?;
    let claims = token.claims();
    let allowed: Vec<_> =
        validate.issuers.iter().flat_map(|issuer| issuer.algorithms.iter().copied()).collect();
    token.algorithm(&allowed).map_err(rejected)?;
    check_claims(validate, claims, now)?;
    let issuer = claims.issuer().ok_or_else(|| rejected(Rejection::IssuerNotAllowed))?;
    let definition = issuer_of(validate, issuer, state, now)?;
    let algorithm = token.algorithm(&definition.algorithms).map_err(rejected)?;
    let State { keys, verifier, slow_checks, .. } = state;
    let verified = match keys.key(definition, token.key_id(), algorithm, now) {
        Lookup::Found(_) if verifier.is_slow(algorithm) && !slow_checks.spend(now.monotonic) => {
            return Err(Halt::Refuse(Reason::KeysBusy));
        }
        Lookup::Found(key) => Rc::new(token.verify(algorithm, key, verifier).map_err(rejected)?),
        Lookup::NotFound => return Err(rejected(Rejection::KeyNotFound)),
        Lookup::Wait => return Err(Halt::Wait(Purpose::Keys(definition.fingerprint))),
        Lookup::Unavailable(wait) => return Err(Halt::Refuse(Reason::KeysUnavailable(wait))),
    };
    if let Some(generation) = keys.generation(definition, now) {
        let issuer = definition.fingerprint;
        state.verdicts.insert(text, Verdict { token: Rc::clone(&verified), issuer, generation });
    }
    Ok(verified)
}

/// The trusted issuer that calls itself `issuer`. While one of them is still loading it could be that one.
fn issuer_of<'v, V: Verifier>(
    validate: &'v Validate,
    issuer: &str,
    state: &mut State<V>,
    now: Now,
) -> Result<&'v Rc<keys::Definition>, Halt> {
    let mut halt = rejected(Rejection::IssuerNotAllowed);
    for definition in &validate.issuers {
        match state.keys.issuer(definition, now) {
            Lookup::Found(name) if name == issuer => return Ok(definition),
            Lookup::Wait => halt = Halt::Wait(Purpose::Keys(definition.fingerprint)),
            Lookup::Unavailable(wait) if !matches!(halt, Halt::Wait(_)) => {
                halt = Halt::Refuse(Reason::KeysUnavailable(wait));
            }
            _ => {}
        }
    }
    Err(halt)
}
