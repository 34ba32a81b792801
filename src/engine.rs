//! One request's life: it is let pass, refused, or waits for keys or a token and is then looked at again.

mod attach;
mod attempt;
mod caller;
mod credentials;
mod decrypt;
mod disclosure;
mod edits;
mod head;
mod query;
mod refuse;
mod subscription;

use std::rc::Rc;
use std::time::Duration;

use http::Method;

use crate::access::{self, Ambiguities, CanonicalPath, Denied, Parameters, Permit, Target};
use crate::calls::Purpose;
use crate::config::{Configuration, Inbound, InboundToken, Operation, Position, TokenPlace};
use crate::header_name::HeaderName;
use crate::jwt::{Claims, Rejection, VerifiedToken, Verifier};
use crate::observe::Counter;
use crate::refusal::{Asked, Reason, Refusal};
use crate::refusal_log::{Outcome, Refused};
use crate::secret::SecretString;
use crate::state::{State, StreamId};
use crate::time::{Monotonic, Now};

pub use edits::{Edit, Edits};
pub use head::RequestHead;

use attach::{Originals, Patience, attach, done, stripped};
use caller::{Request, admit};
use credentials::{Credentials, credentials};
use disclosure::{disclose, remove, strip};
use refuse::By;
use subscription::shown;

/// What happens to a request next.
#[derive(Debug)]
pub enum Step {
    /// It goes on to the backend, with these changes.
    Forward(Edits),
    /// It goes on with these changes if the route that Envoy has chosen allows it: see [`Pending::depart`].
    ForwardTo(Edits, Box<Pending>),
    /// It is answered here.
    Refuse(Refusal),
    /// It waits; the state knows for what, and names the stream when it is time to [`wake`] it.
    Wait(Box<Pending>),
}

/// A request that waits: all that is needed to go on with it. It keeps the configuration that it began with.
pub struct Pending {
    configuration: Rc<Configuration>,
    operation: usize,
    method: Method,
    /// The path's parameters; each is bounded in size, the template in their number.
    parameters: Parameters,
    /// The subscription key that it shows, as long as it has not been checked.
    key: Option<SecretString>,
    /// What the caller shows, while the request waits and that has not been checked.
    credentials: Credentials<'static>,
    caller: Caller,
    /// What becomes of the caller's headers that the operation's attachments want to write.
    originals: Originals,
    /// What was decided on the head of the request.
    edits: Edits,
    deadline: Monotonic,
    /// Whether it has been counted.
    counted: bool,
    asked: Asked,
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
    Unknown,
    /// It may do this. The token, if any, is looked at again for its time.
    Permitted(Permit, Option<Rc<VerifiedToken>>),
}

/// Why a request cannot go on now.
enum Halt {
    Refuse(Reason),
    /// The caller is known, but may not do this.
    Deny(Denied, Rc<VerifiedToken>),
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
    let asked = Asked { is_grpc: head.is_grpc() };
    match operation(configuration, head) {
        Err(Reason::OperationNotFound) if configuration.position == Position::Upstream => {
            state.counters.count(Counter::Forwarded);
            Step::Forward(Edits::default())
        }
        Err(reason) => {
            let by = By { configuration, operation: None, asked };
            Step::Refuse(by.refuse(reason, None, state))
        }
        Ok((index, operation, method, parameters)) => {
            let Seen { credentials, key, edits } = match look(configuration, operation, head) {
                Ok(seen) => seen,
                Err(reason) => {
                    let by = By { configuration, operation: Some((index, operation)), asked };
                    return Step::Refuse(by.refuse(reason, None, state));
                }
            };
            let pending = Pending {
                configuration: Rc::clone(configuration),
                operation: index,
                method,
                parameters,
                key,
                credentials: Credentials::None,
                caller: Caller::Unknown,
                edits,
                originals: Originals::read(operation, head),
                deadline: now.monotonic.after(configuration.wait),
                counted: false,
                asked,
            };
            go_on(pending, credentials, state, stream, now)
        }
    }
}

