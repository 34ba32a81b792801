//! Where a caller's token stands, and what becomes of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// Where a caller's token stands: one of `header`, `query`, `cookie`, `websocket_protocol`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "a token's place: an object with `header`, `query`, `cookie` or `websocket_protocol`"
)]
pub(in crate::config) struct TokenPlace {
    /// The name of a header. Default: `Authorization`.
    pub header: Option<String>,
    /// What stands before the token in the header. Default: `Bearer` for `Authorization`, `none` for any other.
    pub scheme: Option<Scheme>,
    /// The name of a query parameter: letters, digits, `-`, `.`, `_` and `~`. Requests may write it in any case and
    /// percent-encoded, as there are backends that read it so.
    pub query: Option<String>,
    /// The name of a cookie.
    pub cookie: Option<String>,
    /// What a WebSocket subprotocol (an item of `Sec-WebSocket-Protocol`) that carries a token begins with; the rest
    /// of it is the token, once more in base64url without padding: `base64url.bearer.authorization.k8s.io.` takes
    /// what browsers send to Kubernetes. The item never reaches the backend, and the client must offer another one
    /// for the backend to accept.
    pub websocket_protocol: Option<String>,
}

/// What stands before a token in a header.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`Bearer`, `optional` or `none`")]
pub(in crate::config) enum Scheme {
    /// `Bearer` and a space, in any case of letters.
    #[serde(rename = "Bearer")]
    Bearer,
    /// `Bearer` and a space, or nothing, as API Management takes it without `require-scheme`.
    Optional,
    /// Nothing: with a scheme before it the token is refused.
    None,
}

/// What becomes of the caller's token: `forward`, `remove` or `{move_to: header}`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::config) enum InboundToken {
    /// It goes on to the backend as it came.
    Forward,
    /// It is taken away.
    Remove,
    /// It is taken away from its place and put into this header: into `Authorization` as `Bearer` and the token, into
    /// any other the token alone.
    MoveTo(String),
}

impl<'de> Deserialize<'de> for InboundToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, expecting = "an object with `move_to`")]
        struct Move {
            move_to: String,
        }
        struct InboundTokenVisitor;
        impl<'de> Visitor<'de> for InboundTokenVisitor {
            type Value = InboundToken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`forward`, `remove` or an object with `move_to`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<InboundToken, E> {
                match word {
                    "forward" => Ok(InboundToken::Forward),
                    "remove" => Ok(InboundToken::Remove),
                    _ => Err(E::unknown_variant(word, &["forward", "remove"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<InboundToken, A::Error> {
                let Move { move_to } = Move::deserialize(de::value::MapAccessDeserializer::new(entries))?;
                Ok(InboundToken::MoveTo(move_to))
            }
        }
        deserializer.deserialize_any(InboundTokenVisitor)
    }
}
