//! Which callers an operation lets pass: their application, the kind of their token, their roles and claims.

use super::claims::{Denied, Requirement};
use super::path::Parameters;
use crate::guid::is_guid;
use crate::json::document::Value;
use crate::jwt::{Claims, VerifiedToken};

/// What an operation asks of a caller whose token is genuine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerRules {
    /// The applications that may call; without it, all.
    pub clients: Option<ClientApplications>,
    /// The kind of token; without it, both.
    pub token_type: Option<TokenType>,
    /// Roles and other claims: each entry must be satisfied.
    pub required: Vec<Requirement>,
}

/// Ids of applications. GUIDs are compared without regard to case, others as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationIds(Vec<String>);

impl ApplicationIds {
    /// These ids.
    pub const fn new(ids: Vec<String>) -> Self {
        Self(ids)
    }

    /// The ids.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether `id` is one of them.
    pub fn contain(&self, id: &str) -> bool {
        self.0.iter().any(|known| known == id || (is_guid(known) && known.eq_ignore_ascii_case(id)))
    }
}

/// The applications that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientApplications {
    /// Their ids.
    pub ids: ApplicationIds,
    /// Where the issuer's tokens tell which application asked for them.
    pub claims: ClientClaims,
}

/// Where a token tells which application asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClaims {
    /// Entra: `appid` in version 1.0, `azp` in version 2.0.
    Entra,
    /// Others: `azp` (OpenID Connect Core 1.0, section 2) or `client_id` (RFC 9068, section 2.2). Where a token has
    /// both, both count.
    OpenId,
}

impl ClientApplications {
    fn check(&self, claims: &Claims) -> Result<(), Denied> {
        let names: &[&str] = match (self.claims, claims.get("ver").and_then(Value::as_str)) {
            (ClientClaims::OpenId, _) => &["azp", "client_id"],
            (ClientClaims::Entra, Some("1.0")) => &["appid"],
            (ClientClaims::Entra, Some("2.0")) => &["azp"],
            (ClientClaims::Entra, _) => &[],
        };
        let mut told = names.iter().filter_map(|name| claims.get(name)).peekable();
        let is_told = told.peek().is_some();
        let mut are_known = told.map(|id| id.as_str().is_some_and(|id| self.ids.contain(id)));
        match is_told && are_known.all(|is_known| is_known) {
            true => Ok(()),
            false => Err(Denied::ClientNotAllowed),
        }
    }
}

/// The kinds of Entra's access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An application for itself.
    App,
    /// An application on behalf of a user.
    User,
}

impl TokenType {
    /// The kind of a token of Entra: `idtyp`, where the API has it; else an application's token has no `scp`, and
    /// its `oid` is its `sub`, and a user's token has a `scp`.
    fn of(claims: &Claims) -> Option<Self> {
        let text = |name| claims.get(name).and_then(Value::as_str);
        let scope = claims.get("scp");
        let is_own_subject = text("oid").is_some() && text("oid") == text("sub");
        match (claims.get("idtyp").map(Value::as_str), scope) {
            (Some(Some("app")), None) => Some(Self::App),
            (None, None) if is_own_subject => Some(Self::App),
            (Some(Some("user")) | None, Some(Value::String(scope))) if !scope.is_empty() => Some(Self::User),
            _ => None,
        }
    }

    fn check(self, claims: &Claims) -> Result<(), Denied> {
        if Self::of(claims) == Some(self) { Ok(()) } else { Err(Denied::CallerTypeNotAllowed) }
    }
}

/// The proof that the caller may do what it asks for. Only this room makes one.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

