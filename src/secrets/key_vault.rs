use std::rc::Rc;
use std::time::Duration;

use form_urlencoded::byte_serialize;

use crate::calls::{CallRequest, Unusable, Url};
use crate::fingerprint::Fingerprint;
use crate::json::Json;
use crate::secret::SecretString;
use crate::tokens::{self, Target};

/// The suffixes of vaults' hosts, one for each cloud.
const SUFFIXES: [&str; 3] = [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net"];

/// An Azure Key Vault: `https://<name>.vault.azure.net`, or its like in another cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    url: Url,
    /// The cloud's suffix, without the dot before it.
    suffix: &'static str,
}

impl Vault {
    /// Reads a vault's URL. A host with another suffix would be sent a token for Key Vault.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).filter(|url| url.https && url.path == "/")?;
        let suffix = SUFFIXES.into_iter().find(|suffix| url.authority.ends_with(suffix))?;
        let name = url.authority.strip_suffix(suffix)?;
        let is_name = (3..=24).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_name.then(|| Self { suffix: suffix.trim_start_matches('.'), url })
    }

    /// What a token for this vault is for.
    pub fn target(&self) -> Target {
        Target::Resource(format!("https://{}", self.suffix))
    }
}

/// A secret of a vault (REST API "Get Secret", version 7.4).
#[derive(Debug)]
pub struct KeyVault {
    /// The vault.
    pub vault: Vault,
    /// The secret's name.
    pub name: String,
    /// Which version of it, where not the current one.
    pub version: Option<String>,
    /// Envoy's cluster for the vault's host.
    pub cluster: String,
    /// The token that asks for it.
    pub token: Rc<tokens::Definition>,
    /// How often it is read again.
    pub refresh: Duration,
}

impl KeyVault {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&[
            "key_vault",
            &self.vault.url.authority,
            &self.name,
            self.version.as_deref().unwrap_or_default(),
            &self.cluster,
            &self.token.fingerprint.to_string(),
        ])
    }

    pub(super) fn request(&self, token: &SecretString) -> CallRequest {
        let mut path = format!("/secrets/{}", byte_serialize(self.name.as_bytes()).collect::<String>());
        if let Some(version) = &self.version {
            path.push('/');
            path.extend(byte_serialize(version.as_bytes()));
        }
        path.push_str("?api-version=7.4");
        CallRequest::get(&self.cluster, Url { path, ..self.vault.url.clone() })
            .with("accept", "application/json".to_owned())
            .with("authorization", format!("Bearer {}", token.expose()))
    }
}

/// The value in a vault's answer.
pub(super) fn read(body: &[u8]) -> Result<String, Unusable> {
    let Ok(Json::Object(members)) = Json::parse(body) else { return Err(Unusable::NotTheJson) };
    let attributes = members.get("attributes").and_then(Json::as_object);
    if attributes.and_then(|attributes| attributes.get("enabled")) == Some(&Json::Bool(false)) {
        return Err(Unusable::Disabled);
    }
    members.get("value").and_then(Json::as_str).map(ToOwned::to_owned).ok_or(Unusable::NoSecret)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_vaults_host_has_the_suffix_of_a_cloud() {
        for (text, resource) in [
            ("https://contoso.vault.azure.net", "https://vault.azure.net"),
            ("https://Contoso-1.vault.azure.net/", "https://vault.azure.net"),
            ("https://contoso.vault.azure.cn", "https://vault.azure.cn"),
            ("https://contoso.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
        ] {
            assert_eq!(Vault::parse(text).unwrap().target(), Target::Resource(resource.into()), "{text}");
        }
        for text in [
            "http://contoso.vault.azure.net",
            "https://vault.azure.net",
            "https://.vault.azure.net",
            "https://a.b.vault.azure.net",
            "https://contoso.vault.azure.net:8443",
            "https://contoso.vault.azure.net/secrets/x",
            "https://contoso.vault.azure.net.example",
            "https://evilvault.azure.net",
            "https://evil.example/?.vault.azure.net",
            "https://u@contoso.vault.azure.net",
            "contoso.vault.azure.net",
        ] {
            assert_eq!(Vault::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_has_an_enabled_value() {
        let read = |body: &str| read(body.as_bytes());
        assert_eq!(read(r#"{"value":"v","attributes":{"enabled":true}}"#), Ok("v".into()));
        assert_eq!(read(r#"{"value":"v"}"#), Ok("v".into()));
        assert_eq!(read(r#"{"value":"v","attributes":{"enabled":false}}"#), Err(Unusable::Disabled));
        assert_eq!(read(r#"{"value":7}"#), Err(Unusable::NoSecret));
        assert_eq!(read("<html>"), Err(Unusable::NotTheJson));
        assert_eq!(read(""), Err(Unusable::NotTheJson));
    }
}