/// The first operation that a request matches and its index, the request's method and its path's parameters.
fn operation<'c>(
    configuration: &'c Configuration,
    head: &RequestHead<'_>,
) -> Result<(usize, &'c Operation, Method, Parameters), Reason> {
    let method = access::method(head.first(":method")).ok_or(Reason::MethodInvalid)?;
    // What is ambiguous goes on only to an operation that allows it.
    let path = CanonicalPath::read_allowing(Ambiguities::ALL, head.first(":path"));
    let path = path.map_err(Reason::PathAmbiguous)?;
    // It is read only where it makes a difference.
    let have_hosts = configuration.operations.have_hosts();
    let host = have_hosts.then(|| Target::host_of(head.first(":authority"))).flatten();
    if host.is_none() && have_hosts {
        return Err(Reason::HostInvalid);
    }
    let target = Target { method: method.as_str(), host, path, is_cors_preflight: head.is_cors_preflight() };
    let found = configuration.operations.find(&target);
    let not_found = || target.path.ambiguous().map_or(Reason::OperationNotFound, Reason::PathAmbiguous);
    let (index, operation) = found.ok_or_else(not_found)?;
    let parameters = operation.matcher.path.parameters(&target.path);
    Ok((index, operation, method, parameters))
}

/// The index of the operation that a request matches, for those who explain a decision.
pub fn matched(configuration: &Configuration, head: &RequestHead<'_>) -> Option<usize> {
    operation(configuration, head).ok().map(|(index, ..)| index)
}

/// What an operation wants to see of a request.
struct Seen<'h> {
    credentials: Credentials<'h>,
    key: Option<SecretString>,
    /// What it wants away.
    edits: Edits,
}

/// Looks at the head of a request for what its operation wants to see there.
fn look<'h>(
    configuration: &Configuration,
    operation: &Operation,
    head: &RequestHead<'h>,
) -> Result<Seen<'h>, Reason> {
    let validate = match &operation.inbound {
        Inbound::Anonymous => None,
        Inbound::Validate(validate) => Some(&**validate),
    };
    let mut edits = Edits::default();
    if head.last_attempt().is_none() {
        strip(&configuration.gateway_headers, operation, head, &mut edits)?;
    }
    let credentials = match validate {
        Some(validate) => credentials(&validate.handling, head, &mut edits),
        None => Credentials::None,
    };
    let key = match &operation.subscription {
        Some(rule) => Some(shown(rule, head, &mut edits)?),
        None => None,
    };
    for (index, header) in operation.required_headers.iter().enumerate() {
        let values = head.all(header.name.as_str());
        header.check(values).map_err(|denied| Reason::Header { denied, index })?;
    }
    remove(&operation.headers.remove, head, &mut edits);
    Ok(Seen { credentials, key, edits })
}

/// Looks at a waiting request again.
pub fn wake<V: Verifier>(mut pending: Pending, state: &mut State<V>, stream: StreamId, now: Now) -> Step {
    let credentials = std::mem::take(&mut pending.credentials);
    go_on(pending, credentials, state, stream, now)
}

impl Pending {
    /// Headers of the caller that go at once, whatever the request waits for.
    pub fn stripped(&self) -> impl Iterator<Item = &HeaderName> {
        let operation = self.configuration.operations.get(self.operation);
        operation.into_iter().flat_map(|operation| stripped(operation, &self.originals))
    }

    /// Whether a request may go to `destination`, Envoy's cluster, with what is attached to it: see
    /// [`Step::ForwardTo`].
    ///
    /// # Errors
    /// The refusal.
    pub fn depart<V: Verifier>(
        &self,
        edits: &Edits,
        destination: Option<&[u8]>,
        state: &mut State<V>,
    ) -> Result<(), Refusal> {
        if destination.is_some_and(|cluster| edits.may_go_to(cluster)) {
            state.counters.count(Counter::Forwarded);
            return Ok(());
        }
        let by = By::number(&self.configuration, self.operation, self.asked);
        Err(by.refuse(Reason::DestinationNotAllowed, None, state))
    }
}

fn go_on<V: Verifier>(
    mut pending: Pending,
    mut credentials: Credentials<'_>,
    state: &mut State<V>,
    stream: StreamId,
    now: Now,
) -> Step {
    let configuration = Rc::clone(&pending.configuration);
    let by = By::number(&configuration, pending.operation, pending.asked);
    let Some((_, operation)) = by.operation else {
        return Step::Refuse(by.refuse(Reason::Internal, None, state));
    };
    let decided = match advance(&mut pending, &mut credentials, operation, state, Patience::Left, now) {
        Err(Halt::Wait(purpose)) => {
            let late = pending.deadline <= now.monotonic;
            if !late && state.waiting.add(stream, purpose, pending.deadline) {
                if !std::mem::replace(&mut pending.counted, true) {
                    state.counters.count(Counter::Waited);
                }
                pending.credentials = credentials.kept();
                return Step::Wait(Box::new(pending));
            }
            advance(&mut pending, &mut credentials, operation, state, Patience::Over, now)
        }
        decided => decided,
    };
    match decided {
        Ok(edits) if edits.is_restricted() => Step::ForwardTo(edits, Box::new(pending)),
        Ok(edits) => {
            state.counters.count(Counter::Forwarded);
            Step::Forward(edits)
        }
        Err(halt) => {
            let (reason, caller) = halt.reason();
            Step::Refuse(by.refuse(reason, caller, state))
        }
    }
}

