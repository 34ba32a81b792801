//! One request's life: it is let pass, refused, or waits for keys or a token and is then looked at again.

use std::rc::Rc;
use std::time::Duration;

use crate::access::{CanonicalPath, Parameters, Permit, is_method};
use crate::calls::Purpose;
use crate::config::{Attachment, Configuration, Inbound, Operation, Validate};
use crate::jwt::{Claims, Rejection, UnverifiedToken, VerifiedToken, Verifier};
use crate::keys::{self, Lookup};
use crate::observe::Counter;
use crate::refusal::{Reason, Refusal};
use crate::secret::SecretString;
use crate::state::{State, StreamId};
use crate::time::{Monotonic, Now};
use crate::tokens::Get;
use crate::verdicts::Verdict;

/// The head of a request: its headers in order, as bytes, repeated ones repeated.
pub struct RequestHead<'h> {
    headers: &'h [(&'h [u8], &'h [u8])],
}

impl<'h> RequestHead<'h> {
    /// The head with these headers; names are in lower case, pseudo headers among them.
    pub const fn new(headers: &'h [(&'h [u8], &'h [u8])]) -> Self {
        Self { headers }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().filter(move |(header, _)| *header == name.as_bytes()).map(|(_, value)| *value)
    }

    fn first(&self, name: &str) -> &'h [u8] {
        self.all(name).next().unwrap_or_default()
    }
}

/// What happens to a request next.
#[derive(Debug)]
pub enum Step {
    /// It goes on to the backend, with these changes.
    Forward(Edits),
    /// It is answered here.
    Refuse(Refusal),
    /// It waits; the state knows for what, and names the stream when it is time to [`wake`] it.
    Wait(Box<Pending>),
}

/// Changes to a request's headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that are put in place of whatever is there.
    pub set: Vec<(&'static str, SecretString)>,
}

/// A request that waits: all that is needed to go on with it. It keeps the configuration that it began with.
pub struct Pending {
    configuration: Rc<Configuration>,
    operation: usize,
    method: String,
    /// The path's parameters; each is bounded in size, the template in their number.
    parameters: Parameters,
    caller: Caller,
    deadline: Monotonic,
    /// Whether it has been counted.
    counted: bool,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("operation", &self.operation)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// How far the caller's identity is settled.
enum Caller {
    /// Its token has not been checked.
    Unknown(Credentials),
    /// It may do this. The token, if any, is looked at again for its time.
    Permitted(Permit, Option<Rc<VerifiedToken>>),
}

/// What a caller shows.
enum Credentials {
    None,
    Token(SecretString),
    /// Not acceptable, whatever the operation says about tokens.
    Unacceptable(Reason),
}

/// Why a request cannot go on now.
enum Halt {
    Refuse(Reason),
    Wait(Purpose),
}

/// Looks at a request for the first time.
pub fn start<V: Verifier>(
    configuration: &Rc<Configuration>,
    state: &mut State<V>,
    stream: StreamId,
    head: &RequestHead<'_>,
    now: Now,
) -> Step {
    match operation(configuration, head) {
        Err(reason) => refuse(configuration, state, reason),
        Ok((operation, method, parameters)) => {
            let pending = Pending {
                configuration: Rc::clone(configuration),
                operation,
                method: method.to_owned(),
                parameters,
                caller: Caller::Unknown(credentials(head)),
                deadline: now.monotonic.after(configuration.wait),
                counted: false,
            };
            go_on(pending, state, stream, now)
        }
    }
}

/// The index of the first operation that a request matches, the request's method and its path's parameters.
fn operation<'h>(
    configuration: &Configuration,
    head: &RequestHead<'h>,
) -> Result<(usize, &'h str, Parameters), Reason> {
    let method = std::str::from_utf8(head.first(":method")).ok().filter(|method| is_method(method));
    let method = method.ok_or(Reason::MethodInvalid)?;
    let path = CanonicalPath::read(head.first(":path")).map_err(Reason::PathAmbiguous)?;
    let mut operations = configuration.operations.iter().enumerate();
    let found = operations.find(|(_, operation)| operation.matcher.matches(method, &path));
    let (index, operation) = found.ok_or(Reason::OperationNotFound)?;
    Ok((index, method, operation.matcher.path.parameters(&path)))
}