impl Permit {
    /// Lets a caller pass whose token has what `rules` ask for, for this method and these parameters.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn for_caller(
        rules: &CallerRules,
        method: &str,
        parameters: &Parameters,
        token: &VerifiedToken,
    ) -> Result<Self, Denied> {
        let claims = token.claims();
        rules.clients.as_ref().map_or(Ok(()), |clients| clients.check(claims))?;
        rules.token_type.map_or(Ok(()), |token_type| token_type.check(claims))?;
        rules.required.iter().try_for_each(|required| required.check(method, parameters, claims))?;
        Ok(Self(()))
    }

    /// Lets a caller pass of whom nothing is known: its operation's configuration says that it may.
    pub const fn without_identity() -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::UnverifiedToken;
    use crate::jwt::testing::encode;

    const CLIENT: &str = "c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

    fn of_claims<T>(payload: &str, ask: impl FnOnce(&Claims) -> T) -> T {
        let payload = payload.replace("CLIENT", CLIENT);
        let token = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(payload), encode("signature"));
        ask(UnverifiedToken::parse(&token).unwrap().claims())
    }

    fn may_call(claims: ClientClaims, ids: &[&str], payload: &str) -> bool {
        let ids = ApplicationIds::new(ids.iter().map(ToString::to_string).collect());
        of_claims(payload, |token| ClientApplications { ids, claims }.check(token).is_ok())
    }

    #[test]
    fn entras_client_is_appid_in_version_1_and_azp_in_version_2_and_never_the_other() {
        let other = "00000000-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
        for (payload, may) in [
            (r#"{"ver":"2.0","azp":"CLIENT"}"#, true),
            (r#"{"ver":"1.0","appid":"CLIENT"}"#, true),
            (r#"{"ver":"2.0","azp":"CLIENT","appid":"else"}"#, true),
            (r#"{"ver":"2.0","appid":"CLIENT"}"#, false),
            (r#"{"ver":"1.0","azp":"CLIENT"}"#, false),
            (r#"{"ver":"2.0","azp":"else","appid":"CLIENT"}"#, false),
            (r#"{"azp":"CLIENT","appid":"CLIENT"}"#, false),
            (r#"{"ver":"3.0","azp":"CLIENT","appid":"CLIENT"}"#, false),
            (r#"{"ver":"2.0","azp":["CLIENT"]}"#, false),
            (r#"{"ver":"2.0","azp":""}"#, false),
            (r#"{"ver":"2.0","client_id":"CLIENT"}"#, false),
            (r#"{"ver":"2.0"}"#, false),
        ] {
            assert_eq!(may_call(ClientClaims::Entra, &[other, CLIENT], payload), may, "{payload}");
            assert!(!may_call(ClientClaims::Entra, &[other], payload), "{payload}");
        }
        let upper = r#"{"ver":"2.0","azp":"CLIENT"}"#.replace("CLIENT", &CLIENT.to_uppercase());
        assert!(may_call(ClientClaims::Entra, &[CLIENT], &upper));
    }

    #[test]
    fn elsewhere_the_client_is_azp_and_client_id_and_where_both_are_there_both_count() {
        for (payload, may) in [
            (r#"{"azp":"portal"}"#, true),
            (r#"{"client_id":"portal"}"#, true),
            (r#"{"azp":"portal","client_id":"portal"}"#, true),
            (r#"{"azp":"portal","client_id":"else"}"#, false),
            (r#"{"azp":"else","client_id":"portal"}"#, false),
            (r#"{"azp":"Portal"}"#, false),
            (r#"{"azp":null}"#, false),
            (r#"{"appid":"portal"}"#, false),
            ("{}", false),
        ] {
            assert_eq!(may_call(ClientClaims::OpenId, &["portal"], payload), may, "{payload}");
        }
    }

    #[test]
    fn an_applications_token_is_not_a_users_and_an_unclear_one_is_neither() {
        use TokenType::{App, User};
        for (payload, kind) in [
            (r#"{"idtyp":"app","oid":"o","sub":"s"}"#, Some(App)),
            (r#"{"oid":"o","sub":"o"}"#, Some(App)),
            (r#"{"scp":"read","oid":"o","sub":"s"}"#, Some(User)),
            (r#"{"scp":"read","oid":"o","sub":"o"}"#, Some(User)),
            (r#"{"idtyp":"user","scp":"read"}"#, Some(User)),
            (r#"{"idtyp":"app","scp":"read","oid":"o","sub":"o"}"#, None),
            (r#"{"idtyp":"user","oid":"o","sub":"o"}"#, None),
            (r#"{"idtyp":"device","oid":"o","sub":"o"}"#, None),
            (r#"{"idtyp":["app"],"oid":"o","sub":"o"}"#, None),
            (r#"{"oid":"o","sub":"s"}"#, None),
            (r#"{"scp":"","oid":"o","sub":"o"}"#, None),
            (r#"{"scp":null,"oid":"o","sub":"o"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(of_claims(payload, TokenType::of), kind, "{payload}");
            for asked in [App, User] {
                assert_eq!(of_claims(payload, |claims| asked.check(claims).is_ok()), kind == Some(asked));
            }
        }
    }
}
