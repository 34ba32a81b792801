//! Text that nobody would write, by the thousand and the same in every run: nothing panics, and what is accepted is
//! what a second, simpler check accepts too.

use std::collections::BTreeMap;

use gatepass::access::CanonicalPath;
use gatepass::config::Configuration;
use gatepass::environment::Environment;
use gatepass::json::Json;
use gatepass::jwt::{Jwks, Software, UnverifiedToken, Verifier};
use gatepass::time::UnixTime;
use gatepass::tokens::read_answer;

use gatepass_attacks::Request;
use gatepass_attacks::keys::{Key, KeySpecs, base64url};
use gatepass_attacks::native::Gateway;
use gatepass_attacks::world::AUDIENCE;
use serde_json::{Value, json};

use crate::CORPUS;

/// Random numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).unwrap()
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A seed with one to four changes.
    fn mutated(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.of(seeds).clone();
        for _ in 0..=self.below(4) {
            let (at, end) = (self.below(bytes.len()), self.below(bytes.len() + 1));
            let (from, to) = (at.min(end), at.max(end));
            match self.below(6) {
                _ if bytes.is_empty() => bytes.push(b'{'),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.splice(at..at, self.of(words).iter().copied())),
                2 => drop(bytes.drain(from..to.min(from + 16))),
                3 => drop(bytes.splice(from..to.min(from + 8), self.of(words).iter().copied())),
                4 => {
                    let piece = bytes[from..to.min(from + 64)].to_vec();
                    drop(bytes.splice(at..at, piece));
                }
                _ => {
                    let other = self.of(seeds);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
            }
        }
        bytes
    }
}

const JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"1e400",
    b"0.5",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xef\xbb\xbf",
    b"18446744073709551616",
    b"{\"a\":",
    b"[[[[[[[[",
    b"//",
    b"\0",
    b" ",
];

fn json_seeds(values: &[Value]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.to_string().into_bytes()).collect()
}

#[test]
fn tokens() {
    let corpus = &*CORPUS;
    let seeds: Vec<_> = ["main", "ec", "wide-ed"].map(|base| corpus.good_token(base, 1_800_000_000)).into();
    let seeds: Vec<_> = seeds.into_iter().map(String::into_bytes).collect();
    let words: &[&[u8]] = &[b".", b"..", b"=", b"-", b"e30", b"eyJ", b"bnVsbA", b" ", b"\0", b"\xc3\xa9"];
    let mut random = Random(1);
    let mut read = 0;
    for _ in 0..40_000 {
        let text = random.mutated(&seeds, words);
        let Ok(text) = std::str::from_utf8(&text) else { continue };
        let Ok(token) = UnverifiedToken::parse(text) else { continue };
        read += 1;
        assert_eq!(text.matches('.').count(), 2, "{text}");
        assert!(!text.contains(['=', '+', '/', ' ', '\0']), "{text}");
        let payload = gatepass_attacks::token::decode(text.split('.').nth(1).unwrap());
        let payload: BTreeMap<String, Value> = serde_json::from_slice(&payload).unwrap();
        assert_eq!(token.claims().issuer(), payload.get("iss").and_then(Value::as_str));
    }
    assert!(read > 100, "too few were well formed: {read}");
}

/// Claims that are signed well and say anything: what passes must have what the operation asks for.
#[test]
fn signed_claims() {
    let corpus = &*CORPUS;
    let mut gateway = Gateway::new(corpus);
    let now = gateway.now();
    let good = corpus.good("wide-ed", now);
    let token = corpus.good_token("wide-ed", now);
    let (header, claims) = token.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let claims = gatepass_attacks::token::decode(claims);
    let times = [now - 1, now, now + 1].map(|time| time.to_string());
    let mut words = JSON.to_vec();
    words.extend([&b"\"iss\":"[..], b"\"aud\":", b"\"exp\":", b"\"nbf\":", AUDIENCE.as_bytes()]);
    words.extend(times.iter().map(|time| time.as_bytes()));
    let mut random = Random(2);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..6_000 {
        gateway.advance(std::time::Duration::from_millis(5));
        let payload = random.mutated(std::slice::from_ref(&claims), &words);
        let signing_input = format!("{header}.{}", base64url(&payload));
        let signature = corpus.keys["ed"].sign("EdDSA", signing_input.as_bytes());
        let value = format!("Bearer {signing_input}.{}", base64url(signature));
        let headers = vec![("authorization".to_owned(), value.into_bytes())];
        match gateway.send(&Request { headers, ..good.clone() }).as_str() {
            "200" => accepted += usize::from(may_pass(&payload, now)),
            other => refused += usize::from(other.starts_with("401 ")),
        }
    }
    assert_eq!(accepted + refused, 6_000, "each is refused, or may pass");
    assert!(accepted > 50 && refused > 50, "{accepted} accepted, {refused} refused");
}

/// The slow check: another parser, and the rules written once more.
fn may_pass(payload: &[u8], now: u64) -> bool {
    let Ok(Value::Object(claims)) = serde_json::from_slice(payload) else { return false };
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    let audience = match &claims["aud"] {
        Value::String(one) => one == AUDIENCE,
        Value::Array(list) => list.iter().all(Value::is_string) && list.contains(&json!(AUDIENCE)),
        _ => false,
    };
    let begun = claims.get("nbf").is_none() || number("nbf").is_some_and(|nbf| nbf <= now as f64);
    let issuer = claims["iss"] == "https://idp.attacks.example/wide";
    issuer && audience && begun && number("exp").is_some_and(|exp| exp > now as f64)
}

