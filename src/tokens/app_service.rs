use form_urlencoded::Serializer;

use super::imds::AssignedIdentity;
use crate::calls::{CallRequest, Url};
use crate::secret::SecretString;

/// The endpoint of App Service, Functions and Container Apps, as the platform puts it into the environment.
///
/// `GET $IDENTITY_ENDPOINT?resource=…&api-version=2019-08-01` with `X-IDENTITY-HEADER: $IDENTITY_HEADER`. (Microsoft
/// Learn: "How to use managed identities for App Service and Azure Functions".)
#[derive(Clone, Debug)]
pub struct AppService {
    /// Envoy's cluster for the endpoint's host and port.
    pub cluster: String,
    /// `IDENTITY_ENDPOINT`.
    pub endpoint: Url,
    /// `IDENTITY_HEADER`.
    pub header: SecretString,
    /// Which identity.
    pub identity: AssignedIdentity,
}

impl AppService {
    pub(super) fn parts(&self) -> Vec<String> {
        let (name, id) = self.parameter();
        let endpoint = [&self.cluster, &self.endpoint.authority, &self.endpoint.path, self.header.expose()];
        endpoint.into_iter().chain([name, id]).map(ToOwned::to_owned).collect()
    }

    fn parameter(&self) -> (&'static str, &str) {
        match &self.identity {
            AssignedIdentity::System => ("system_assigned", ""),
            AssignedIdentity::ClientId(id) => ("client_id", id),
            AssignedIdentity::ObjectId(id) => ("principal_id", id),
            AssignedIdentity::ResourceId(id) => ("mi_res_id", id),
        }
    }

    pub(super) fn request(&self, resource: &str) -> CallRequest {
        let separator = if self.endpoint.path.contains('?') { '&' } else { '?' };
        let start = format!("{}{separator}", self.endpoint.path);
        let length = start.len();
        let mut query = Serializer::for_suffix(start, length);
        query.append_pair("api-version", "2019-08-01").append_pair("resource", resource);
        if self.identity != AssignedIdentity::System {
            let (name, id) = self.parameter();
            query.append_pair(name, id);
        }
        let url = Url { path: query.finish(), ..self.endpoint.clone() };
        CallRequest::get(&self.cluster, url).with("x-identity-header", self.header.expose().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn request(endpoint: &str, identity: AssignedIdentity) -> CallRequest {
        let (endpoint, header) = (Url::parse(endpoint).unwrap(), SecretString::new("canary".into()));
        AppService { cluster: "msi".into(), endpoint, header, identity }.request("api://a")
    }

    #[test]
    fn the_request_is_azures() {
        let base = "/msi/token?api-version=2019-08-01&resource=api%3A%2F%2Fa";
        for (identity, rest) in [
            (AssignedIdentity::System, ""),
            (AssignedIdentity::ClientId("c".into()), "&client_id=c"),
            (AssignedIdentity::ObjectId("o".into()), "&principal_id=o"),
            (AssignedIdentity::ResourceId("/r".into()), "&mi_res_id=%2Fr"),
        ] {
            let request = request("http://localhost:42356/msi/token", identity);
            assert_eq!(request.url.path, format!("{base}{rest}"));
            assert_eq!((request.url.authority.as_str(), request.url.https), ("localhost:42356", false));
            assert_eq!(request.header("x-identity-header"), Some("canary"));
            assert!(!format!("{request:?}").contains("canary"));
        }
    }

    #[test]
    fn an_endpoint_with_a_query_keeps_it() {
        let request = request("http://127.0.0.1:41741/msi/token/?a=b", AssignedIdentity::System);
        assert!(request.url.path.starts_with("/msi/token/?a=b&api-version="), "{}", request.url.path);
    }
}