/// Looks at a waiting request again.
pub fn wake<V: Verifier>(pending: Pending, state: &mut State<V>, stream: StreamId, now: Now) -> Step {
    go_on(pending, state, stream, now)
}

fn go_on<V: Verifier>(mut pending: Pending, state: &mut State<V>, stream: StreamId, now: Now) -> Step {
    let configuration = Rc::clone(&pending.configuration);
    let Some(operation) = configuration.operations.get(pending.operation) else {
        return refuse(&configuration, state, Reason::Internal);
    };
    let halt = match advance(&mut pending, operation, state, now) {
        Ok(edits) => {
            state.counters.count(Counter::Forwarded);
            return Step::Forward(edits);
        }
        Err(halt) => halt,
    };
    match halt {
        Halt::Refuse(reason) => refuse(&configuration, state, reason),
        Halt::Wait(purpose) => {
            let late = pending.deadline <= now.monotonic;
            if late || !state.waiting.add(stream, purpose, pending.deadline) {
                return refuse(&configuration, state, unavailable(purpose));
            }
            if !std::mem::replace(&mut pending.counted, true) {
                state.counters.count(Counter::Waited);
            }
            Step::Wait(Box::new(pending))
        }
    }
}

const fn unavailable(purpose: Purpose) -> Reason {
    match purpose {
        Purpose::Keys(_) => Reason::KeysUnavailable(Duration::ZERO),
        Purpose::Token(_) => Reason::TokenUnavailable(Duration::ZERO),
    }
}

fn refuse<V: Verifier>(configuration: &Configuration, state: &mut State<V>, reason: Reason) -> Step {
    state.counters.count(Counter::Refused(reason.code()));
    Step::Refuse(Refusal::new(reason, &configuration.on_failure))
}

/// Goes as far as can be gone now: first the caller, then the tokens for the backend.
fn advance<V: Verifier>(
    pending: &mut Pending,
    operation: &Operation,
    state: &mut State<V>,
    now: Now,
) -> Result<Edits, Halt> {
    if let Caller::Unknown(credentials) = &pending.caller {
        let (permit, token) =
            admit(&operation.inbound, &pending.method, &pending.parameters, credentials, state, now)?;
        pending.caller = Caller::Permitted(permit, token);
    }
    let Caller::Permitted(permit, token) = &pending.caller else {
        return Err(Halt::Refuse(Reason::Internal));
    };
    // It may have ended while the request waited for the backend's token.
    if let (Inbound::Validate(validate), Some(token)) = (&operation.inbound, token) {
        token.claims().check_time(&validate.time, now.wall).map_err(rejected)?;
    }
    attach(permit, &operation.attachments, state, now)
}

const fn rejected(rejection: Rejection) -> Halt {
    Halt::Refuse(Reason::Token(rejection))
}

fn admit<V: Verifier>(
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

/// Gets the backend's tokens, all of them asked for before the first is waited for.
fn attach<V: Verifier>(
    _: &Permit,
    attachments: &[Attachment],
    state: &mut State<V>,
    now: Now,
) -> Result<Edits, Halt> {
    let mut edits = Edits::default();
    let mut halt = None;
    for attachment in attachments {
        match state.tokens.get(&attachment.token, now) {
            Get::Token(token) => {
                let value = SecretString::new(format!("Bearer {}", token.expose()));
                edits.set.push(("authorization", value));
            }
            Get::Unavailable(wait) => halt = Some(Halt::Refuse(Reason::TokenUnavailable(wait))),
            Get::Wait => {
                halt.get_or_insert(Halt::Wait(Purpose::Token(attachment.token.fingerprint)));
            }
        }
    }
    halt.map_or(Ok(edits), Err)
}

/// Reads `Authorization`: `Bearer`, one or more spaces, a token (RFC 6750, section 2.1).
fn credentials(head: &RequestHead<'_>) -> Credentials {
    let mut values = head.all("authorization");
    let Some(value) = values.next() else { return Credentials::None };
    if values.next().is_some() {
        return Credentials::Unacceptable(Reason::TokenMultiple);
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return Credentials::Unacceptable(Reason::Token(Rejection::Malformed));
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Credentials::Token(SecretString::new(token.trim_start_matches(' ').to_owned()))
        }
        _ => Credentials::Unacceptable(Reason::SchemeNotAllowed),
    }
}

#[cfg(test)]
mod tests;
