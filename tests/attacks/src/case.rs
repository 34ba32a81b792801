//! The cases as they are written in `corpus/`: a good request, and what is changed in it.
//!
//! Strings may hold placeholders, `${…}`; [`crate::text`] says which.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::keys::{Hash, KeySpecs, Pkcs1, Pss, PublicForm};

/// One file of the corpus: the cases of one family.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its letter.
    pub family: char,
    /// What its cases have in common.
    pub title: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One request that is sent, and what must become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name; it begins with the family's letter.
    pub id: String,
    /// What it does, in words.
    pub what: String,
    /// The good request that is changed; the same unchanged is the control.
    #[serde(default = "main")]
    pub base: String,
    /// `200`, or status and reason code of the refusal; several, with `or` between, where versions of HTTP differ.
    pub expect: String,
    /// The same on the real Envoy, where Envoy itself answers before the filter does.
    pub envoy: Option<String>,
    /// Where it is tried; everywhere if nothing is said.
    #[serde(default)]
    pub only: Option<Place>,
    /// Changes to the header.
    #[serde(default)]
    pub header: ObjectEdit,
    /// Changes to the payload.
    #[serde(default)]
    pub claims: ObjectEdit,
    /// How it is signed, where that is not how the base signs.
    #[serde(default)]
    pub sign: Sign,
    /// A change to the signature.
    pub signature: Option<SignatureEdit>,
    /// The compact form; `${h}.${p}.${s}` if nothing is said.
    pub token: Option<String>,
    /// How it is encrypted, where its base is.
    #[serde(default)]
    pub encrypt: EncryptionEdit,
    /// The values of the `Authorization` lines; one, `Bearer ${token}`, if nothing is said.
    pub authorization: Option<Vec<String>>,
    /// Changes to the rest of the request.
    #[serde(default)]
    pub request: RequestEdit,
    /// Keys of an issuer that is this case's own.
    pub key_set: Option<Document>,
    /// The discovery document of an issuer that is this case's own.
    pub discovery: Option<Document>,
    /// What becomes of a request that is let pass.
    #[serde(default)]
    pub backend: Backend,
}

/// What the backend gets, as text: the path, and a line `name: value` for each header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// What must be there.
    pub sees: Vec<String>,
    /// What must not.
    pub misses: Vec<String>,
}

fn main() -> String {
    "main".to_owned()
}

/// A place where a case can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The core alone, where the clock can be set.
    Native,
    /// The real Envoy: what only a network can carry.
    Envoy,
}

/// Changes to a JSON object. They are made in this order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectEdit {
    /// Members that are taken away.
    pub remove: Vec<String>,
    /// Members that get this value.
    pub set: Map<String, Value>,
    /// Members that get this JSON text, which need not be JSON.
    pub text: BTreeMap<String, String>,
    /// Members, as text, that are put before the others, even where they are there already.
    pub first: BTreeMap<String, String>,
    /// The same behind the others.
    pub last: BTreeMap<String, String>,
    /// The whole text.
    pub raw: Option<String>,
}

/// How a token is signed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sign {
    /// The key's name.
    pub key: Option<String>,
    /// The algorithm that is really used; it also becomes the header's `alg`.
    pub algorithm: Option<String>,
    /// HMAC in place of a signature, with the public key as the secret.
    pub hmac: Option<PublicForm>,
    /// A PKCS#1 v1.5 signature with a fault.
    pub pkcs1: Option<Pkcs1>,
    /// A PSS signature with these parameters.
    pub pss: Option<Pss>,
    /// The hash of `pkcs1`; SHA-256 if nothing is said.
    pub hash: Option<Hash>,
}

/// How a good token is encrypted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// The header's `alg`: `dir` or one of RSA's.
    pub algorithm: String,
    /// The key's name.
    pub key: String,
}

/// Changes to how a token is encrypted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncryptionEdit {
    /// Another `alg`, really used where it is one of RSA's.
    pub algorithm: Option<String>,
    /// Another key.
    pub key: Option<String>,
    /// Changes to the header.
    pub header: ObjectEdit,
    /// What is encrypted; `${signed}`, the signed token, if nothing is said.
    pub content: Option<String>,
    /// Changes to `key`, `iv`, `text` and `tag`.
    pub parts: BTreeMap<String, SignatureEdit>,
    /// The compact form; `${eh}.${ek}.${ei}.${ec}.${et}` if nothing is said.
    pub token: Option<String>,
}