const fn unavailable(purpose: Purpose) -> Reason {
    match purpose {
        Purpose::Keys(_) => Reason::KeysUnavailable(Duration::ZERO),
        Purpose::Token(_) => Reason::TokenUnavailable(Duration::ZERO),
        Purpose::Secret(_) => Reason::SecretUnavailable(Duration::ZERO),
    }
}

impl Halt {
    /// Why the request is refused if it cannot go on later, and the caller's claims if they were verified.
    fn reason(&self) -> (Reason, Option<&Claims>) {
        match self {
            Self::Refuse(reason) => (*reason, None),
            Self::Deny(denied, token) => (Reason::Denied(*denied), Some(token.claims())),
            Self::Wait(purpose) => (unavailable(*purpose), None),
        }
    }
}

/// Goes as far as can be gone now: first the caller, then the tokens for the backend.
fn advance<V: Verifier>(
    pending: &mut Pending,
    credentials: &mut Credentials<'_>,
    operation: &Operation,
    state: &mut State<V>,
    patience: Patience,
    now: Now,
) -> Result<Edits, Halt> {
    if let (Some(rule), Some(key)) = (&operation.subscription, &pending.key) {
        subscription::check(rule, key, state, now)?;
        pending.key = None;
    }
    if matches!(pending.caller, Caller::Unknown) {
        let request = Request { method: &pending.method, parameters: &pending.parameters };
        let (permit, token) = match admit(&operation.inbound, request, credentials, state, now) {
            Ok(admitted) => admitted,
            Err(Halt::Wait(purpose)) if patience == Patience::Left => return Err(Halt::Wait(purpose)),
            Err(halt) if operation.enforce => return Err(halt),
            Err(halt) => (only_report(pending, operation, &halt, state), None),
        };
        pending.caller = Caller::Permitted(permit, token);
        *credentials = Credentials::None;
    }
    let Caller::Permitted(permit, token) = &pending.caller else {
        return Err(Halt::Refuse(Reason::Internal));
    };
    // It may have ended while the request waited for the backend's token.
    if let (Inbound::Validate(validate), Some(token)) = (&operation.inbound, token) {
        token.claims().check_time(&validate.time, now.wall).map_err(rejected)?;
    }
    let attached = attach(permit, operation, &pending.originals, state, patience, now)?;
    let mut edits = std::mem::take(&mut pending.edits);
    for (name, value) in &operation.headers.set {
        edits.set(name.clone(), value.clone());
    }
    if let (Inbound::Validate(validate), Some(token)) = (&operation.inbound, token) {
        disclose(&validate.handling.disclosure, token.claims(), &mut edits, &mut state.counters);
    }
    edits.extend(attached);
    if pending.configuration.position == Position::Upstream {
        let note = attempt::note(done(operation, &pending.originals, state));
        edits.set_filter_state(Rc::clone(&pending.configuration.attempts), note);
    }
    Ok(edits)
}

/// Lets a request pass that an operation would refuse if it enforced. The backend gets no token in a place where it may
/// think that it was checked.
fn only_report<V: Verifier>(
    pending: &mut Pending,
    operation: &Operation,
    halt: &Halt,
    state: &mut State<V>,
) -> Permit {
    let (reason, caller) = halt.reason();
    state.note_refusal(&Refused {
        outcome: Outcome::OnlyReported,
        code: reason.code(),
        operation: Some(pending.operation),
        caller,
    });
    if let Inbound::Validate(validate) = &operation.inbound {
        let handling = &validate.handling;
        let target = match &handling.inbound {
            InboundToken::MoveTo(header) => Some(header),
            InboundToken::Forward | InboundToken::Remove => None,
        };
        let place = match &handling.place {
            TokenPlace::Header { name, .. } => Some(name),
            _ => None,
        };
        let gateway = &pending.configuration.gateway_headers;
        let place = place.filter(|name| gateway.covers(name.as_str().as_bytes()));
        for header in target.into_iter().chain(place) {
            pending.edits.remove(header.clone());
        }
    }
    Permit::without_identity()
}

const fn rejected(rejection: Rejection) -> Halt {
    Halt::Refuse(Reason::Token(rejection))
}

#[cfg(test)]
mod tests;
