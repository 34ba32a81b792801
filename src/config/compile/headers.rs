//! Headers and filter state that an operation writes.

use std::collections::BTreeSet;
use std::rc::Rc;

use http::HeaderValue;

use super::Compiler;
use crate::access::{ClaimEncoding, ClaimValue};
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{Disclosure, Existing, GatewayHeaders, HeaderRules, Inbound, InboundToken, Operation};
use crate::header_name::HeaderName;

/// Headers that frame or route a request (RFC 9110, sections 7.2 and 7.6.1; RFC 9112, section 6; RFC 6455).
const FRAMING: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that clients send for HTTP's own sake (RFC 9110), so that one operation that sets them takes them from no
/// other.
const OF_CLIENTS: [&str; 20] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "prefer",
    "range",
    "referer",
    "user-agent",
];

impl Compiler {
    /// The name of a header that neither frames nor routes the request.
    pub(super) fn header_name(&mut self, path: &Path, text: &str) -> Option<HeaderName> {
        let Some(name) = HeaderName::parse(text.as_bytes()) else {
            let why = "not the name of a header: letters, digits and any of ``!#$%&'*+-.^_`|~``";
            return self.fault(path, FaultKind::Invalid(why));
        };
        if FRAMING.contains(&name.as_str()) {
            let why = "this header frames or routes the request: it is the connection's and Envoy's";
            return self.fault(path, FaultKind::Invalid(why));
        }
        Some(name)
    }

    /// The name of a header that the gateway may write.
    pub(super) fn written_header(&mut self, path: &Path, text: &str) -> Option<HeaderName> {
        let name = self.header_name(path, text)?;
        if [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION, HeaderName::COOKIE].contains(&name) {
            let why = "credentials stand there; they are put in by `attach`, and a caller's token is moved by \
                       `inbound_token`";
            return self.fault(path, FaultKind::Invalid(why));
        }
        let of_envoy = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-client-cert", "x-request-id"];
        if of_envoy.contains(&name.as_str()) || name.as_str().starts_with("x-envoy-") {
            let why = "Envoy writes and reads this header itself; choose another name";
            return self.fault(path, FaultKind::Invalid(why));
        }
        Some(name)
    }

    /// The name of a header that a caller's token may go to.
    pub(super) fn move_target(&mut self, path: &Path, text: &str) -> Option<HeaderName> {
        match text.eq_ignore_ascii_case(HeaderName::AUTHORIZATION.as_str()) {
            true => Some(HeaderName::AUTHORIZATION),
            false => self.written_header(path, text),
        }
    }

