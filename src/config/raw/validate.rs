//! How inbound tokens are checked.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{
    ClaimToFilterState, ClaimToHeader, DecryptionKey, InboundToken, RequiredClaim, Roles, TokenPlace, Words,
};

/// How inbound tokens are checked: by one issuer (`issuer`), or by one of several (`any_of`).
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `issuer`, `any_of`, `audiences`, `roles` or `required_claims`"
)]
pub(in crate::config) struct Validate {
    /// The name of the issuer.
    pub issuer: Option<String>,
    /// The audiences, any of which the token must have, compared exactly; or the word `any`. It, or
    /// `backend_application_ids`, must be there.
    pub audiences: Option<Words>,
    /// The client ids of the applications that may call: any of them. With Entra that is the claim `appid` or `azp`,
    /// depending on the token's version; elsewhere `azp` and `client_id`, both of them where both are there.
    pub client_application_ids: Option<Vec<String>>,
    /// The client ids of the applications that the token may be for: `aud` is one of them, or `api://` and one of
    /// them. Beside `audiences`, both must be satisfied.
    pub backend_application_ids: Option<Vec<String>>,
    /// Whether the caller must be an application by itself, or act for a user. Entra only.
    pub token_type: Option<TokenType>,
    /// Several issuers, with what is asked of the tokens of each. It stands in place of `issuer`, `audiences`,
    /// `client_application_ids`, `backend_application_ids` and `token_type`.
    pub any_of: Option<Vec<Alternative>>,
    /// Roles, any of which the token must have: one, a list, or by method with `"*"` for all others.
    pub roles: Option<Roles>,
    /// What is asked of other claims; every entry must be satisfied.
    pub required_claims: Option<Vec<RequiredClaim>>,
    /// How far clocks may differ. Default `0s`.
    pub clock_skew: Option<String>,
    /// Whether a token must have an end. Default true.
    pub require_expiration: Option<bool>,
    /// How long a token may live at the most, from `iat` to `exp`, both of which must then be there. Without this field,
    /// as long as its issuer wants.
    pub max_lifetime: Option<String>,
    /// Whether a request without a token passes, without an identity; a bad token is refused all the same. Default
    /// false.
    pub optional: Option<bool>,
    /// Where the token stands; no other place is looked at, and where a bearer token stands in `Authorization` beside
    /// it, the request is refused. Default `{header: Authorization, scheme: Bearer}`.
    pub token: Option<TokenPlace>,
    /// Keys that the token may be encrypted to (JWE): what is encrypted is a token that an issuer has signed, and has to
    /// meet all that is asked for. A token that is not encrypted is accepted as well. Without this field, an encrypted
    /// token is refused.
    pub decryption_keys: Option<Vec<DecryptionKey>>,
    /// What becomes of the token. Default `forward`, as in API Management; from a WebSocket subprotocol, `remove`.
    pub inbound_token: Option<InboundToken>,
    /// Claims that the backend reads in headers.
    pub claims_to_headers: Option<Vec<ClaimToHeader>>,
    /// Claims in Envoy's filter state.
    pub claims_to_filter_state: Option<Vec<ClaimToFilterState>>,
}

/// How the inbound tokens of one operation are checked, or that they are not.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::config) enum OwnValidate {
    /// The word `none`.
    None,
    /// What replaces the defaults or adds to them.
    #[cfg_attr(feature = "schema", schemars(untagged))]
    Rules(Box<Validate>),
}

impl<'de> Deserialize<'de> for OwnValidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OwnVisitor;
        impl<'de> Visitor<'de> for OwnVisitor {
            type Value = OwnValidate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an object with `issuer`, `audiences`, `roles` or `required_claims`, or the word `none`",
                )
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<OwnValidate, E> {
                match word {
                    "none" => Ok(OwnValidate::None),
                    _ => Err(E::invalid_type(de::Unexpected::Str(""), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<OwnValidate, A::Error> {
                let members = de::value::MapAccessDeserializer::new(members);
                Validate::deserialize(members).map(|rules| OwnValidate::Rules(Box::new(rules)))
            }
        }
        deserializer.deserialize_any(OwnVisitor)
    }
}

/// One of several issuers, and what is asked of its tokens alone. `roles` and `required_claims` add to those beside
/// `any_of`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `issuer` and `audiences`")]
pub(in crate::config) struct Alternative {
    /// The name of the issuer.
    pub issuer: Option<String>,
    /// As in `validate`.
    pub audiences: Option<Words>,
    /// As in `validate`.
    pub client_application_ids: Option<Vec<String>>,
    /// As in `validate`.
    pub backend_application_ids: Option<Vec<String>>,
    /// As in `validate`.
    pub token_type: Option<TokenType>,
    /// As in `validate`.
    pub roles: Option<Roles>,
    /// As in `validate`.
    pub required_claims: Option<Vec<RequiredClaim>>,
}

/// The kinds of Entra's access tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`app` or `user`")]
pub(in crate::config) enum TokenType {
    /// An application's own: `idtyp` is `app`, or where that is not there, there is no `scp`, and `oid` is `sub`.
    App,
    /// An application's on behalf of a user: there is a `scp`, and `idtyp`, where it is there, is `user`.
    User,
}
