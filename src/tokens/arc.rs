use form_urlencoded::Serializer;

use crate::calls::{Answer, CallFailure, CallRequest, Unusable, Url};
use crate::secret::SecretString;

/// Where the agent puts its challenges.
const CHALLENGES: &str = "/var/opt/azcmagent/tokens/";
const MAX_CHALLENGE_BYTES: usize = 4_096;

/// A machine that Azure Arc has joined.
///
/// The agent answers the first request with 401 and the name of a file that only the right users may read; the second
/// request shows its content. (Microsoft Learn: "Authenticate against Azure resources with Azure Arc-enabled servers".)
#[derive(Clone, Debug)]
pub struct Arc {
    /// Envoy's cluster for the agent.
    pub cluster: String,
    /// The agent's endpoint: `http://localhost:40342/metadata/identity/oauth2/token` where nothing else is said.
    pub endpoint: Url,
    /// Envoy's cluster that serves the challenge files under their own paths.
    pub challenge_files: String,
}

impl Arc {
    pub(super) fn parts(&self) -> Vec<String> {
        let Url { authority, path, .. } = &self.endpoint;
        vec![self.cluster.clone(), authority.clone(), path.clone(), self.challenge_files.clone()]
    }

    pub(super) fn request(&self, resource: &str) -> CallRequest {
        let start = format!("{}?", self.endpoint.path);
        let length = start.len();
        let mut query = Serializer::for_suffix(start, length);
        query.append_pair("api-version", "2020-06-01").append_pair("resource", resource);
        let url = Url { path: query.finish(), ..self.endpoint.clone() };
        CallRequest::get(&self.cluster, url).with("metadata", "true".to_owned())
    }

    /// First the challenge's file, then the request that shows its content.
    pub(super) fn next_request(
        &self,
        step: usize,
        answer: &Answer,
        resource: &str,
    ) -> Option<Result<CallRequest, CallFailure>> {
        match (step, answer.status) {
            (0, 401) => Some(self.file(answer)),
            (1, 200) => Some(self.shown(answer, resource)),
            (1, status) => Some(Err(CallFailure::Status(status))),
            _ => None,
        }
    }

    fn file(&self, answer: &Answer) -> Result<CallRequest, CallFailure> {
        let challenge = answer.challenge.as_deref().and_then(challenge_file);
        let path = challenge.ok_or(CallFailure::Unusable(Unusable::Challenge))?;
        let url = Url { https: false, authority: "localhost".to_owned(), path: path.to_owned() };
        Ok(CallRequest::get(&self.challenge_files, url))
    }

    fn shown(&self, answer: &Answer, resource: &str) -> Result<CallRequest, CallFailure> {
        if answer.body.is_empty() || answer.body.len() > MAX_CHALLENGE_BYTES {
            return Err(CallFailure::Unusable(Unusable::Challenge));
        }
        let content = std::str::from_utf8(&answer.body).map(|text| SecretString::new(text.trim().to_owned()));
        let content = content.ok().ok_or(CallFailure::Unusable(Unusable::Challenge))?;
        let credential = content.header_value().ok_or(CallFailure::Unusable(Unusable::Challenge))?;
        Ok(self.request(resource).with("authorization", format!("Basic {credential}")))
    }
}

/// The file that a challenge `Basic realm=<path>` names, if it lies where challenges lie: whoever answers could have
/// any other file read.
fn challenge_file(challenge: &str) -> Option<&str> {
    let (scheme, realm) = challenge.split_once(' ')?;
    let path = realm.trim().strip_prefix("realm=")?.trim_matches('"');
    let name = path.strip_prefix(CHALLENGES)?.strip_suffix(".key")?;
    let is_name = (1..=200).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (scheme.eq_ignore_ascii_case("basic") && is_name).then_some(path)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const FILE: &str = "/var/opt/azcmagent/tokens/11111111-2222.key";

    fn arc() -> Arc {
        let endpoint = Url::parse("http://localhost:40342/metadata/identity/oauth2/token").unwrap();
        Arc { cluster: "himds".into(), endpoint, challenge_files: "files".into() }
    }

    fn answer(status: u16, challenge: Option<&str>, body: &str) -> Answer {
        let challenge = challenge.map(ToOwned::to_owned);
        Answer { status, retry_after: None, challenge, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_challenges_file_is_read_and_shown() {
        let first = arc().request("api://a");
        assert_eq!(
            first.url.path,
            "/metadata/identity/oauth2/token?api-version=2020-06-01&resource=api%3A%2F%2Fa"
        );
        assert_eq!(first.header("metadata"), Some("true"));
        let challenge = answer(401, Some(&format!("Basic realm={FILE}")), "");
        let file = arc().next_request(0, &challenge, "api://a").unwrap().unwrap();
        assert_eq!((file.cluster.as_str(), file.url.path.as_str()), ("files", FILE));
        let shown = arc().next_request(1, &answer(200, None, "c2VjcmV0==\n"), "api://a").unwrap().unwrap();
        assert_eq!(shown.header("authorization"), Some("Basic c2VjcmV0=="));
        assert_eq!(shown.url, first.url);
        assert!(arc().next_request(2, &answer(401, Some(FILE), ""), "api://a").is_none());
        assert!(arc().next_request(0, &answer(200, None, ""), "api://a").is_none());
    }

    #[test]
    fn a_challenge_leads_to_no_other_file() {
        for challenge in [
            "",
            "Basic",
            "Basic realm=",
            "Basic realm=/etc/passwd",
            "Basic realm=/var/opt/azcmagent/tokens/../../../etc/x.key",
            "Basic realm=/var/opt/azcmagent/tokens/a/b.key",
            "Basic realm=/var/opt/azcmagent/tokens/a.txt",
            "Basic realm=/var/opt/azcmagent/tokens/.key",
            "Basic realm=/var/opt/azcmagent/tokens/a%2fb.key",
            "Basic realm=/var/opt/azcmagent/tokensx/a.key",
            "Bearer realm=/var/opt/azcmagent/tokens/a.key",
            "Basic realm=/var/opt/azcmagent/tokens/a.key?x.key",
        ] {
            assert_eq!(challenge_file(challenge), None, "{challenge}");
        }
        assert_eq!(challenge_file(&format!("basic realm=\"{FILE}\"")), Some(FILE));
        let next = arc().next_request(0, &answer(401, None, ""), "r");
        assert_eq!(next, Some(Err(CallFailure::Unusable(Unusable::Challenge))));
    }

    #[test]
    fn a_file_that_is_not_there_empty_or_too_large_is_a_failure() {
        let next = |status, body: &str| arc().next_request(1, &answer(status, None, body), "r").unwrap();
        assert_eq!(next(404, "x"), Err(CallFailure::Status(404)));
        for body in [String::new(), "\n".into(), "a\nb".into(), "x".repeat(4_097)] {
            assert_eq!(next(200, &body), Err(CallFailure::Unusable(Unusable::Challenge)));
        }
    }
}
