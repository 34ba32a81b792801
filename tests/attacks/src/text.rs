//! Placeholders in the strings of the corpus.
//!
//! | placeholder | what stands there in the end |
//! |---|---|
//! | `${name}` | what the place of the string offers: `token`, `good`, `h`, `p`, `s`, `issuer`… |
//! | `${name\|filter}` | the same, changed: `standard`, `noncanonical`, `percent`, `upper`, `half`, `base64url` |
//! | `${now}`, `${now+60}`, `${now-60}` | a time in seconds |
//! | `${x:00a1}` | these bytes |
//! | `${zeros:256}` | so many bytes of zero |
//! | `${repeat:abc*100}` | the text so many times |
//! | `${items:abc*100}` | the same with commas between |
//! | `${oct:100}` | so many symmetric keys, with commas between |
//! | `${deep:200}` | lists within lists |
//! | `${secret:name}` | a key as it stands in a secret of the configuration |
//! | `${jwk:name}`, `${kid-jwk:name}`, `${x5c:name}` | a public key, the same with `kid`, a certificate of it |

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::keys::Keys;

/// What placeholders stand for.
pub struct Text<'a> {
    /// The keys that can be named.
    pub keys: &'a Keys,
    /// The time, in seconds since 1970.
    pub now: u64,
    names: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> Text<'a> {
    /// With no names but the general ones.
    pub const fn new(keys: &'a Keys, now: u64) -> Self {
        Self { keys, now, names: Vec::new() }
    }

    /// With one name more.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Vec<u8>>) -> Self {
        self.names.push((name, value.into()));
        self
    }

    /// The bytes that `template` stands for.
    pub fn bytes(&self, template: &str) -> Vec<u8> {
        let mut pieces = template.split("${");
        let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
        for piece in pieces {
            let (placeholder, rest) =
                piece.split_once('}').unwrap_or_else(|| panic!("a placeholder without an end: {template}"));
            bytes.extend(self.value(placeholder));
            bytes.extend_from_slice(rest.as_bytes());
        }
        bytes
    }

    /// The same as text.
    pub fn string(&self, template: &str) -> String {
        String::from_utf8(self.bytes(template)).unwrap_or_else(|_| panic!("not text: {template}"))
    }

    /// A value whose strings may hold placeholders.
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.string(text).into(),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.string(name), self.json(value))).collect()
            }
            value => value.clone(),
        }
    }

    fn value(&self, placeholder: &str) -> Vec<u8> {
        if let Some((kind, argument)) = placeholder.split_once(':') {
            return self.made(kind, argument);
        }
        if let Some(offset) = placeholder.strip_prefix("now") {
            let offset: i64 = if offset.is_empty() { 0 } else { offset.parse().unwrap() };
            return self.now.saturating_add_signed(offset).to_string().into_bytes();
        }
        let (name, filter) = placeholder.split_once('|').unwrap_or((placeholder, ""));
        let found = self.names.iter().find(|(known, _)| *known == name);
        let (_, value) = found.unwrap_or_else(|| panic!("nothing is called {name} here"));
        filtered(value, filter)
    }

    fn made(&self, kind: &str, argument: &str) -> Vec<u8> {
        let times = || {
            let (text, count) = argument.rsplit_once('*').unwrap();
            vec![text; count.parse().unwrap()]
        };
        let key = || self.keys.get(argument).unwrap_or_else(|| panic!("no key is called {argument}"));
        match kind {
            "x" => from_hex(argument),
            "zeros" => vec![0; argument.parse().unwrap()],
            "repeat" => times().concat().into_bytes(),
            "items" => times().join(",").into_bytes(),
            "oct" => vec![r#"{"kty":"oct","k":"AA"}"#; argument.parse().unwrap()].join(",").into_bytes(),
            "deep" => {
                let depth = argument.parse().unwrap();
                ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
            }
            "jwk" => key().jwk().to_string().into_bytes(),
            "kid-jwk" => {
                let mut jwk = key().jwk();
                jwk["kid"] = json!(argument);
                jwk.to_string().into_bytes()
            }
            "secret" => key().secret(),
            "x5c" => STANDARD.encode(key().rsa().certificate()).into_bytes(),
            _ => panic!("no placeholder makes {kind}"),
        }
    }
}

fn filtered(value: &[u8], filter: &str) -> Vec<u8> {
    let text = || String::from_utf8(value.to_vec()).unwrap();
    match filter {
        "" => value.to_vec(),
        // The other alphabet of RFC 4648.
        "standard" => text().replace('-', "+").replace('_', "/").into_bytes(),
        "noncanonical" => noncanonical(value),
        "percent" => value.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect(),
        "upper" => text().to_uppercase().into_bytes(),
        "base64url" => URL_SAFE_NO_PAD.encode(value).into_bytes(),
        "half" => value[..value.len() / 2].to_vec(),
        _ => panic!("no filter is called {filter}"),
    }
}

/// Other unused bits in the last character: a lax decoder reads the same bytes.
fn noncanonical(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert!(!text.len().is_multiple_of(4), "the last character has no unused bits");
    let (last, rest) = text.split_last().unwrap();
    let place = ALPHABET.iter().position(|byte| byte == last).unwrap();
    [rest, &[ALPHABET[place + 1]]].concat()
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
