//! The caller's token: found in its place, and taken out of it.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use super::query::{Parameter, Repeated, only_item, parameter};
use super::{Edits, RequestHead};
use crate::config::{InboundToken, Scheme, TokenHandling, TokenPlace};
use crate::header_name::HeaderName;
use crate::jwt::{MAX_TOKEN_BYTES, Rejection};
use crate::keys::Decrypted;
use crate::refusal::Reason;

/// How much may stand beside a token that is taken out of a query, a cookie or a list: a request that waits keeps it.
const MAX_REST_BYTES: usize = 16 * 1024;

/// What a caller shows.
#[derive(Default)]
pub(super) enum Credentials<'h> {
    #[default]
    None,
    Token(Shown<'h>),
    /// Not acceptable, whatever the operation says about tokens.
    Unacceptable(Reason),
}

impl Credentials<'_> {
    /// The same, for a request that waits.
    pub(super) fn kept(self) -> Credentials<'static> {
        match self {
            Self::None => Credentials::None,
            Self::Token(Shown { token, decrypted }) => {
                Credentials::Token(Shown { token: Cow::Owned(token.into_owned()), decrypted })
            }
            Self::Unacceptable(reason) => Credentials::Unacceptable(reason),
        }
    }
}

/// A token as it came, which is never printed: there is no `Debug` for it.
pub(super) struct Shown<'h> {
    /// At most [`MAX_TOKEN_BYTES`].
    pub(super) token: Cow<'h, [u8]>,
    /// What was in it, where it is encrypted and was opened: a request that waits does that once.
    pub(super) decrypted: Option<Rc<Decrypted>>,
}

/// A token as it stands in a request, and the change that takes it away.
struct Found<'h> {
    token: Cow<'h, [u8]>,
    taken: Taken,
}

/// What is left where the token stood.
enum Taken {
    Header(HeaderName, Option<HeaderValue>),
    Path(HeaderValue),
}

/// Reads the token that an operation wants to see. Into `edits` goes what becomes of it when the request goes on.
pub(super) fn credentials<'h>(
    handling: &TokenHandling,
    head: &RequestHead<'h>,
    edits: &mut Edits,
) -> Credentials<'h> {
    match read(handling, head, edits) {
        Ok(Some(token)) => Credentials::Token(Shown { token, decrypted: None }),
        Ok(None) => Credentials::None,
        Err(reason) => Credentials::Unacceptable(reason),
    }
}

fn read<'h>(
    handling: &TokenHandling,
    head: &RequestHead<'h>,
    edits: &mut Edits,
) -> Result<Option<Cow<'h, [u8]>>, Reason> {
    let found = match &handling.place {
        TokenPlace::Header { name, scheme } => in_header(head, name, *scheme),
        TokenPlace::Query(name) => in_query(head, name),
        TokenPlace::Cookie(name) => in_list(head, HeaderName::COOKIE, ';', |item| in_cookie(item, name)),
        TokenPlace::WebSocketProtocol(prefix) => {
            in_list(head, HeaderName::SEC_WEBSOCKET_PROTOCOL, ',', |item| in_protocol(item, prefix))
        }
    };
    let Some(Found { token, taken }) = found? else { return Ok(None) };
    if shows_another(&handling.place, head) {
        return Err(Reason::TokenMultiple);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Reason::Token(Rejection::TooLarge));
    }
    hand_on(&handling.inbound, &token, taken, edits)?;
    Ok(Some(token))
}

/// A request shows one token in one way (RFC 6750, section 2): with another one in `Authorization`, the backend could
/// believe that, which nobody has checked.
fn shows_another(place: &TokenPlace, head: &RequestHead<'_>) -> bool {
    let is_there = place.is_header(HeaderName::AUTHORIZATION.as_str().as_bytes());
    !is_there && head.all(HeaderName::AUTHORIZATION.as_str()).any(|value| after_bearer(value).is_some())
}

