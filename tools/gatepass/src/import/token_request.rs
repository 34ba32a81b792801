//! Tokens for the backend that a policy gets by hand: a token from the cache, else `send-request`, then the cache again;
//! and those of Credential Manager. Gatepass does the whole of it.

use super::policy::{Walk, cluster_of};
use super::xml::Element;
use super::yaml::Yaml;

/// Whether an element is part of such an idiom, and has been dealt with.
pub(crate) fn take(walk: &mut Walk<'_>, element: &Element) -> bool {
    match element.name.as_str() {
        "get-authorization-context" => {
            credential_manager(walk, element);
            true
        }
        "cache-lookup-value" | "cache-store-value" => {
            // Gatepass keeps tokens itself; what else a policy caches cannot be known.
            let stores_token =
                element.attribute("key").is_some_and(|key| key.to_ascii_lowercase().contains("token"));
            if !stores_token {
                walk.note(element, false, "there is no cache for values");
            }
            true
        }
        "choose" | "send-request" => {
            request_in(element).is_some_and(|request| client_credentials(walk, element, request))
        }
        _ => false,
    }
}

fn request_in(element: &Element) -> Option<&Element> {
    if element.name == "send-request" {
        return Some(element);
    }
    element.children.iter().find_map(request_in)
}

fn client_credentials(walk: &mut Walk<'_>, element: &Element, request: &Element) -> bool {
    let body = request.child("set-body").map(|body| body.text.as_str()).unwrap_or_default();
    if field(body, "grant_type").is_none_or(|grant| grant != "client_credentials") {
        return false;
    }
    let url = request.child("set-url").and_then(|url| walk.constant(&url.text));
    let Some(url) = url else {
        walk.note(request, true, "the token endpoint's URL depends on the request");
        return true;
    };
    let Some(client_id) = field(body, "client_id") else {
        walk.note(request, true, "`client_id` was not found in the body");
        return true;
    };
    let client_id = walk.shared.names.resolve(&client_id);
    let mut credentials = vec![
        ("token_url".to_owned(), Yaml::text(&*url)),
        ("cluster".to_owned(), Yaml::Text(cluster_of(&url))),
        ("client_id".to_owned(), Yaml::Text(client_id)),
    ];
    let is_certificate = body.contains("client_assertion");
    if is_certificate {
        let reference = |name: &str| Yaml::object([("ref", Yaml::text(name))]);
        let certificate = reference(&walk.shared.names.use_secret("client-certificate"));
        let key = reference(&walk.shared.names.use_secret("client-private-key"));
        let pair = [("certificate", certificate), ("private_key", key)];
        credentials.push(("certificate".to_owned(), Yaml::object(pair)));
        walk.note(
            request,
            false,
            "give the certificate and its key as PEM in `secrets`; a PFX has to be converted",
        );
    } else {
        let secret = field(body, "client_secret").and_then(|secret| Some(named(&secret)?.to_owned()));
        let Some(secret) = secret else {
            walk.note(request, true, "`client_secret` is not a named value; put it into `secrets`");
            return true;
        };
        let secret = walk.shared.names.use_secret(&secret);
        credentials.push(("client_secret".to_owned(), Yaml::object([("ref", Yaml::Text(secret))])));
    }
    let name = if is_certificate { "client-certificate" } else { "client" };
    walk.shared.cluster(&cluster_of(&url), &url);
    walk.shared.identity(name, Yaml::object([("client_credentials", Yaml::Object(credentials))]));
    let mut attach = vec![("identity".to_owned(), Yaml::text(name))];
    for target in ["scope", "resource", "audience"] {
        if let Some(value) = field(body, target) {
            attach.push((target.to_owned(), Yaml::Text(walk.shared.names.resolve(&value))));
        }
    }
    for variable in variables(element) {
        walk.tokens.push((variable, Yaml::Object(attach.clone())));
    }
    true
}

/// The variables in which such an idiom may leave the token.
fn variables(element: &Element) -> Vec<String> {
    let mut names = Vec::new();
    if element.name == "set-variable" {
        names.extend(element.attribute("name").map(str::to_owned));
    }
    names.extend(element.attribute("response-variable-name").map(str::to_owned));
    names.extend(element.children.iter().flat_map(variables));
    names
}

fn credential_manager(walk: &mut Walk<'_>, element: &Element) {
    let Some(variable) = element.attribute("context-variable-name") else { return };
    let provider = element.attribute("provider-id").unwrap_or("provider");
    let provider = walk.constant(provider).unwrap_or_else(|| "provider".to_owned());
    let secret = walk.shared.names.use_secret(&format!("{provider}-secret"));
    let credentials = [
        ("token_url", Yaml::text("https://TOKEN-ENDPOINT/token")),
        ("cluster", Yaml::text(&*provider)),
        ("client_id", Yaml::text("CLIENT-ID")),
        ("client_secret", Yaml::object([("ref", Yaml::Text(secret))])),
    ];
    walk.shared.cluster(&provider, "(the token endpoint of this credential provider)");
    walk.shared.identity(&provider, Yaml::object([("client_credentials", Yaml::object(credentials))]));
    walk.note(
        element,
        false,
        format!("the provider `{provider}` is defined outside the policy: write its token endpoint, client id and scope"),
    );
    let mut attach =
        vec![("identity".to_owned(), Yaml::Text(provider)), ("scope".to_owned(), Yaml::text("SCOPE"))];
    if element.attribute("ignore-error").is_some_and(|ignore| ignore == "true") {
        attach.push(("on_error".to_owned(), Yaml::text("continue")));
    }
    walk.tokens.push((variable.to_owned(), Yaml::Object(attach)));
}

/// A field of a form, however the expression puts it together: what follows `name=` up to the next field, a named value
/// if there is one.
fn field(body: &str, name: &str) -> Option<String> {
    let (_, after) = body.match_indices(name).find_map(|(at, _)| {
        let before = body.get(..at)?.chars().next_back();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let after = body.get(at + name.len()..)?.strip_prefix('=')?;
        begins.then_some((at, after))
    })?;
    let field = after.get(..after.find('&').unwrap_or(after.len()))?;
    if let Some((start, (value, _))) =
        field.split_once("{{").and_then(|(a, b)| Some((a, b.split_once("}}")?)))
    {
        let prefix: String = if start.contains('"') { String::new() } else { start.to_owned() };
        let suffix = field.split_once("}}").map_or("", |(_, rest)| rest);
        let suffix: String =
            suffix.chars().take_while(|c| c.is_alphanumeric() || "/.-_:".contains(*c)).collect();
        return Some(format!("{prefix}{{{{{value}}}}}{suffix}"));
    }
    let value: String = field.chars().take_while(|c| !c.is_whitespace() && !"\";)}".contains(*c)).collect();
    (!value.is_empty()).then_some(value)
}

/// The named value that a text is.
fn named(text: &str) -> Option<&str> {
    text.strip_prefix("{{")?.strip_suffix("}}")
}