#[test]
fn key_sets() {
    let specs: KeySpecs =
        serde_json::from_value(json!({"r": {"rsa": {"bits": 2048}}, "e": "p256", "d": "ed25519"})).unwrap();
    let keys = gatepass_attacks::keys::generate(&specs);
    let set = |key: &Key, kid: &str| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(kid);
        jwk
    };
    let all: Vec<Value> = keys.iter().map(|(name, key)| set(key, name)).collect();
    let seeds =
        json_seeds(&[json!({"keys": all}), json!({"keys": [all[0]]}), json!({"keys": [all[1], all[2]]})]);
    let mut words = JSON.to_vec();
    words.extend([&b"\"kid\":"[..], b"\"use\":\"enc\"", b"\"d\":\"AA\"", b"AQAB", b"AA", b"P-384", b"oct"]);
    let mut random = Random(3);
    let mut usable = 0;
    for _ in 0..8_000 {
        let text = random.mutated(&seeds, &words);
        let Ok(jwks) = Jwks::parse(&text) else { continue };
        usable += jwks.keys.iter().filter(|jwk| Software.prepare(&jwk.key).is_ok()).count();
        let ids: Vec<_> = jwks.keys.iter().filter_map(|jwk| jwk.key_id.as_ref()).collect();
        assert_eq!(
            ids.iter().collect::<std::collections::BTreeSet<_>>().len(),
            ids.len(),
            "one kid, two keys"
        );
    }
    assert!(usable > 100, "{usable}");
}

#[test]
fn configurations() {
    let text = json!({
        "issuers": {"a": {"discovery": "https://a.example/.well-known/openid-configuration", "cluster": "a"}},
        "identities": {"g": {"managed_identity": {"source": "imds", "cluster": "imds", "client_id": "x"}}},
        "defaults": {"validate": {"issuer": "a", "audiences": ["x"]}},
        "operations": [
            {"match": {"path": {"template": "/a/{b}"}, "methods": ["GET"]}, "validate": {"roles": {"GET": "R"}}},
            {"match": {"path": {"prefix": "/"}}, "anonymous": true, "attach": [{"identity": "g", "resource": "r"}]},
        ],
        "wait": "5s",
    });
    let seeds = json_seeds(&[text]);
    let mut random = Random(4);
    let mut good = 0;
    for _ in 0..15_000 {
        let text = random.mutated(&seeds, JSON);
        match Configuration::parse(&text, &Environment::default()) {
            Ok(_) => good += 1,
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
    assert!(good > 50, "{good}");
}

#[test]
fn answers_of_token_endpoints() {
    let seeds = json_seeds(&[
        json!({"access_token": "a-token", "expires_in": "3599", "refresh_in": "43199", "token_type": "Bearer"}),
        json!({"access_token": "a-token", "expires_on": "1800003600", "resource": "x", "token_type": "Bearer"}),
        json!({"access_token": "a-token", "expires_in": 3599.5, "token_type": "bearer"}),
    ]);
    let now = UnixTime::from_seconds(1_800_000_000);
    let mut random = Random(5);
    let mut good = 0;
    for _ in 0..40_000 {
        let text = random.mutated(&seeds, JSON);
        let Ok(fetched) = read_answer(&text, false, now) else { continue };
        good += 1;
        let token = fetched.token.expose();
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()), "{token:?}");
        assert!(!fetched.life.is_zero());
        assert!(fetched.refresh_in.is_none_or(|refresh| refresh < fetched.life));
        assert!(matches!(Json::parse(&text), Ok(Json::Object(_))));
    }
    assert!(good > 1_000, "{good}");
}

#[test]
fn paths() {
    let seeds: Vec<_> =
        ["/admin/panel", "/a%20b/c%C3%A9", "/%61dmin", "/odata/$batch?x=/../y", "/public/", "/"]
            .map(|path| path.as_bytes().to_vec())
            .into();
    let words: &[&[u8]] = &[
        b"/", b"..", b".", b"%2e", b"%2E%2e", b"%2f", b"%5c", b"%00", b"%25", b";", b"?", b"#", b"\\",
        b"%c0%ae", b"\xff", b" ", b"%", b"%6", b"//", b"*", b"%7e",
    ];
    let mut random = Random(6);
    let mut good = 0;
    for _ in 0..60_000 {
        let text = random.mutated(&seeds, words);
        let Ok(path) = CanonicalPath::read(&text) else { continue };
        good += 1;
        let path = path.as_str();
        assert!(
            path.starts_with('/') && !path.contains("//") && !path.contains(['?', '#', '\\', ';']),
            "{path}"
        );
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{path}");
        for delimiter in ["%00", "%25", "%2E", "%2F", "%3B", "%5C"] {
            assert!(
                !path.to_ascii_uppercase().contains(delimiter),
                "{path}: a delimiter that is still encoded"
            );
        }
        assert_eq!(
            CanonicalPath::read(path.as_bytes()).unwrap().as_str(),
            path,
            "one reading, however often"
        );
    }
    assert!(good > 1_000, "{good}");
}
