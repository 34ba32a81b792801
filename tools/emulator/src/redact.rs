//! What may be shown of a request: everything but the secrets.

use axum::http::{HeaderMap, Uri, header::HOST};

/// The header fields as they may be shown: names in lower case, secrets redacted. HTTP/2's
/// `:authority` is shown as `host`.
pub(crate) fn redacted_headers(uri: &Uri, headers: &HeaderMap) -> Vec<(String, String)> {
    let authority = uri.authority().filter(|_| !headers.contains_key(HOST));
    let host = authority.map(|authority| ("host".to_owned(), authority.to_string()));
    let fields = headers.iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let shown = if is_secret_name(name.as_str()) || looks_like_token(&text) {
            redacted(value.len())
        } else {
            text.into_owned()
        };
        (name.as_str().to_owned(), shown)
    });
    host.into_iter().chain(fields).collect()
}

/// The path and query as they may be shown: the values of secret parameters redacted.
pub(crate) fn redacted_path(uri: &Uri) -> String {
    let Some(query) = uri.query() else {
        return uri.path().to_owned();
    };
    let shown: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if is_secret_name(&name.to_ascii_lowercase()) || looks_like_token(value) => {
                format!("{name}={}", redacted(value.len()))
            }
            _ => pair.to_owned(),
        })
        .collect();
    format!("{}?{}", uri.path(), shown.join("&"))
}

/// A parameter of a form as it may be shown.
pub(crate) fn redacted_field((name, value): (String, String)) -> (String, String) {
    // Its value says what kind of assertion comes, no more.
    let is_secret = name != "client_assertion_type" && is_secret_name(&name.to_ascii_lowercase());
    let shown = if is_secret || looks_like_token(&value) { redacted(value.len()) } else { value };
    (name, shown)
}

fn redacted(bytes: usize) -> String {
    format!("<redacted {bytes} bytes>")
}

/// Header fields and query parameters whose values are secrets whatever they look like.
fn is_secret_name(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "proxy-authorization"
            | "cookie"
            | "x-identity-header"
            | "client_assertion"
            | "code"
            | "sig"
    ) || name.ends_with("-key")
        || name.ends_with("_key")
        || name.contains("secret")
        || name.contains("token")
}

/// A compact JWS or JWE begins with the base64url of `{"` and has at least two stops.
fn looks_like_token(value: &str) -> bool {
    value.split_ascii_whitespace().any(|word| word.starts_with("eyJ") && word.matches('.').count() >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn secrets_are_redacted_by_name_and_by_look() {
        let seen = redacted_headers(
            &Uri::from_static("/"),
            &headers(&[
                ("authorization", "Bearer abc"),
                ("ocp-apim-subscription-key", "0123456789"),
                ("x-functions-key", "k"),
                ("x-other", JWT),
                ("x-plain", "eyJust text"),
            ]),
        );
        let value = |name: &str| seen.iter().find(|(n, _)| n == name).unwrap().1.as_str();
        assert_eq!(value("authorization"), "<redacted 10 bytes>");
        assert_eq!(value("ocp-apim-subscription-key"), "<redacted 10 bytes>");
        assert_eq!(value("x-functions-key"), "<redacted 1 bytes>");
        assert_eq!(value("x-other"), format!("<redacted {} bytes>", JWT.len()));
        assert_eq!(value("x-plain"), "eyJust text");
    }

    #[test]
    fn secrets_in_the_query_are_redacted() {
        let uri = format!("/a?resource=x&access_token=abc&other={JWT}&flag");
        assert_eq!(
            redacted_path(&uri.parse().unwrap()),
            format!(
                "/a?resource=x&access_token=<redacted 3 bytes>&other=<redacted {} bytes>&flag",
                JWT.len()
            )
        );
    }
}
