//! Access tokens of the tenant, checked as an API of Microsoft's checks them.

use axum::http::HeaderMap;

use crate::{
    Algorithm,
    assertion::Assertion,
    clock,
    directory::TENANT,
    log::bearer,
    mint::{issuer_v1, issuer_v2},
    shared::Shared,
};

/// Why a token is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    /// There is no bearer token.
    Missing,
    /// It is no JWT, or the tenant's published keys have not signed it.
    Signature,
    /// It is not valid now.
    Time,
    /// Another issuer, which it names.
    Issuer(String),
    /// Another audience, which it names.
    Audience(String),
}

/// What an API expects of a token.
pub(crate) struct Expected<'a> {
    /// The issuers that may issue it.
    pub(crate) issuers: &'a [&'a str],
    /// The audiences, one of which it must have.
    pub(crate) audiences: &'a [&'a str],
}

/// Who has the token.
#[derive(Debug, PartialEq)]
pub(crate) struct Caller {
    /// `appid` or `azp`.
    pub(crate) client_id: String,
    /// `oid`.
    pub(crate) object_id: String,
}

/// Checks the bearer token of a request for an API of the tenant.
pub(crate) fn check(shared: &Shared, headers: &HeaderMap, audiences: &[&str]) -> Result<Caller, Refused> {
    let (v1, v2) = (issuer_v1(TENANT), issuer_v2(TENANT));
    check_for(shared, headers, &Expected { issuers: &[&v1, &v2], audiences })
}

/// Checks the bearer token of a request.
pub(crate) fn check_for(
    shared: &Shared,
    headers: &HeaderMap,
    expected: &Expected<'_>,
) -> Result<Caller, Refused> {
    let token = bearer(headers).ok_or(Refused::Missing)?;
    let token = Assertion::parse(token).ok_or(Refused::Signature)?;
    let is_signed = shared.keys().entra.published().any(|keys| token.is_signed_by(keys, &[Algorithm::Rs256]));
    if !is_signed {
        return Err(Refused::Signature);
    }
    if !token.is_timely(clock::now()) {
        return Err(Refused::Time);
    }
    if !expected.issuers.contains(&token.claim("iss")) {
        return Err(Refused::Issuer(token.claim("iss").to_owned()));
    }
    if !token.is_for(expected.audiences) {
        return Err(Refused::Audience(token.claim("aud").to_owned()));
    }
    let client_id = [token.claim("appid"), token.claim("azp")].concat();
    Ok(Caller { client_id, object_id: token.claim("oid").to_owned() })
}
