//! Where a caller's token stands, and what becomes of it.

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{InboundToken, Scheme, TokenHandling, TokenPlace};
use crate::header_name::{HeaderName, is_token};

impl Compiler {
    pub(super) fn token_place(&mut self, path: &Path, raw: Option<&raw::TokenPlace>) -> Option<TokenPlace> {
        let Some(raw) = raw else {
            return Some(TokenPlace::Header { name: HeaderName::AUTHORIZATION, scheme: Scheme::Bearer });
        };
        if raw.scheme.is_some() && raw.header.is_none() {
            let why = "only a token in a `header` has a scheme before it; leave it out";
            return self.fault(&path.member("scheme"), FaultKind::Invalid(why));
        }
        match (&raw.header, &raw.query, &raw.cookie, &raw.websocket_protocol) {
            (Some(header), None, None, None) => self.token_header(path, header, raw.scheme),
            (None, Some(name), None, None) => {
                let why = "not a name that every program reads alike: letters, digits, `-`, `.`, `_` and `~`";
                let is_plain = |name: &str| {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                    !name.is_empty() && name.bytes().all(plain)
                };
                self.name(&path.member("query"), name, is_plain, why).map(TokenPlace::Query)
            }
            (None, None, Some(name), None) => {
                let why = "not the name of a cookie: letters, digits and any of ``!#$%&'*+-.^_`|~``";
                self.name(&path.member("cookie"), name, is_token, why).map(TokenPlace::Cookie)
            }
            (None, None, None, Some(prefix)) => {
                let why =
                    "not the beginning of a subprotocol: letters, digits and any of ``!#$%&'*+-.^_`|~``";
                let path = path.member("websocket_protocol");
                self.name(&path, prefix, is_token, why).map(TokenPlace::WebSocketProtocol)
            }
            _ => self.not_exactly_one(path, &["header", "query", "cookie", "websocket_protocol"]),
        }
    }

    fn token_header(&mut self, path: &Path, header: &str, scheme: Option<raw::Scheme>) -> Option<TokenPlace> {
        let path = path.member("header");
        let name = self.header_name(&path, header)?;
        if name == HeaderName::COOKIE {
            return self.fault(&path, FaultKind::Invalid("a token in a cookie is named by `cookie`"));
        }
        let scheme = match scheme {
            Some(raw::Scheme::Bearer) => Scheme::Bearer,
            Some(raw::Scheme::Optional) => Scheme::Optional,
            Some(raw::Scheme::None) => Scheme::None,
            None if name == HeaderName::AUTHORIZATION => Scheme::Bearer,
            None => Scheme::None,
        };
        Some(TokenPlace::Header { name, scheme })
    }

    fn name(
        &mut self,
        path: &Path,
        text: &str,
        is_name: impl Fn(&str) -> bool,
        why: &'static str,
    ) -> Option<String> {
        if !is_name(text) {
            return self.fault(path, FaultKind::Invalid(why));
        }
        Some(text.to_owned())
    }

    /// Faults of single fields, where they stand.
    pub(super) fn check_token(&mut self, path: &Path, raw: &raw::Validate) {
        self.token_place(&path.member("token"), raw.token.as_ref());
        if let Some(raw::InboundToken::MoveTo(header)) = &raw.inbound_token {
            self.move_target(&path.member("inbound_token").member("move_to"), header);
        }
        if let Some(claims) = &raw.claims_to_headers {
            self.claims_to_headers(&path.member("claims_to_headers"), claims);
        }
        if let Some(claims) = &raw.claims_to_filter_state {
            self.claims_to_filter_state(&path.member("claims_to_filter_state"), claims);
        }
    }

    /// How a token is handled: each field as `own` says, or else `defaults`. Faults of single fields were told before.
    pub(super) fn token_handling(
        &mut self,
        path: &Path,
        own: &raw::Validate,
        defaults: &raw::Validate,
    ) -> Option<TokenHandling> {
        let mut silent = Self::default();
        let place = silent.token_place(path, own.token.as_ref().or(defaults.token.as_ref()))?;
        let disclosure = silent.disclosure(path, own, defaults);
        let inbound = own.inbound_token.as_ref().or(defaults.inbound_token.as_ref());
        let inbound = self.inbound_token(&path.member("inbound_token"), inbound, &place);
        Some(TokenHandling { place, inbound: inbound?, disclosure: disclosure? })
    }

    /// What becomes of a token that stands in `place`.
    fn inbound_token(
        &mut self,
        path: &Path,
        raw: Option<&raw::InboundToken>,
        place: &TokenPlace,
    ) -> Option<InboundToken> {
        let is_protocol = matches!(place, TokenPlace::WebSocketProtocol(_));
        match raw {
            Some(raw::InboundToken::Forward) if is_protocol => {
                let why = "the backend could accept the subprotocol that carries the token, and so send the token \
                           back; write `remove` or `move_to`";
                self.fault(path, FaultKind::Invalid(why))
            }
            None if is_protocol => Some(InboundToken::Remove),
            None | Some(raw::InboundToken::Forward) => Some(InboundToken::Forward),
            Some(raw::InboundToken::Remove) => Some(InboundToken::Remove),
            Some(raw::InboundToken::MoveTo(header)) => {
                let path = path.member("move_to");
                let to = Self::default().move_target(&path, header)?;
                if place.is_header(to.as_str().as_bytes()) {
                    let why = "the token stands there already; write `forward`";
                    return self.fault(&path, FaultKind::Invalid(why));
                }
                Some(InboundToken::MoveTo(to))
            }
        }
    }
}
