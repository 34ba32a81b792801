/// Why a token is refused: the caller's fault. One variant per reason; [`Rejection::code`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Rejection {
    /// Over [`super::MAX_TOKEN_BYTES`].
    #[error("the token is larger than 16 KiB")]
    TooLarge,
    /// Not three parts of base64url, or a header or payload that is not a JSON object.
    #[error("not a JWT in compact form")]
    Malformed,
    /// `crit` or `b64` is there: no extension is supported (RFC 7515, section 4.1.11).
    #[error("the header has `crit` or `b64`, which are not supported")]
    CriticalHeader,
    /// `typ` names something other than a JWT or an access token (RFC 8725, section 3.11).
    #[error("the header's `typ` is not `JWT` or `at+jwt`")]
    TypeNotAllowed,
    /// `alg` is not one that the issuer's configuration allows.
    #[error("the header's `alg` is not one of the issuer's algorithms")]
    AlgorithmNotAllowed,
    /// `iss` is missing or not the issuer that is asked for.
    #[error("`iss` is not the issuer that this operation trusts")]
    IssuerNotAllowed,
    /// `tid` is a tenant of Entra that is not one of the issuer's.
    #[error("`tid` is not a tenant that this operation trusts")]
    TenantNotAllowed,
    /// `ver` is missing or a version of Entra's tokens that the issuer's configuration does not allow.
    #[error("`ver` is not a version of Entra's tokens that the issuer's configuration allows")]
    VersionNotAllowed,
    /// `aud` is missing or has none of the audiences that are asked for.
    #[error("`aud` has none of the audiences of this operation")]
    AudienceNotAllowed,
    /// A registered claim has a type that RFC 7519 does not allow for it.
    #[error("a registered claim has a wrong type")]
    ClaimType,
    /// `exp` is missing where it is required.
    #[error("`exp` is missing")]
    ExpirationMissing,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is missing where a longest life is asked for.
    #[error("`iat` is missing")]
    IssuedAtMissing,
    /// `exp` is further from `iat` than is allowed.
    #[error("the token lives longer than this operation allows")]
    LifetimeNotAllowed,
    /// No key of the issuer has the token's `kid`, or none or several fit a token without one.
    #[error("no key of the issuer fits the token's `kid`")]
    KeyNotFound,
    /// The signature is not the key's.
    #[error("the signature is wrong")]
    SignatureInvalid,
    /// The token is encrypted, and none of our keys opens it. Which part of it is wrong is told to nobody: each answer
    /// would be a step towards its content.
    #[error("the token cannot be decrypted")]
    NotDecrypted,
}

impl Rejection {
    /// The stable code, as counters, logs and docs have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "token_too_large",
            Self::Malformed => "token_malformed",
            Self::CriticalHeader => "critical_header_not_supported",
            Self::TypeNotAllowed => "token_type_not_allowed",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::IssuerNotAllowed => "issuer_not_allowed",
            Self::TenantNotAllowed => "tenant_not_allowed",
            Self::VersionNotAllowed => "token_version_not_allowed",
            Self::AudienceNotAllowed => "audience_not_allowed",
            Self::ClaimType => "claim_type_invalid",
            Self::ExpirationMissing => "expiration_missing",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedAtMissing => "issued_at_missing",
            Self::LifetimeNotAllowed => "token_lifetime_not_allowed",
            Self::KeyNotFound => "key_not_found",
            Self::SignatureInvalid => "signature_invalid",
            Self::NotDecrypted => "token_not_decrypted",
        }
    }
}
