//! Who the caller is and whether it may do this: its token is checked, or remembered.

use std::rc::Rc;
use std::time::Duration;

use http::Method;

use super::credentials::{Credentials, Shown};
use super::decrypt::{decrypt, is_encrypted, opens};
use super::{Halt, rejected};
use crate::access::{Parameters, Permit};
use crate::calls::Purpose;
use crate::config::{Alternative, Inbound, Validate};
use crate::fingerprint::Fingerprint;
use crate::jwt::{Algorithm, Claims, Rejection, SymmetricKey, UnverifiedToken, VerifiedToken, Verifier};
use crate::keys::{Decrypted, Definition, KeySource, Keys, Lookup, SharedKeys};
use crate::observe::Counter;
use crate::refusal::Reason;
use crate::secrets;
use crate::state::State;
use crate::time::Now;
use crate::verdicts::Verdict;

/// What a caller asks for.
#[derive(Clone, Copy)]
pub(super) struct Request<'r> {
    pub method: &'r Method,
    pub parameters: &'r Parameters,
}

impl<'r> Request<'r> {
    /// What a permit may be remembered for: the method, where nothing of the path was compared with anything.
    fn without_parameters(self) -> Option<&'r Method> {
        self.parameters.is_empty().then_some(self.method)
    }
}

pub(super) fn admit<V: Verifier>(
    inbound: &Inbound,
    request: Request<'_>,
    credentials: &mut Credentials<'_>,
    state: &mut State<V>,
    now: Now,
) -> Result<(Permit, Option<Rc<VerifiedToken>>), Halt> {
    let validate = match inbound {
        Inbound::Anonymous => return Ok((Permit::without_identity(), None)),
        Inbound::Validate(validate) => validate,
    };
    match credentials {
        Credentials::None if validate.optional => Ok((Permit::without_identity(), None)),
        Credentials::None => Err(Halt::Refuse(Reason::TokenMissing)),
        Credentials::Unacceptable(reason) => Err(Halt::Refuse(*reason)),
        Credentials::Token(token) => {
            let (permit, token) = authenticate(validate, request, token, state, now)?;
            Ok((permit, Some(token)))
        }
    }
}

/// Why an issuer's rules do not let a token pass, and how far it came: what is told of several is the last.
struct Miss {
    stage: Stage,
    halt: Halt,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Issuer,
    Algorithm,
    Audience,
    /// The issuer may be the token's, but its keys are not to be had now.
    Unavailable,
    /// The same, and they are about to come.
    Loading,
    Key,
    Caller,
    /// The issuer is the token's, and may accept it after a while.
    Later,
}

impl Stage {
    const fn refuse(self, rejection: Rejection) -> Miss {
        Miss { stage: self, halt: rejected(rejection) }
    }
}

/// Lets the token pass that one of the issuers signed and whose rules it meets.
fn authenticate<V: Verifier>(
    validate: &Rc<Validate>,
    request: Request<'_>,
    shown: &mut Shown<'_>,
    state: &mut State<V>,
    now: Now,
) -> Result<(Permit, Rc<VerifiedToken>), Halt> {
    let mut token = Presented::new(validate, shown, state, now)?;
    token.claims().map_err(rejected)?.check_time(&validate.time, now.wall).map_err(rejected)?;
    if let Some(verdict) = &token.verdict {
        state.counters.count(Counter::Remembered);
        let permit = request.without_parameters().and_then(|method| verdict.permit(validate, method));
        if let Some(permit) = permit {
            return Ok((permit, Rc::clone(&verdict.token)));
        }
    }
    let mut last = Stage::Issuer.refuse(Rejection::IssuerNotAllowed);
    for alternative in &validate.any_of {
        let verified = match token.verify(alternative, state, now) {
            Ok(verified) => verified,
            Err(miss) => {
                last = if miss.stage >= last.stage { miss } else { last };
                continue;
            }
        };
        match Permit::for_caller(&alternative.callers, request.method.as_str(), request.parameters, &verified)
        {
            Ok(permit) => {
                token.note(permit, validate, request, &verified);
                return Ok((permit, verified));
            }
            Err(denied) if last.stage <= Stage::Caller => {
                last = Miss { stage: Stage::Caller, halt: Halt::Deny(denied, verified) };
            }
            Err(_) => {}
        }
    }
    Err(last.halt)
}

/// A token as it came, and what is known about it.
struct Presented<'t> {
    bytes: &'t [u8],
    /// What was in it, where it is encrypted.
    decrypted: Option<&'t Rc<Decrypted>>,
    /// An issuer has signed it.
    verdict: Option<Rc<Verdict>>,
    /// It is well formed.
    unverified: Option<UnverifiedToken<'t>>,
    /// The sets of keys that have not signed it.
    refuted: Vec<(Fingerprint, Rejection)>,
}

