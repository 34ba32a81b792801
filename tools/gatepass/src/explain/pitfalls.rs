//! What usually lies behind a refusal, and what to do about it.

use serde_json::Value;

use crate::document::Node;

/// What is known when a token is refused.
pub(super) struct Case<'c> {
    pub(super) reason: &'c str,
    /// The token's claims, not verified.
    pub(super) claims: &'c Value,
    /// `validate` of the operation over that of `defaults`.
    pub(super) validate: Vec<&'c Node>,
    /// The issuers of the configuration.
    pub(super) issuers: Option<&'c Node>,
    pub(super) now: u64,
}

/// Microsoft Graph, as `aud` has it.
const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];

impl Case<'_> {
    fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, claim: &str) -> Option<u64> {
        self.claims.get(claim).and_then(Value::as_u64)
    }

    fn has(&self, claim: &str) -> bool {
        self.claims.get(claim).is_some()
    }

    /// The words of a list in `validate`, such as `audiences`.
    fn asked(&self, name: &str) -> Vec<&str> {
        let lists = self.validate.iter().filter_map(|validate| validate.get(name));
        lists.flat_map(|list| list.items().iter().filter_map(Node::as_str)).collect()
    }

    fn asks_for_claim(&self, name: &str) -> bool {
        let claims = self.validate.iter().filter_map(|validate| validate.get("required_claims"));
        let named = |claim: &Node| claim.get("name").and_then(Node::as_str) == Some(name);
        claims.into_iter().any(|claims| claims.items().iter().any(named))
    }

    fn is_version_1(&self) -> bool {
        self.text("ver") == "1.0" || self.text("iss").starts_with("https://sts.windows.net/")
    }

    /// Whether an issuer of the configuration takes tokens of one version alone.
    fn only_version(&self, version: &str) -> bool {
        let issuers = self.issuers.map(Node::members).unwrap_or_default();
        issuers.iter().any(|issuer| {
            let discovery = issuer.node.get("discovery").and_then(Node::as_str).unwrap_or_default();
            let versions = issuer.node.at(&["entra", "versions"]).map(Node::items).unwrap_or_default();
            let by_url = discovery.starts_with("https://login.microsoftonline.com/")
                && discovery.contains("/v2.0/") == (version == "v2");
            by_url || matches!(versions, [only] if only.as_str() == Some(version))
        })
    }

    /// What the refusal means here, in sentences. Claims' values are not among them.
    pub(super) fn explain(&self) -> Vec<String> {
        let told = match self.reason {
            "issuer_not_allowed" | "token_version_not_allowed" => self.issuer(),
            "tenant_not_allowed" => "The token is from another tenant than the issuer's configuration names. Check in which \
                                     tenant the caller's identity lives, and `tenants`."
                .to_owned(),
            "audience_not_allowed" => self.audience(),
            "claim_missing" | "claim_not_allowed" => self.claim(),
            "caller_type_not_allowed" => self.caller_type(),
            "client_not_allowed" => "The token is good, but the application that asked for it is none of \
                                     `client_application_ids`. Compare with `azp` (v1: `appid`); for a managed identity that \
                                     is its client id, not its object id."
                .to_owned(),
            "token_expired" => self.expired(),
            "token_not_yet_valid" => "The token begins in the future: the clock of the machine that runs Envoy is behind, or \
                                      the issuer's is ahead. Synchronise it; `clock_skew` bridges seconds."
                .to_owned(),
            "key_not_found" => "No key of the set has the token's `kid`. It was signed by another issuer (tenant, cloud, \
                                B2C policy), or the key set given here is older than the key."
                .to_owned(),
            "signature_invalid" => "The key that the token names has not signed it. The token was changed on its way, or \
                                    somebody made it."
                .to_owned(),
            "scheme_not_allowed" => "The header holds something else than the scheme and one token. A token in a header of \
                                     your own has no `Bearer ` before it."
                .to_owned(),
            "token_malformed" => "This is no JWT. An opaque access token, as Microsoft Graph and some others hand out, cannot \
                                  be checked by anybody but its own resource; was the right scope asked for?"
                .to_owned(),
            "algorithm_not_allowed" => "The token is signed with an algorithm that the issuer's `algorithms` do not list. \
                                        Add it there if the issuer really signs so; nothing is taken from the token."
                .to_owned(),
            _ => return Vec::new(),
        };
        vec![told]
    }

    fn issuer(&self) -> String {
        if self.is_version_1() && self.only_version("v2") {
            return "The token is of version 1.0 and the issuer takes version 2.0 only. The API's app registration decides, not \
                    the endpoint or the caller: set `api.requestedAccessTokenVersion` to 2 there, or allow `versions: \
                    [v1, v2]`."
                .to_owned();
        }
        if self.text("ver") == "2.0" && self.only_version("v1") {
            return "The token is of version 2.0 and the issuer takes version 1.0 only. The API's app registration asks for \
                    version 2 (`api.requestedAccessTokenVersion`): allow `versions: [v1, v2]`."
                .to_owned();
        }
        "The token is from an issuer that this operation does not trust: another tenant, another cloud, or another identity \
         provider than the configuration names."
            .to_owned()
    }

    fn audience(&self) -> String {
        let asked = self.asked("audiences");
        let given: Vec<&str> = match self.claims.get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_guid =
            |text: &str| text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if given.is_empty() {
            return "The token has no audience.".to_owned();
        }
        if given.iter().any(|audience| GRAPH.contains(&audience.trim_end_matches('/'))) {
            return "The token is for Microsoft Graph, not for this API. Whoever asked for it left the scope out or named \
                    Graph's: ask for `<the API's App ID URI or client id>/.default`."
                .to_owned();
        }
        if given.iter().any(|audience| audience.contains("/.default")) {
            return "The token's audience ends in `/.default`: the scope was asked for with it twice, or as a v1 resource. Ask \
                    for it once."
                .to_owned();
        }
        if given
            .iter()
            .any(|given| asked.iter().any(|asked| asked.trim_end_matches('/') == given.trim_end_matches('/')))
        {
            return "The audiences differ in a trailing slash alone. They are compared exactly: a v1 token has the slash if the \
                    caller asked with it."
                .to_owned();
        }
        if given.iter().any(|given| is_guid(given)) && asked.iter().any(|asked| asked.starts_with("api://")) {
            return "The token's audience is a client id (a GUID), and the operation asks for an App ID URI. A v2 token always \
                    has the API's client id: list it in `audiences`."
                .to_owned();
        }
        if given.iter().any(|given| given.starts_with("api://")) && asked.iter().any(|asked| is_guid(asked)) {
            return "The token's audience is an App ID URI, and the operation asks for a client id. A v1 token has what the \
                    caller asked for: list the URI in `audiences` too, or let the API take v2 tokens."
                .to_owned();
        }
        "The token is for another API. Its `aud` must be one of `audiences`, exactly.".to_owned()
    }

    fn claim(&self) -> String {
        let asks_for_roles =
            self.asks_for_claim("roles") || self.validate.iter().any(|v| v.get("roles").is_some());
        let is_user = self.has("scp");
        match (asks_for_roles, self.has("roles")) {
            (true, false) if is_user => {
                return "The token is a user's (it has `scp` and no `roles`), and the operation asks for an application role. \
                        Let the caller use client credentials or a managed identity, or ask for `scp` here."
                    .to_owned();
            }
            (true, false) => {
                return "The token has no roles at all. The role is not assigned to the caller's identity, or it was assigned \
                        after the token was made: a managed identity's token is cached for up to a day and cannot be \
                        refreshed early."
                    .to_owned();
            }
            (true, true) => {
                return "The token has roles, but not the one that this operation asks for. Assign it to the caller's \
                        identity; a managed identity's token shows it only after up to a day."
                    .to_owned();
            }
            _ => {}
        }
        if self.asks_for_claim("scp") && !is_user {
            return "The token is an application's (it has no `scp`), and the operation asks for a scope that a user has \
                    granted. An application's permissions are in `roles`."
                .to_owned();
        }
        "A claim that the operation asks for is not in the token, or has another value. Claims are compared exactly; a claim \
         of several values in one string needs `separator`."
            .to_owned()
    }

    fn caller_type(&self) -> String {
        if self.has("scp") {
            return "The token is a user's, and the operation takes applications' only.".to_owned();
        }
        "The operation takes users' tokens only, or the token does not tell what it is: give the API the optional claim \
         `idtyp`."
            .to_owned()
    }

    fn expired(&self) -> String {
        let ago = self.number("exp").map(|exp| self.now.saturating_sub(exp)).unwrap_or_default();
        let life = self.number("exp").zip(self.number("iat")).map(|(exp, iat)| exp.saturating_sub(iat) / 60);
        let life = life.map(|minutes| format!(" It lived {minutes} minutes.")).unwrap_or_default();
        format!(
            "The token ended {ago} seconds ago.{life} The caller keeps it too long, or the clocks differ."
        )
    }
}
