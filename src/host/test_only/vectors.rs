//! Signatures of published vectors, checked by Envoy and by the VM side by side.

use super::super::crypto::{Envoy, EnvoyVerifier};
use crate::json::Json;
use crate::jwt::{Algorithm, Jwk, Jwks, Software, Verifier, base64url};

/// Two letters for each case of a JSON list of `{alg, key, message, signature}`: what Envoy says and what the VM says,
/// `y`, `n`, or `-` where it cannot be asked. `None` where it is no such list.
pub(super) fn verdicts(cases: &[u8]) -> Option<String> {
    let verifier = EnvoyVerifier::probe(Envoy);
    let Ok(Json::Array(cases)) = Json::parse(cases) else { return None };
    cases.iter().map(|case| verdict(&verifier, case)).collect()
}

fn verdict(verifier: &EnvoyVerifier, case: &Json) -> Option<String> {
    let members = case.as_object()?;
    let text = |name| members.get(name)?.as_str();
    let (algorithm, message) = (Algorithm::from_name(text("alg")?)?, base64url(text("message")?)?);
    let signature = base64url(text("signature")?)?;
    let set = Jwks::parse(format!(r#"{{"keys":[{}]}}"#, text("key")?).as_bytes()).ok()?;
    let key = set.keys.first().and_then(|jwk: &Jwk| verifier.prepare(&jwk.key).ok());
    let Some(key) = key else { return Some("--".to_owned()) };
    let by_host = match verifier.by_host().contains(&algorithm) {
        true => verifier.ask_host(algorithm, &key, &message, &signature),
        false => None,
    };
    let by_vm = Software.verify(algorithm, key.software(), &message, &signature);
    let letter = |verdict| match verdict {
        Some(true) => 'y',
        Some(false) => 'n',
        None => '-',
    };
    Some([letter(by_host), letter(Some(by_vm))].iter().collect())
}