impl<'t> Presented<'t> {
    fn new<V: Verifier>(
        validate: &Validate,
        shown: &'t mut Shown<'_>,
        state: &mut State<V>,
        now: Now,
    ) -> Result<Self, Halt> {
        let bytes = &*shown.token;
        let verdict = remember(validate, bytes, state, now);
        if is_encrypted(validate, bytes) {
            let text = text(bytes).map_err(rejected)?;
            let known = verdict.as_ref().and_then(|verdict| verdict.decrypted.clone());
            let known = known.or_else(|| shown.decrypted.take());
            shown.decrypted = Some(known.map_or_else(|| decrypt(validate, text, state, now), Ok)?);
        }
        let decrypted = shown.decrypted.as_ref();
        Ok(Self { bytes, decrypted, verdict, unverified: None, refuted: Vec::new() })
    }

    /// Remembers what was permitted, if it is the remembered token that was.
    fn note(&self, permit: Permit, rules: &Rc<Validate>, request: Request<'_>, verified: &Rc<VerifiedToken>) {
        let verdict = self.verdict.as_ref().filter(|verdict| Rc::ptr_eq(&verdict.token, verified));
        if let (Some(verdict), Some(method)) = (verdict, request.without_parameters()) {
            verdict.note(permit, rules, method);
        }
    }

    /// The token that an issuer may have signed.
    fn signed(&self) -> Result<&'t str, Rejection> {
        self.decrypted.map_or_else(|| text(self.bytes), |decrypted| Ok(decrypted.text.expose()))
    }

    /// The token, with nothing proved.
    fn parsed(&mut self) -> Result<UnverifiedToken<'t>, Rejection> {
        self.unverified.take().map_or_else(|| UnverifiedToken::parse(self.signed()?), Ok)
    }

    fn claims(&mut self) -> Result<&Claims, Rejection> {
        if self.verdict.is_none() {
            self.unverified = Some(self.parsed()?);
        }
        match (&self.verdict, &self.unverified) {
            (Some(verdict), _) => Ok(verdict.token.claims()),
            (None, Some(token)) => Ok(token.claims()),
            (None, None) => Err(Rejection::Malformed),
        }
    }

    /// What the issuer signed, if it did. What costs nothing comes first, so that no unsigned token causes a call or
    /// a signature check that its own claims already rule out.
    fn verify<V: Verifier>(
        &mut self,
        alternative: &Alternative,
        state: &mut State<V>,
        now: Now,
    ) -> Result<Rc<VerifiedToken>, Miss> {
        let claims = self.claims().map_err(|rejection| Stage::Issuer.refuse(rejection))?;
        let keys = alternative.issuer.keys_for(claims);
        let keys = keys.map_err(|rejection| Stage::Issuer.refuse(rejection))?;
        if !alternative.audiences.accept(&claims.audiences()) {
            return Err(Stage::Audience.refuse(Rejection::AudienceNotAllowed));
        }
        match (keys, &self.verdict) {
            (KeySource::Shared(keys), _) => self.check_code(keys, state, now),
            (KeySource::Public(definition), Some(verdict)) if verdict.issuer == definition.fingerprint => {
                Ok(Rc::clone(&verdict.token))
            }
            (KeySource::Public(definition), _) => self.check_signature(definition, state, now),
        }
    }

    /// Checks the code of a key that is shared. It takes no longer than to remember it, and what was remembered would
    /// have to be forgotten when the key changes.
    fn check_code<V: Verifier>(
        &mut self,
        keys: &SharedKeys,
        state: &mut State<V>,
        now: Now,
    ) -> Result<Rc<VerifiedToken>, Miss> {
        let token = self.parsed().map_err(|rejection| Stage::Issuer.refuse(rejection))?;
        match shared_key(&token, keys, state, now) {
            Ok((algorithm, key)) => token
                .verify_with_shared_key(algorithm, &key)
                .map(Rc::new)
                .map_err(|rejection| Stage::Key.refuse(rejection)),
            Err(miss) => {
                self.unverified = Some(token);
                Err(miss)
            }
        }
    }

    fn check_signature<V: Verifier>(
        &mut self,
        definition: &Rc<Definition>,
        state: &mut State<V>,
        now: Now,
    ) -> Result<Rc<VerifiedToken>, Miss> {
        if let Some((_, rejection)) = self.refuted.iter().find(|(of, _)| *of == definition.fingerprint) {
            return Err(Stage::Key.refuse(*rejection));
        }
        let token = self.parsed().map_err(|rejection| Stage::Issuer.refuse(rejection))?;
        let State { keys, verifier, slow_checks, counters, .. } = state;
        let (algorithm, key) = match signing_key(&token, definition, keys, verifier, now) {
            Ok((algorithm, _)) if verifier.is_slow(algorithm) && !slow_checks.spend(now.monotonic) => {
                self.unverified = Some(token);
                return Err(Miss { stage: Stage::Later, halt: Halt::Refuse(Reason::KeysBusy) });
            }
            Ok(found) => found,
            Err(miss) => {
                self.unverified = Some(token);
                return Err(miss);
            }
        };
        counters.count(Counter::NotRemembered);
        let verified = token.verify(algorithm, key, verifier).map_err(|rejection| {
            self.refuted.push((definition.fingerprint, rejection));
            Stage::Key.refuse(rejection)
        })?;
        let verified = Rc::new(verified);
        if let Some(generation) = keys.generation(definition, now) {
            let issuer = definition.fingerprint;
            let decrypted = self.decrypted.map(Rc::clone);
            let verdict = Rc::new(Verdict::new(Rc::clone(&verified), issuer, generation, decrypted));
            state.verdicts.insert(self.bytes, Rc::clone(&verdict));
            self.verdict = Some(verdict);
        }
        Ok(verified)
    }
}

