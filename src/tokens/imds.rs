use form_urlencoded::Serializer;

use crate::calls::{CallRequest, Url};

/// The instance metadata service of virtual machines, scale sets and AKS nodes.
///
/// `GET http://169.254.169.254/metadata/identity/oauth2/token` with `Metadata: true`; HTTP only, no
/// `X-Forwarded-For`. (Microsoft Learn: "How to use managed identities on a VM to acquire an access token".)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imds {
    /// Envoy's cluster.
    pub cluster: String,
    /// Which identity.
    pub identity: AssignedIdentity,
}

/// Which of the identities that a machine or an app has been assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignedIdentity {
    /// Its own, system-assigned.
    System,
    /// A user-assigned one, by client id.
    ClientId(String),
    /// A user-assigned one, by object id.
    ObjectId(String),
    /// A user-assigned one, by Azure resource id.
    ResourceId(String),
}

impl AssignedIdentity {
    fn parameter(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::System => None,
            Self::ClientId(id) => Some(("client_id", id)),
            Self::ObjectId(id) => Some(("object_id", id)),
            Self::ResourceId(id) => Some(("msi_res_id", id)),
        }
    }
}

impl Imds {
    pub(super) fn parts(&self) -> Vec<String> {
        let (name, id) = self.identity.parameter().unwrap_or(("system_assigned", ""));
        [&self.cluster, name, id].map(ToOwned::to_owned).to_vec()
    }

    /// The request for a token.
    pub(super) fn request(&self, resource: &str) -> CallRequest {
        let endpoint = String::from("/metadata/identity/oauth2/token?");
        let start = endpoint.len();
        let mut query = Serializer::for_suffix(endpoint, start);
        query.append_pair("api-version", "2018-02-01").append_pair("resource", resource);
        if let Some((name, id)) = self.identity.parameter() {
            query.append_pair(name, id);
        }
        let url = Url { https: false, authority: "169.254.169.254".to_owned(), path: query.finish() };
        CallRequest::get(&self.cluster, url).with("metadata", "true".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn path(identity: AssignedIdentity, resource: &str) -> String {
        Imds { cluster: "imds".into(), identity }.request(resource).url.path
    }

    #[test]
    fn the_request_is_azures() {
        let base = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fcontoso-api";
        assert_eq!(path(AssignedIdentity::System, "api://contoso-api"), base);
        assert_eq!(
            path(AssignedIdentity::ClientId("a b".into()), "api://contoso-api"),
            format!("{base}&client_id=a+b")
        );
        assert_eq!(
            path(AssignedIdentity::ObjectId("o".into()), "api://contoso-api"),
            format!("{base}&object_id=o")
        );
        assert_eq!(
            path(AssignedIdentity::ResourceId("/r".into()), "api://contoso-api"),
            format!("{base}&msi_res_id=%2Fr")
        );
    }
}
