//! Tokens as a case describes them.

use rsa::BigUint;
use serde_json::Value;

use crate::case::{Base, Case, ObjectEdit, SignatureEdit};
use crate::encrypted;
use crate::keys::{self, Hash, base64url, padded, sequence, tagged};
use crate::text::Text;

/// A good token of a base, for the caller `subject`.
pub fn good(base: &Base, text: &Text<'_>, subject: &str) -> String {
    let header = object(&base.header, &ObjectEdit::default(), text);
    let mut claims = base.claims.clone();
    claims.insert("sub".to_owned(), subject.into());
    let claims = object(&timed(&claims, text.now), &ObjectEdit::default(), text);
    let signing_input = format!("{}.{}", base64url(header), base64url(claims));
    let algorithm = base.header["alg"].as_str().unwrap();
    let signature = text.keys[&base.key].sign(algorithm, signing_input.as_bytes());
    let signed = format!("{signing_input}.{}", base64url(signature));
    match &base.encrypt {
        Some(encryption) => encrypted::good(encryption, text, &signed),
        None => signed,
    }
}

/// The token of a case. `text` knows its `good` one.
pub fn of_case(case: &Case, base: &Base, text: Text<'_>, good: &str) -> Vec<u8> {
    let mut header = base.header.clone();
    if let Some(algorithm) = &case.sign.algorithm {
        header.insert("alg".to_owned(), algorithm.as_str().into());
    }
    let header = base64url(object(&header, &case.header, &text));
    let payload = base64url(object(&timed(&base.claims, text.now), &case.claims, &text));
    let signing_input = format!("{header}.{payload}");
    let signature = edited(case, base, &text, good, sign(case, base, &text, signing_input.as_bytes()));
    let text = text.with("h", header).with("p", payload).with("s", base64url(signature));
    let signed = text.bytes(case.token.as_deref().unwrap_or("${h}.${p}.${s}"));
    match &base.encrypt {
        Some(encryption) => encrypted::of_case(case, encryption, text, signed),
        None => signed,
    }
}

/// The claims with a life around `now`.
fn timed(claims: &serde_json::Map<String, Value>, now: u64) -> serde_json::Map<String, Value> {
    let mut claims = claims.clone();
    claims.insert("nbf".to_owned(), (now - 60).into());
    claims.insert("iat".to_owned(), (now - 60).into());
    claims.insert("exp".to_owned(), (now + 3_600).into());
    claims
}

/// The text of an object with changes.
pub fn object(members: &serde_json::Map<String, Value>, edit: &ObjectEdit, text: &Text<'_>) -> Vec<u8> {
    if let Some(raw) = &edit.raw {
        return text.bytes(raw);
    }
    let mut members = members.clone();
    edit.remove.iter().for_each(|name| drop(members.remove(name)));
    members.extend(edit.set.clone());
    let quoted = |name: &str| Value::from(text.string(name)).to_string().into_bytes();
    let member = |name: &str, value: Vec<u8>| [quoted(name), b":".to_vec(), value].concat();
    let raw = |(name, value): (&String, &String)| member(name, text.bytes(value));
    let mut written: Vec<Vec<u8>> = edit.first.iter().map(raw).collect();
    for (name, value) in members.iter().filter(|(name, _)| !edit.text.contains_key(*name)) {
        written.push(member(name, text.json(value).to_string().into_bytes()));
    }
    written.extend(edit.text.iter().map(raw));
    written.extend(edit.last.iter().map(raw));
    [b"{".to_vec(), written.join(&b","[..]), b"}".to_vec()].concat()
}

fn sign(case: &Case, base: &Base, text: &Text<'_>, message: &[u8]) -> Vec<u8> {
    let sign = &case.sign;
    let name = sign.key.as_ref().unwrap_or(&base.key);
    let key = text.keys.get(name).unwrap_or_else(|| panic!("{}: no key is called {name}", case.id));
    let algorithm = sign.algorithm.as_deref().or(base.header["alg"].as_str()).unwrap();
    if let Some(form) = sign.hmac {
        return keys::hmac(algorithm, &key.public_as(form), message);
    }
    if let Some(kind) = sign.pkcs1 {
        return key.rsa().sign_pkcs1(kind, sign.hash.unwrap_or(Hash::Sha256), message);
    }
    match &sign.pss {
        Some(pss) => key.rsa().sign_pss(pss, message),
        None => key.sign(algorithm, message),
    }
}

fn edited(case: &Case, base: &Base, text: &Text<'_>, good: &str, signature: Vec<u8>) -> Vec<u8> {
    let of = |token: &str| decode(token.rsplit('.').next().unwrap_or_default());
    match case.signature.as_ref() {
        None => signature,
        Some(SignatureEdit::Good) => of(good),
        Some(SignatureEdit::Another) => of(&self::good(base, text, "another caller")),
        Some(SignatureEdit::Der) => der(&signature, false),
        Some(SignatureEdit::Ber) => der(&signature, true),
        Some(SignatureEdit::Ecdsa { r, s, bytes }) => {
            [padded(&number(r, &signature), *bytes), padded(&number(s, &signature), *bytes)].concat()
        }
        Some(edit) => changed(edit, signature, text),
    }
}

/// A part of a token with a change that any part can have.
pub fn changed(edit: &SignatureEdit, part: Vec<u8>, text: &Text<'_>) -> Vec<u8> {
    match edit {
        SignatureEdit::Bytes(bytes) => text.bytes(bytes),
        SignatureEdit::Flip(bit) => flipped(part, *bit),
        SignatureEdit::Truncate(by) => part[..part.len() - by].to_vec(),
        SignatureEdit::Prepend(bytes) => [text.bytes(bytes), part].concat(),
        SignatureEdit::Append(bytes) => [part, text.bytes(bytes)].concat(),
        SignatureEdit::Reverse => part.into_iter().rev().collect(),
        _ => panic!("this change is for signatures alone"),
    }
}

/// The bytes with one bit turned over.
pub fn flipped(mut bytes: Vec<u8>, bit: usize) -> Vec<u8> {
    bytes[bit / 8] ^= 0x80 >> (bit % 8);
    bytes
}

/// Base64url, decoded.
pub fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn der(signature: &[u8], long: bool) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let integer = |bytes: &[u8]| {
        let bytes = BigUint::from_bytes_be(bytes).to_bytes_be();
        let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
        tagged(2, &[sign, &bytes].concat())
    };
    let der = sequence(&[&integer(r), &integer(s)]);
    if long { [&[0x30, 0x81], &der[1..]].concat() } else { der }
}

/// `a`, `a+b` or `a-b`, of the numbers of P-256.
fn number(expression: &str, signature: &[u8]) -> BigUint {
    const N: &[u8] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const P: &[u8] = b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    let one = |name: &str| match name {
        "n" => BigUint::parse_bytes(N, 16).unwrap(),
        "p" => BigUint::parse_bytes(P, 16).unwrap(),
        "r" => BigUint::from_bytes_be(&signature[..32]),
        "s" => BigUint::from_bytes_be(&signature[32..]),
        digits => digits.parse::<u64>().unwrap().into(),
    };
    match (expression.split_once('+'), expression.split_once('-')) {
        (Some((a, b)), _) => one(a) + one(b),
        (None, Some((a, b))) => one(a) - one(b),
        (None, None) => one(expression),
    }
}
