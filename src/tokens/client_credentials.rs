use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};

use super::assertion::SignedAssertion;
use super::inputs::Inputs;
use super::target::Target;
use crate::calls::{CallFailure, CallRequest, Url};
use crate::fingerprint::Fingerprint;
use crate::secret::SecretString;
use crate::time::Now;

/// A token endpoint, asked with the client credentials grant (RFC 6749, section 4.4).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Envoy's cluster for the endpoint's host.
    pub cluster: String,
    /// The endpoint.
    pub token_url: Url,
    /// Whose it is.
    pub dialect: Dialect,
    /// The client's id.
    pub client_id: String,
    /// How the client proves who it is.
    pub credential: Credential,
    /// Further parameters of the request.
    pub parameters: Vec<(String, String)>,
}

/// What a token endpoint calls the thing that a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `resource`, as Entra's `/oauth2/token`.
    EntraV1,
    /// `scope` with `/.default`, as Entra's `/oauth2/v2.0/token`.
    EntraV2,
    /// Whatever is configured.
    Other,
}

/// How a client proves who it is. Secrets are named by their fingerprints.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `client_secret` in the body.
    Secret(Fingerprint),
    /// The secret in `Authorization: Basic` (RFC 6749, section 2.3.1).
    BasicSecret(Fingerprint),
    /// A token of another issuer that vouches for the client (RFC 7523, section 2.2): workload identity.
    FederatedToken(Fingerprint),
    /// A token that the client makes and signs itself (RFC 7523, section 2.2).
    SignedAssertion(SignedAssertion),
}

impl ClientCredentials {
    pub(super) const fn is_entra(&self) -> bool {
        matches!(self.dialect, Dialect::EntraV1 | Dialect::EntraV2)
    }

