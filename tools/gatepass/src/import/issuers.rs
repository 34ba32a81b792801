//! `validate-jwt` and `validate-azure-ad-token`.

use super::policy::{Walk, cluster_of};
use super::xml::Element;
use super::yaml::Yaml;

const NOT_HERE: &str = "there is no counterpart; without it more tokens would pass";

pub(crate) fn validate_azure_ad_token(walk: &mut Walk<'_>, element: &Element) {
    let Some(tenant) = walk.attribute(element, "tenant-id", true) else {
        return walk.note(element, true, "`tenant-id` is missing");
    };
    let tenant = tenant.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut validate = Vec::new();
    let mut entra = vec![("tenant".to_owned(), Yaml::text(&*tenant))];
    if let Some(host) = walk.attribute(element, "authentication-endpoint", true) {
        match cloud(&host) {
            Some(cloud) => entra.push(("cloud".to_owned(), Yaml::text(cloud))),
            None => walk.note(element, true, "`authentication-endpoint` names no cloud that is known here"),
        }
    }
    if matches!(tenant.as_str(), "organizations" | "common") {
        entra.push(("tenants".to_owned(), Yaml::text("any")));
    }
    entra.push(("cluster".to_owned(), Yaml::text("login")));
    walk.shared.cluster("login", "https://login.microsoftonline.com");
    let issuer = issuer(walk, &name_of(&tenant), Yaml::object([("entra", Yaml::Object(entra))]));
    validate.push(("issuer".to_owned(), Yaml::Text(issuer)));
    for (member, list) in [
        ("client_application_ids", "client-application-ids"),
        ("backend_application_ids", "backend-application-ids"),
    ] {
        if let Some(ids) = values(walk, element, list, "application-id") {
            validate.push((member.to_owned(), Yaml::texts(ids)));
        }
    }
    finish(walk, element, validate, Some("authorization"));
}

pub(crate) fn validate_jwt(walk: &mut Walk<'_>, element: &Element) {
    let mut validate = Vec::new();
    let configurations: Vec<_> = element.all("openid-config").collect();
    let url = match configurations.as_slice() {
        [config] => walk.attribute(config, "url", true),
        [] => {
            return walk.note(
                element,
                true,
                "without `openid-config` the keys have to be written by hand: `issuers.<name>.jwks`",
            );
        }
        _ => {
            return walk.note(
                element,
                true,
                "several `openid-config`: write one issuer for each, and `validate.any_of`",
            );
        }
    };
    let Some(url) = url else { return };
    if let Some(keys) = element.child("issuer-signing-keys") {
        walk.note(keys, false, "the keys of the discovery document alone are trusted");
    }
    if let Some(keys) = element.child("decryption-keys") {
        walk.note(
            keys,
            true,
            "name the key in `secrets`, and in `decryption_keys` of the operation's `validate`",
        );
    }
    let mut definition = vec![("discovery".to_owned(), Yaml::text(&*url))];
    let issuers = values(walk, element, "issuers", "issuer").unwrap_or_default();
    match issuers.as_slice() {
        [] => {}
        [issuer] => definition.push(("issuer".to_owned(), Yaml::text(issuer.clone()))),
        _ => walk.note(
            element,
            false,
            "several issuers for one set of keys: the discovery document's own is accepted",
        ),
    }
    let (name, definition) = match entra(&url) {
        Some((tenant, entra)) if issuers.is_empty() => (name_of(&tenant), Yaml::object([("entra", entra)])),
        _ => {
            definition.push(("cluster".to_owned(), Yaml::Text(cluster_of(&url))));
            (cluster_of(&url), Yaml::Object(definition))
        }
    };
    walk.shared.cluster(&cluster_of(&url), &url);
    let issuer = issuer(walk, &name, definition);
    validate.push(("issuer".to_owned(), Yaml::Text(issuer)));
    if walk.attribute(element, "require-signed-tokens", true).is_some_and(|signed| signed == "false") {
        walk.note(element, false, "a token without a signature is never accepted here");
    }
    if walk.attribute(element, "require-expiration-time", true).is_some_and(|required| required == "false") {
        validate.push(("require_expiration".to_owned(), Yaml::Bool(false)));
    }
    if let Some(skew) = walk.attribute(element, "clock-skew", true).filter(|skew| skew != "0") {
        validate.push(("clock_skew".to_owned(), Yaml::Text(format!("{skew}s"))));
    }
    finish(walk, element, validate, None);
}

/// What both policies have.
fn finish(
    walk: &mut Walk<'_>,
    element: &Element,
    mut validate: Vec<(String, Yaml)>,
    default_header: Option<&str>,
) {
    // Where APIM checks no audience, so does the import, but it says so.
    match values(walk, element, "audiences", "audience") {
        Some(audiences) => validate.push(("audiences".to_owned(), Yaml::texts(audiences))),
        None if validate.iter().any(|(name, _)| name == "backend_application_ids") => {}
        None => validate.push(("audiences".to_owned(), Yaml::text("any"))),
    }
    if let Some(token) = token(walk, element, default_header) {
        validate.push(("token".to_owned(), token));
    }
    if let Some(claims) = element.child("required-claims") {
        let claims: Vec<_> = claims.all("claim").filter_map(|claim| required_claim(walk, claim)).collect();
        if !claims.is_empty() {
            validate.push(("required_claims".to_owned(), Yaml::List(claims)));
        }
    }
    if let Some(variable) = element.attribute("output-token-variable-name") {
        let why = format!(
            "claims go to the backend by `claims_to_headers`; nothing reads the variable `{variable}`"
        );
        walk.note(element, false, why);
    }
    if let Some(status) =
        walk.attribute(element, "failed-validation-httpcode", false).filter(|status| status != "401")
    {
        match status.parse() {
            Ok(status) => walk.draft.on_failure.push(("status".to_owned(), Yaml::Number(status))),
            Err(_) => walk.note(element, false, "`failed-validation-httpcode` is no number"),
        }
    }
    if let Some(message) = walk.attribute(element, "failed-validation-error-message", false) {
        walk.draft.on_failure.push(("message".to_owned(), Yaml::Text(message)));
    }
    if !walk.draft.validate.is_empty() {
        return walk.note(
            element,
            true,
            "a second check of a token in one operation: one operation checks one token",
        );
    }
    walk.draft.validate = validate;
}