fn text(token: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(token).map_err(|_| Rejection::Malformed)
}

/// The key that must have signed a token, if it is a token of this issuer, and the algorithm.
fn signing_key<'k, V: Verifier>(
    token: &UnverifiedToken<'_>,
    definition: &Rc<Definition>,
    keys: &'k mut Keys<V>,
    verifier: &V,
    now: Now,
) -> Result<(Algorithm, &'k V::Key), Miss> {
    let algorithm = token.algorithm(&definition.algorithms);
    let algorithm = algorithm.map_err(|rejection| Stage::Algorithm.refuse(rejection))?;
    let not_allowed = Stage::Issuer.refuse(Rejection::IssuerNotAllowed);
    let Some(issuer) = token.claims().issuer() else { return Err(not_allowed) };
    match keys.is_issuer(definition, issuer, verifier, now) {
        Lookup::Found(()) => {}
        Lookup::NotFound => return Err(not_allowed),
        Lookup::Wait => return Err(wait_for(definition, Stage::Loading)),
        Lookup::Unavailable(wait) => return Err(unavailable(wait, Stage::Unavailable)),
    }
    match keys.key(definition, issuer, token.key_id(), algorithm, verifier, now) {
        Lookup::Found(key) => Ok((algorithm, key)),
        Lookup::NotFound => Err(Stage::Key.refuse(Rejection::KeyNotFound)),
        Lookup::Wait => Err(wait_for(definition, Stage::Later)),
        Lookup::Unavailable(wait) => Err(unavailable(wait, Stage::Later)),
    }
}

/// The same among keys that are shared.
fn shared_key<V: Verifier>(
    token: &UnverifiedToken<'_>,
    keys: &SharedKeys,
    state: &mut State<V>,
    now: Now,
) -> Result<(Algorithm, SymmetricKey), Miss> {
    let algorithm = token.algorithm(&keys.algorithms);
    let algorithm = algorithm.map_err(|rejection| Stage::Algorithm.refuse(rejection))?;
    if token.claims().issuer() != Some(keys.issuer.as_str()) {
        return Err(Stage::Issuer.refuse(Rejection::IssuerNotAllowed));
    }
    let Some(secret) = keys.find(token.key_id()) else {
        return Err(Stage::Key.refuse(Rejection::KeyNotFound));
    };
    let halt = match state.secrets.get(secret, now) {
        secrets::Get::Value(value) => match SymmetricKey::from_base64(value, &[algorithm]) {
            Ok(key) => return Ok((algorithm, key)),
            Err(_) => {
                state.counters.count(Counter::KeysFailed("unusable"));
                Halt::Refuse(Reason::SecretUnavailable(Duration::ZERO))
            }
        },
        secrets::Get::Wait => Halt::Wait(Purpose::Secret(secret.fingerprint)),
        secrets::Get::Unavailable(wait) => Halt::Refuse(Reason::SecretUnavailable(wait)),
    };
    Err(Miss { stage: Stage::Later, halt })
}

const fn wait_for(definition: &Definition, stage: Stage) -> Miss {
    Miss { stage, halt: Halt::Wait(Purpose::Keys(definition.fingerprint)) }
}

const fn unavailable(wait: Duration, stage: Stage) -> Miss {
    Miss { stage, halt: Halt::Refuse(Reason::KeysUnavailable(wait)) }
}

/// A token that was verified before, with a key that its issuer still has, where this operation trusts that
/// issuer.
fn remember<V: Verifier>(
    validate: &Validate,
    token: &[u8],
    state: &mut State<V>,
    now: Now,
) -> Option<Rc<Verdict>> {
    let verdict = Rc::clone(state.verdicts.get(token)?);
    let mut trusted = validate.any_of.iter().flat_map(|alternative| alternative.issuer.definitions());
    let definition = trusted.find(|definition| definition.fingerprint == verdict.issuer)?;
    // What an operation without decryption keys refuses is not accepted because another one has opened it.
    if !verdict.decrypted.as_ref().is_none_or(|decrypted| opens(validate, decrypted.key, state, now)) {
        return None;
    }
    let is_current = state.keys.generation(definition, now) == Some(verdict.generation);
    if is_current && verdict.token.claims().check_time(&validate.time, now.wall).is_ok() {
        return Some(verdict);
    }
    state.verdicts.remove(token);
    None
}