    pub(super) fn claims_to_headers(
        &mut self,
        path: &Path,
        raw: &[raw::ClaimToHeader],
    ) -> Option<Vec<(ClaimValue, HeaderName)>> {
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where no claim goes into a header"));
        }
        let compiled: Vec<_> = raw
            .iter()
            .enumerate()
            .map(|(index, raw)| {
                let path = path.item(index);
                let value = self.claim_value(&path, raw.claim.as_ref(), raw.path.as_ref(), raw.encoding);
                let header = self.written_header(&path.member("header"), &raw.header);
                Some((value?, header?))
            })
            .collect();
        compiled.into_iter().collect()
    }

    pub(super) fn claims_to_filter_state(
        &mut self,
        path: &Path,
        raw: &[raw::ClaimToFilterState],
    ) -> Option<Vec<(ClaimValue, Rc<str>)>> {
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where no claim goes into filter state"));
        }
        let mut keys = BTreeSet::new();
        let compiled: Vec<_> = raw
            .iter()
            .enumerate()
            .map(|(index, raw)| {
                let path = path.item(index);
                let value = self.claim_value(&path, raw.claim.as_ref(), raw.path.as_ref(), raw.encoding);
                let path = path.member("key");
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                if raw.key.is_empty() || !raw.key.bytes().all(plain) {
                    let why = "not a key: letters, digits, `-`, `.` and `_`; Envoy puts `wasm.` before it";
                    return self.fault(&path, FaultKind::Invalid(why));
                }
                if !keys.insert(raw.key.as_str()) {
                    return self
                        .fault(&path, FaultKind::Invalid("two claims have this key; each needs its own"));
                }
                Some((value?, raw.key.as_str().into()))
            })
            .collect();
        compiled.into_iter().collect()
    }

    fn claim_value(
        &mut self,
        path: &Path,
        name: Option<&String>,
        inner: Option<&Vec<String>>,
        encoding: Option<raw::ClaimEncoding>,
    ) -> Option<ClaimValue> {
        let claim = match (name, inner) {
            (Some(name), None) => self.text(&path.member("claim"), name.clone()).map(|name| vec![name]),
            (None, Some(names)) => self.words(
                &path.member("path"),
                names,
                "a claim's name, and the names within it, belong here",
            ),
            _ => self.not_exactly_one(path, &["claim", "path"]),
        };
        let encoding = match encoding.unwrap_or_default() {
            raw::ClaimEncoding::Text => ClaimEncoding::Text,
            raw::ClaimEncoding::JsonBase64url => ClaimEncoding::JsonBase64Url,
        };
        Some(ClaimValue { path: claim?, encoding })
    }

    /// What the backend and Envoy learn of a caller: what `own` says, or else `defaults`.
    pub(super) fn disclosure(
        &mut self,
        path: &Path,
        own: &raw::Validate,
        defaults: &raw::Validate,
    ) -> Option<Disclosure> {
        let headers = own.claims_to_headers.as_ref().or(defaults.claims_to_headers.as_ref());
        let filter_state = own.claims_to_filter_state.as_ref().or(defaults.claims_to_filter_state.as_ref());
        Some(Disclosure {
            headers: headers.map_or_else(|| Some(Vec::new()), |raw| self.claims_to_headers(path, raw))?,
            filter_state: filter_state
                .map_or_else(|| Some(Vec::new()), |raw| self.claims_to_filter_state(path, raw))?,
        })
    }

    pub(super) fn header_rules(&mut self, path: &Path, raw: Option<raw::Headers>) -> Option<HeaderRules> {
        let Some(raw) = raw else { return Some(HeaderRules::default()) };
        if raw.set.is_none() && raw.remove.is_none() {
            return self.fault(path, FaultKind::Empty("say what to `set` or to `remove`, or leave it out"));
        }
        let (set_path, remove_path) = (path.member("set"), path.member("remove"));
        let set: Vec<_> = raw
            .set
            .iter()
            .flatten()
            .map(|(name, value)| {
                let path = set_path.member(name);
                let name = self.written_header(&path, name);
                let value = self.header_value(&path, value);
                Some((name?, value?))
            })
            .collect();
        let remove: Vec<_> = raw
            .remove
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, name)| self.header_name(&remove_path.item(index), name))
            .collect();
        for (path, is_empty) in [
            (set_path, raw.set.as_ref().is_some_and(|set| set.is_empty())),
            (remove_path, raw.remove.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if is_empty {
                self.fault::<()>(&path, FaultKind::Empty("name the headers, or leave it out"));
            }
        }
        Some(HeaderRules {
            set: set.into_iter().collect::<Option<_>>()?,
            remove: remove.into_iter().collect::<Option<_>>()?,
        })
    }

    fn header_value(&mut self, path: &Path, text: &str) -> Option<HeaderValue> {
        let plain = text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let value = HeaderValue::from_str(text).ok().filter(|_| plain);
        value.or_else(|| {
            let why = "only printable ASCII can stand in a header, with no space at its ends";
            self.fault(path, FaultKind::Invalid(why))
        })
    }

    /// Two writers of one header: one of them would be lost.
    pub(super) fn written_once(&mut self, path: &Path, operation: &Operation) {
        let mut written = BTreeSet::new();
        for (writer, name) in writers(operation) {
            if !written.insert(name.as_str()) {
                let why = "something else of this operation writes the same header; give each its own";
                self.fault::<()>(&writer.path(path), FaultKind::Invalid(why));
            }
        }
        self.taken_once(path, operation);
        let is_written =
            |name| writers(operation).any(|(writer, written)| !writer.is_attachment() && written == name);
        let removed = operation.headers.remove.iter().enumerate();
        for (index, _) in removed.filter(|(_, name)| is_written(*name)) {
            let why = "the operation writes this header, in place of whatever is there; leave it out here";
            let path = path.member("headers").member("remove").item(index);
            self.fault::<()>(&path, FaultKind::Invalid(why));
        }
    }
}