/// A change to a signature.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignatureEdit {
    /// Other bytes in its place.
    Bytes(String),
    /// The bit of this number is turned over; counted from the first byte's highest.
    Flip(usize),
    /// So many bytes less at the end.
    Truncate(usize),
    /// These bytes before it.
    Prepend(String),
    /// These bytes behind it.
    Append(String),
    /// Turned round.
    Reverse,
    /// The base's good signature, over other text than this.
    Good,
    /// The signature of the base's token for another caller.
    Another,
    /// An ECDSA signature as DER.
    Der,
    /// The same with a length in two bytes, as BER allows.
    Ber,
    /// `r` and `s` computed anew, from `r`, `s`, the curve's order `n` and its prime `p`, and numbers:
    /// a sum or difference of two of them.
    Ecdsa {
        /// The first number.
        r: String,
        /// The second.
        s: String,
        /// Bytes of each; 32 if nothing is said.
        #[serde(default = "thirty_two")]
        bytes: usize,
    },
}

const fn thirty_two() -> usize {
    32
}

/// Changes to a request but for its token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestEdit {
    /// Another method.
    pub method: Option<String>,
    /// Another host.
    pub host: Option<String>,
    /// Another path.
    pub path: Option<String>,
    /// Header lines before `Authorization`, in place of the base's.
    pub headers: Option<Vec<(String, String)>>,
    /// A body.
    pub body: Option<String>,
    /// The whole request, byte by byte: HTTP/1.1.
    pub raw: Option<String>,
    /// The HTTP versions that it is sent with; both if nothing is said.
    pub version: Option<Version>,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// HTTP/1.1
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2
    #[serde(rename = "2")]
    Http2,
}

/// A document that an issuer publishes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// Keys of a JWK Set.
    pub keys: Vec<PublishedKey>,
    /// Changes to the document.
    pub edit: ObjectEdit,
    /// Header lines of the answer.
    pub headers: Vec<(String, String)>,
    /// The answer's status; 200 if nothing is said.
    pub status: Option<u16>,
}

/// A key of a JWK Set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedKey {
    /// Its name.
    pub key: String,
    /// Its `kid`.
    pub kid: Option<String>,
    /// Whether the private members are published too.
    #[serde(default)]
    pub private: bool,
    /// Changes to the JWK.
    #[serde(default)]
    pub edit: ObjectEdit,
}

/// What the cases need around them: `corpus/world.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Keys, made at run time.
    pub keys: KeySpecs,
    /// Issuers; cases with documents of their own add one each.
    pub issuers: BTreeMap<String, Issuer>,
    /// A tenant of Entra ID.
    pub entra: Entra,
    /// The operations of Gatepass's configuration; cases with documents of their own add one each.
    pub operations: Vec<Value>,
    /// The subscriptions of Gatepass's configuration.
    pub subscription_keys: Value,
    /// Good requests.
    pub bases: BTreeMap<String, Base>,
}

/// An issuer: Gatepass knows it by its discovery document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What its tokens may be signed with.
    pub algorithms: Vec<String>,
    /// What it publishes.
    pub keys: Vec<PublishedKey>,
}

/// A tenant of Entra ID.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// Its id.
    pub tenant: String,
    /// What the login host publishes for it.
    pub keys: Vec<PublishedKey>,
}

/// A good request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The host.
    #[serde(default = "gateway")]
    pub host: String,
    /// The path.
    pub path: String,
    /// Header lines before `Authorization`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The values of the `Authorization` lines; one, `Bearer ${token}`, if nothing is said.
    pub authorization: Option<Vec<String>>,
    /// Whether Envoy's `jwt_authn` with `rbac` can be asked the same.
    #[serde(default = "yes")]
    pub peer: bool,
    /// The key that signs.
    pub key: String,
    /// The token's header, as members with JSON text or strings.
    pub header: Map<String, Value>,
    /// The claims, beside `nbf` and `exp`.
    pub claims: Map<String, Value>,
    /// How it is encrypted, if it is.
    pub encrypt: Option<Encryption>,
}

fn gateway() -> String {
    "gateway".to_owned()
}

const fn yes() -> bool {
    true
}

fn get() -> String {
    "GET".to_owned()
}
