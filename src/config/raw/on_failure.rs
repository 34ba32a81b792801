use serde::Deserialize;

/// How refusals look. An operation's fields replace those of the whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `status`, `forbidden_status`, `message`, `body`, `expose_reason`"
)]
pub(in crate::config) struct OnFailure {
    /// The status of a refused token. Default 401, as in API Management.
    pub status: Option<u16>,
    /// The status where a role or claim is missing. Default: `status`.
    pub forbidden_status: Option<u16>,
    /// Replaces the message in the body where a token or its holder is refused.
    pub message: Option<String>,
    /// The form of the body. Default `apim`.
    pub body: Option<Body>,
    /// Whether the caller is told the reason: as `reason` in the body, and in the challenge as `error_description`.
    /// It helps those who test a client, and those who forge tokens. Default false.
    pub expose_reason: Option<bool>,
}

/// The form of a refusal's body.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`apim` or `problem`")]
pub(in crate::config) enum Body {
    /// API Management's: `{"statusCode": 401, "message": "…"}`.
    #[default]
    Apim,
    /// Problem details (RFC 9457): `{"title": "Unauthorized", "status": 401, "detail": "…"}`.
    Problem,
}
