//! What the backend learns from the gateway, and from nobody else.

use super::{Edits, RequestHead};
use crate::access::ClaimValue;
use crate::config::{Disclosure, Existing, GatewayHeaders, Inbound, Operation, SubscriptionRule};
use crate::header_name::HeaderName;
use crate::jwt::Claims;
use crate::observe::{Counter, Counters};
use crate::refusal::Reason;

/// Takes away what the client sent in headers that only the gateway may write, but for those that the operation reads
/// from it: its token, and a credential of its own that is kept.
///
/// # Errors
/// [`Reason::Internal`] for a name that cannot be given to the host.
pub(super) fn strip(
    gateway: &GatewayHeaders,
    operation: &Operation,
    head: &RequestHead<'_>,
    edits: &mut Edits,
) -> Result<(), Reason> {
    if gateway.is_empty() {
        return Ok(());
    }
    for name in head.names().filter(|name| gateway.covers(name) && !is_read(operation, name)) {
        edits.remove(HeaderName::parse(name).ok_or(Reason::Internal)?);
    }
    Ok(())
}

fn is_read(operation: &Operation, name: &[u8]) -> bool {
    let is_place = match &operation.inbound {
        Inbound::Validate(validate) => validate.handling.place.is_header(name),
        Inbound::Anonymous => false,
    };
    let is_key = |rule: &SubscriptionRule| rule.forward && rule.header.as_str().as_bytes() == name;
    let kept = operation.attachments.iter().filter(|attachment| attachment.existing == Existing::Keep);
    is_place
        || operation.subscription.as_ref().is_some_and(is_key)
        || kept.map(|attachment| attachment.header.as_str()).any(|header| header.as_bytes() == name)
}

/// Takes away what the operation does not want of the client's headers.
pub(super) fn remove(names: &[HeaderName], head: &RequestHead<'_>, edits: &mut Edits) {
    for name in names {
        if head.all(name.as_str()).next().is_some() {
            edits.remove(name.clone());
        }
    }
}

/// Writes the claims that the backend and Envoy are to know.
pub(super) fn disclose(disclosure: &Disclosure, claims: &Claims, edits: &mut Edits, counters: &mut Counters) {
    let mut value = |claim: &ClaimValue| {
        claim.of(claims).unwrap_or_else(|_| {
            counters.count(Counter::ClaimOmitted);
            None
        })
    };
    for (claim, header) in &disclosure.headers {
        if let Some(value) = value(claim) {
            edits.set(header.clone(), value);
        }
    }
    for (claim, key) in &disclosure.filter_state {
        if let Some(value) = value(claim) {
            edits.set_filter_state(key.clone(), value);
        }
    }
}