/// Makes the changes that `inbound` wants.
fn hand_on(inbound: &InboundToken, token: &[u8], taken: Taken, edits: &mut Edits) -> Result<(), Reason> {
    if *inbound == InboundToken::Forward {
        return Ok(());
    }
    match taken {
        Taken::Path(path) if path.len() <= MAX_REST_BYTES => edits.set_path(path),
        Taken::Header(name, Some(rest)) if rest.len() <= MAX_REST_BYTES => edits.set(name, rest),
        Taken::Header(name, None) => edits.remove(name),
        Taken::Path(_) | Taken::Header(_, Some(_)) => return Err(Reason::Token(Rejection::TooLarge)),
    }
    if let InboundToken::MoveTo(name) = inbound {
        let scheme = if *name == HeaderName::AUTHORIZATION { "Bearer " } else { "" };
        let malformed = Reason::Token(Rejection::Malformed);
        let token = std::str::from_utf8(token).map_err(|_| malformed)?;
        edits.set(name.clone(), HeaderValue::try_from([scheme, token].concat()).map_err(|_| malformed)?);
    }
    Ok(())
}

/// What stands behind `Bearer` and one or more spaces (RFC 6750, section 2.1).
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    let spaces = token.iter().take_while(|byte| **byte == b' ').count();
    token.get(spaces..).filter(|_| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn in_header<'h>(
    head: &RequestHead<'h>,
    name: &HeaderName,
    scheme: Scheme,
) -> Result<Option<Found<'h>>, Reason> {
    let mut values = head.all(name.as_str());
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::TokenMultiple);
    }
    let token = match (after_bearer(value), scheme) {
        (Some(token), Scheme::Bearer | Scheme::Optional) => token,
        // A token holds no space; what does is a scheme with its credentials.
        (None, Scheme::Optional | Scheme::None) if !value.contains(&b' ') => value,
        _ => return Err(Reason::SchemeNotAllowed),
    };
    Ok(Some(Found { token: Cow::Borrowed(token), taken: Taken::Header(name.clone(), None) }))
}

fn in_query<'h>(head: &RequestHead<'h>, name: &str) -> Result<Option<Found<'h>>, Reason> {
    let found = parameter(head.first(":path"), name).map_err(|Repeated| Reason::TokenMultiple)?;
    let Some(Parameter { value, rest }) = found else { return Ok(None) };
    let rest = HeaderValue::from_bytes(&rest).map_err(|_| Reason::Token(Rejection::Malformed))?;
    let token = value.ok_or(Reason::Token(Rejection::Malformed))?;
    Ok(Some(Found { token: Cow::Owned(token), taken: Taken::Path(rest) }))
}

/// The only item of a header with a list, which may be in several lines, that `token_of` finds a token in.
fn in_list<'h>(
    head: &RequestHead<'h>,
    header: HeaderName,
    divider: char,
    token_of: impl Fn(&[u8]) -> Option<Option<Vec<u8>>>,
) -> Result<Option<Found<'h>>, Reason> {
    let mut lines = head.all(header.as_str());
    let Some(first) = lines.next() else { return Ok(None) };
    let list = lines.fold(Cow::Borrowed(first), |list, line| {
        Cow::Owned([&list, format!("{divider} ").as_bytes(), line].concat())
    });
    let Some((token, rest)) = only_item(&list, |byte| char::from(byte) == divider, token_of)
        .map_err(|Repeated| Reason::TokenMultiple)?
    else {
        return Ok(None);
    };
    let rest = match rest.trim_ascii() {
        [] => None,
        rest => Some(HeaderValue::from_bytes(rest).map_err(|_| Reason::Token(Rejection::Malformed))?),
    };
    let token = Cow::Owned(token.ok_or(Reason::Token(Rejection::Malformed))?);
    Ok(Some(Found { token, taken: Taken::Header(header, rest) }))
}

/// `name=value` (RFC 6265, section 5.4).
fn in_cookie(item: &[u8], name: &str) -> Option<Option<Vec<u8>>> {
    let (key, value) = item.split_at(item.iter().position(|byte| *byte == b'=')?);
    let is_ours = key.trim_ascii() == name.as_bytes();
    is_ours.then(|| Some(value.get(1..).unwrap_or_default().trim_ascii().to_vec()))
}

fn in_protocol(item: &[u8], prefix: &str) -> Option<Option<Vec<u8>>> {
    item.trim_ascii().strip_prefix(prefix.as_bytes()).map(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
}