/// Where the token is. APIM asks for no scheme unless told to; what is stricter here is written out.
fn token(walk: &mut Walk<'_>, element: &Element, default_header: Option<&str>) -> Option<Yaml> {
    if element.attribute("token-value").is_some() {
        walk.note(
            element,
            true,
            "`token-value` is an expression; name the header or query parameter instead",
        );
        return None;
    }
    if let Some(query) = walk.attribute(element, "query-parameter-name", true) {
        return Some(Yaml::object([("query", Yaml::Text(query))]));
    }
    let header =
        walk.attribute(element, "header-name", true).or_else(|| default_header.map(str::to_owned))?;
    let scheme = walk.attribute(element, "require-scheme", true);
    match (header.eq_ignore_ascii_case("authorization"), scheme) {
        // The default of `validate-azure-ad-token`, and of Gatepass.
        (true, Some(scheme)) if scheme.eq_ignore_ascii_case("bearer") => None,
        (true, None) if default_header.is_some() => None,
        (true, None) => {
            Some(Yaml::object([("header", Yaml::Text(header)), ("scheme", Yaml::text("optional"))]))
        }
        (true, Some(scheme)) => {
            Some(Yaml::object([("header", Yaml::Text(header)), ("scheme", Yaml::Text(scheme))]))
        }
        (false, _) => Some(Yaml::object([("header", Yaml::Text(header))])),
    }
}

/// A claim that cannot be converted makes the whole check a guard that is missing.
fn required_claim(walk: &mut Walk<'_>, claim: &Element) -> Option<Yaml> {
    let Some(name) = walk.attribute(claim, "name", true) else {
        walk.note(claim, true, NOT_HERE);
        return None;
    };
    let mut members = vec![("name".to_owned(), Yaml::Text(name))];
    let texts: Vec<_> = claim.all("value").map(|value| value.text.clone()).collect();
    let known: Option<Vec<_>> = texts.iter().map(|text| walk.constant(text)).collect();
    let Some(known) = known else {
        walk.note(claim, true, "a value depends on what only a request knows");
        return None;
    };
    let is_any = walk.attribute(claim, "match", true).is_some_and(|matches| matches == "any");
    if is_any && !known.is_empty() {
        members.push(("match".to_owned(), Yaml::text("any")));
    }
    if let Some(separator) = walk.attribute(claim, "separator", true).filter(|_| !known.is_empty()) {
        members.push(("separator".to_owned(), Yaml::Text(separator)));
    }
    if !known.is_empty() {
        members.push(("values".to_owned(), Yaml::texts(known)));
    }
    Some(Yaml::Object(members))
}

/// The texts of a list; `None` where the list is not there. One that is not constant is a note, and left out: that
/// lets fewer pass.
fn values(walk: &mut Walk<'_>, element: &Element, list: &str, item: &str) -> Option<Vec<String>> {
    let list = element.child(list)?;
    let mut texts = Vec::new();
    for item in list.all(item) {
        match walk.constant(&item.text) {
            Some(text) => texts.push(text),
            None => walk.note(item, true, "this depends on what only a request knows"),
        }
    }
    Some(texts)
}

/// Keeps an issuer once; another one of the same name gets a number.
fn issuer(walk: &mut Walk<'_>, name: &str, definition: Yaml) -> String {
    let issuers = &mut walk.shared.issuers;
    if let Some((known, _)) = issuers.iter().find(|(_, known)| *known == definition) {
        return known.clone();
    }
    let taken = |name: &str| issuers.iter().any(|(known, _)| known == name);
    let mut unique = name.to_owned();
    let mut number = 2;
    while taken(&unique) {
        unique = format!("{name}-{number}");
        number += 1;
    }
    issuers.push((unique.clone(), definition));
    unique
}

fn name_of(tenant: &str) -> String {
    match tenant {
        "organizations" | "common" => tenant.to_owned(),
        _ => "entra".to_owned(),
    }
}

/// The tenant in a discovery URL of Entra's public cloud, with the version that the URL stands for.
fn entra(url: &str) -> Option<(String, Yaml)> {
    let path = url.strip_prefix("https://login.microsoftonline.com/")?;
    let path = path.strip_suffix("/.well-known/openid-configuration")?;
    let (tenant, version) = match path.strip_suffix("/v2.0") {
        Some(tenant) => (tenant, "v2"),
        None => (path, "v1"),
    };
    let mut entra = vec![("tenant".to_owned(), Yaml::text(tenant))];
    if matches!(tenant, "organizations" | "common") {
        entra.push(("tenants".to_owned(), Yaml::text("any")));
    }
    entra.push(("versions".to_owned(), Yaml::texts([version.to_owned()])));
    entra.push(("cluster".to_owned(), Yaml::text("login")));
    (!tenant.contains('/')).then(|| (tenant.to_owned(), Yaml::Object(entra)))
}

fn cloud(host: &str) -> Option<&'static str> {
    let host = host.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
    match host {
        "login.microsoftonline.com" => Some("public"),
        "login.microsoftonline.us" => Some("us_government"),
        "login.partner.microsoftonline.cn" | "login.chinacloudapi.cn" => Some("china"),
        _ => None,
    }
}