    pub(super) const fn name(&self) -> &'static str {
        match self.credential {
            Credential::Secret(_) | Credential::BasicSecret(_) => "client_secret",
            Credential::FederatedToken(_) => "workload_identity",
            Credential::SignedAssertion(_) => "client_assertion",
        }
    }

    pub(super) fn parts(&self) -> Vec<String> {
        let Url { https, authority, path } = &self.token_url;
        let basic = matches!(self.credential, Credential::BasicSecret(_));
        let mut parts = vec![
            self.cluster.clone(),
            format!("{https} {authority} {path} {basic} {:?}", self.dialect),
            self.client_id.clone(),
        ];
        parts.extend(self.secrets().iter().map(ToString::to_string));
        if let Credential::SignedAssertion(assertion) = &self.credential {
            parts.extend(assertion.parts());
        }
        parts.extend(self.parameters.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        parts
    }

    pub(super) fn secrets(&self) -> Vec<Fingerprint> {
        match &self.credential {
            Credential::Secret(secret)
            | Credential::BasicSecret(secret)
            | Credential::FederatedToken(secret) => vec![*secret],
            Credential::SignedAssertion(assertion) => assertion.secrets(),
        }
    }

    pub(super) fn target(&self, target: &Target) -> Result<(&'static str, String), &'static str> {
        match self.dialect {
            Dialect::EntraV1 => Ok(("resource", target.resource()?.to_owned())),
            Dialect::EntraV2 => Ok(("scope", target.entra_scope()?.into_owned())),
            Dialect::Other => {
                let (name, value) = target.parameter();
                Ok((name, value.to_owned()))
            }
        }
    }

    pub(super) fn request(
        &self,
        target: &(&'static str, String),
        secrets: &[SecretString],
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Result<CallRequest, CallFailure> {
        let secret = secrets.first().ok_or(CallFailure::NoSecret)?.expose();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair(target.0, &target.1);
        form.extend_pairs(&self.parameters);
        let mut basic = None;
        match &self.credential {
            Credential::Secret(_) => {
                form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
            }
            Credential::BasicSecret(_) => basic = Some(self.basic(secret)),
            Credential::FederatedToken(_) => self.assert(&mut form, secret),
            Credential::SignedAssertion(assertion) => {
                let assertion = assertion.sign(&self.client_id, secrets, inputs, now)?;
                self.assert(&mut form, assertion.expose());
            }
        }
        let request = CallRequest::post(&self.cluster, self.token_url.clone(), form.finish())
            .with("accept", "application/json".to_owned());
        Ok(match basic {
            Some(basic) => request.with("authorization", basic),
            None => request,
        })
    }

    fn basic(&self, secret: &str) -> String {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(&self.client_id), encoded(secret))))
    }

    fn assert(&self, form: &mut Serializer<'_, String>, assertion: &str) {
        const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form.append_pair("client_id", &self.client_id)
            .append_pair("client_assertion_type", TYPE)
            .append_pair("client_assertion", assertion);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::tests::NoInputs;
    use super::*;

    fn client(dialect: Dialect, credential: Credential) -> ClientCredentials {
        let token_url = Url::parse("https://idp.example/token?p=1").unwrap();
        let parameters = vec![("x y".to_owned(), "a&b".to_owned())];
        ClientCredentials {
            cluster: "idp".into(),
            token_url,
            dialect,
            client_id: "a/b:c".into(),
            credential,
            parameters,
        }
    }

    fn request(credential: fn(Fingerprint) -> Credential, secret: &str) -> CallRequest {
        let client = client(Dialect::EntraV2, credential(Fingerprint::of(&["s"])));
        let target = client.target(&Target::Resource("https://x/".into())).unwrap();
        client.request(&target, &[SecretString::new(secret.into())], &mut NoInputs, Now::default()).unwrap()
    }

    #[test]
    fn a_secret_in_the_body_is_encoded() {
        let request = request(Credential::Secret, "p+q&r=s%t u~\u{e4}");
        assert_eq!((request.method, request.url.path.as_str()), ("POST", "/token?p=1"));
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(
            request.body.expose(),
            "grant_type=client_credentials&scope=https%3A%2F%2Fx%2F%2F.default&x+y=a%26b\
             &client_id=a%2Fb%3Ac&client_secret=p%2Bq%26r%3Ds%25t+u%7E%C3%A4"
        );
        assert!(!format!("{request:?}").contains("p%2Bq"));
    }

    #[test]
    fn basic_authentication_encodes_id_and_secret_before_they_are_joined() {
        let request = request(Credential::BasicSecret, "s:t u");
        let expected = format!("Basic {}", STANDARD.encode("a%2Fb%3Ac:s%3At+u"));
        assert_eq!(request.header("authorization"), Some(expected.as_str()));
        let body = request.body.expose();
        assert!(!body.contains("client_secret") && !body.contains("client_id"), "{body}");
    }

    #[test]
    fn a_federated_token_is_an_assertion() {
        let body = request(Credential::FederatedToken, "e30.e30.c2ln").body;
        let end = "&client_id=a%2Fb%3Ac&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A\
                   jwt-bearer&client_assertion=e30.e30.c2ln";
        assert!(body.expose().ends_with(end), "{}", body.expose());
    }

    #[test]
    fn each_endpoint_gets_its_own_word_for_the_target() {
        let target = |dialect, target: &Target| {
            client(dialect, Credential::Secret(Fingerprint::of(&[]))).target(target)
        };
        let resource = Target::Resource("api://a".into());
        assert_eq!(target(Dialect::EntraV1, &resource), Ok(("resource", "api://a".into())));
        assert_eq!(target(Dialect::EntraV2, &resource), Ok(("scope", "api://a/.default".into())));
        assert_eq!(target(Dialect::Other, &resource), Ok(("resource", "api://a".into())));
        let scope = Target::Scope("read write".into());
        assert_eq!(target(Dialect::Other, &scope), Ok(("scope", "read write".into())));
        assert!(target(Dialect::EntraV2, &scope).is_err());
    }

    #[test]
    fn clients_that_differ_in_anything_share_no_token() {
        let base = client(Dialect::Other, Credential::Secret(Fingerprint::of(&["s"])));
        let mut others = vec![base.clone(); 7];
        others[0].cluster = "other".into();
        others[1].token_url.path = "/other".into();
        others[2].dialect = Dialect::EntraV1;
        others[3].client_id = "other".into();
        others[4].credential = Credential::Secret(Fingerprint::of(&["t"]));
        others[5].credential = Credential::BasicSecret(Fingerprint::of(&["s"]));
        others[6].parameters.clear();
        assert!(others.iter().all(|other| other.parts() != base.parts()));
        assert_eq!(base.clone().parts(), base.parts());
    }
}