impl Compiler {
    /// A token that `inbound_token` takes away cannot be kept or moved by `attach` too.
    fn taken_once(&mut self, path: &Path, operation: &Operation) {
        let Inbound::Validate(validate) = &operation.inbound else { return };
        if validate.handling.inbound == InboundToken::Forward {
            return;
        }
        for (index, attachment) in operation.attachments.iter().enumerate() {
            let is_place = validate.handling.place.is_header(attachment.header.as_str().as_bytes());
            if is_place && attachment.existing != Existing::Overwrite {
                let why = "`inbound_token` takes the caller's token away from there, so there is none to keep or to move; \
                           write one of the two";
                let path = path.member("attach").item(index).member("existing");
                self.fault::<()>(&path, FaultKind::Invalid(why));
            }
        }
    }
}

/// What writes a header.
#[derive(Clone, Copy)]
enum Writer {
    /// An item of `attach`.
    Attached(usize),
    /// The same, for what the caller sent.
    Existing(usize),
    InboundToken,
    Claims,
    Set,
}

impl Writer {
    const fn is_attachment(self) -> bool {
        matches!(self, Self::Attached(_) | Self::Existing(_))
    }

    /// Where it says so, in the operation at `path`.
    fn path(self, path: &Path) -> Path {
        match self {
            Self::Attached(index) => path.member("attach").item(index).member("header"),
            Self::Existing(index) => path.member("attach").item(index).member("existing").member("move_to"),
            Self::InboundToken => path.member("validate").member("inbound_token").member("move_to"),
            Self::Claims => path.member("validate").member("claims_to_headers"),
            Self::Set => path.member("headers").member("set"),
        }
    }
}

/// Every header that an operation writes.
fn writers(operation: &Operation) -> impl Iterator<Item = (Writer, &HeaderName)> {
    let attached = operation.attachments.iter().enumerate().flat_map(|(index, attachment)| {
        let moved = match &attachment.existing {
            Existing::MoveTo(target) => Some((Writer::Existing(index), target)),
            Existing::Overwrite | Existing::Keep => None,
        };
        std::iter::once((Writer::Attached(index), &attachment.header)).chain(moved)
    });
    let handling = match &operation.inbound {
        Inbound::Validate(validate) => Some(&validate.handling),
        Inbound::Anonymous => None,
    };
    let moved = handling.and_then(|handling| match &handling.inbound {
        InboundToken::MoveTo(header) => Some((Writer::InboundToken, header)),
        InboundToken::Forward | InboundToken::Remove => None,
    });
    let claims = handling.into_iter().flat_map(|handling| &handling.disclosure.headers);
    attached
        .chain(moved)
        .chain(claims.map(|(_, header)| (Writer::Claims, header)))
        .chain(operation.headers.set.iter().map(|(header, _)| (Writer::Set, header)))
}

/// The headers that only the gateway may write: neither `Authorization`, which is the callers' own, nor what a caller
/// may send in place of a credential of the gateway's.
pub(super) fn gateway_headers(operations: &[Operation]) -> GatewayHeaders {
    let of_gateway = |operation: &Operation, writer: Writer| match writer {
        Writer::Attached(index) => operation
            .attachments
            .get(index)
            .is_some_and(|attachment| attachment.existing == Existing::Overwrite),
        _ => true,
    };
    let written = operations.iter().flat_map(|operation| {
        writers(operation).filter(move |(writer, _)| of_gateway(operation, *writer)).map(|(_, name)| name)
    });
    GatewayHeaders::new(
        written.filter(|name| **name != HeaderName::AUTHORIZATION && !OF_CLIENTS.contains(&name.as_str())),
    )
}
