//! What stands around the cases: the filter's configuration, what the issuers publish, and the requests.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::case::{self, Base, Case, Document, Issuer, ObjectEdit, PublishedKey, RequestEdit};
use crate::corpus::Corpus;
use crate::text::Text;
use crate::token;

/// The host of every issuer but Entra.
pub const HOST: &str = "idp.attacks.example";
/// The cluster of every issuer.
pub const CLUSTER: &str = "idp";
/// The audience of every operation.
pub const AUDIENCE: &str = "api://attacks";

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The host, with its port if any.
    pub host: String,
    /// The path, with its query.
    pub path: Vec<u8>,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The whole of it as HTTP/1.1, where the case says so.
    pub raw: Option<Vec<u8>>,
}

/// What an issuer answers on one path.
#[derive(Clone, Debug)]
pub struct Published {
    /// The status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Whether a case has an issuer and an operation of its own.
pub const fn has_own_issuer(case: &Case) -> bool {
    case.key_set.is_some() || case.discovery.is_some()
}

/// The path below which a case's own issuer is, and the path of its own operation.
pub fn own_path(case: &Case) -> String {
    format!("/own/{}", case.id.to_lowercase())
}

fn issuer_url(path: &str) -> String {
    format!("https://{HOST}{path}")
}

/// A URL at which nobody may call.
fn trap() -> String {
    format!("https://{HOST}/trap")
}

impl Corpus {
    /// The filter's configuration.
    pub fn configuration(&self) -> Value {
        let mut issuers = Map::new();
        let text = Text::new(&self.keys, 0);
        let mut operations: Vec<Value> =
            self.world.operations.iter().map(|operation| text.json(operation)).collect();
        for (name, issuer) in &self.world.issuers {
            issuers.insert(name.clone(), configured(&format!("/{name}"), &issuer.algorithms));
        }
        let tenant = &self.world.entra.tenant;
        issuers.insert(
            "entra".to_owned(),
            json!({"entra": {"tenant": tenant, "cluster": CLUSTER, "versions": ["v2"]}}),
        );
        for case in self.cases().filter(|case| has_own_issuer(case)) {
            let (name, path) = (case.id.to_lowercase(), own_path(case));
            let algorithm = self.base(case).header["alg"].as_str().unwrap().to_owned();
            issuers.insert(name.clone(), configured(&path, &[algorithm]));
            operations.push(json!({"match": {"path": {"exact": path}}, "validate": {"issuer": name}}));
        }
        json!({
            "wait": "3s",
            "issuers": issuers,
            "defaults": {"validate": {"issuer": "main", "audiences": [AUDIENCE]}},
            "subscription_keys": self.world.subscription_keys,
            "operations": operations,
        })
    }

    /// What the issuers publish, by path.
    pub fn documents(&self, now: u64) -> BTreeMap<String, Published> {
        let text = Text::new(&self.keys, now);
        let mut documents = BTreeMap::new();
        let mut add = |path: &str, url: &str, keys: &str, discovery: &Document, set: &Document| {
            let discovered = json!({"issuer": url, "jwks_uri": issuer_url(keys)});
            let text = Text::new(&self.keys, now).with("trap", trap()).with("url", url);
            let members = discovered.as_object().unwrap();
            let discovered = published(discovery, token::object(members, &discovery.edit, &text));
            documents.insert(format!("{path}/.well-known/openid-configuration"), discovered);
            documents.insert(keys.to_owned(), published(set, self.key_set(set, &text)));
        };
        let plain = Document::default();
        for (name, Issuer { keys, .. }) in &self.world.issuers {
            let path = format!("/{name}");
            let set = Document { keys: keys.clone(), ..Document::default() };
            add(&path, &issuer_url(&path), &format!("{path}/jwks"), &plain, &set);
        }
        for case in self.cases().filter(|case| has_own_issuer(case)) {
            let (path, base) = (own_path(case), &self.world.bases[&case.base]);
            let kid = base.header.get("kid").and_then(Value::as_str).map(str::to_owned);
            let key =
                PublishedKey { key: base.key.clone(), kid, private: false, edit: ObjectEdit::default() };
            let set = Document { keys: vec![key], ..Document::default() };
            let discovery = case.discovery.as_ref().unwrap_or(&plain);
            let set = case.key_set.as_ref().unwrap_or(&set);
            add(&path, &issuer_url(&path), &format!("{path}/jwks"), discovery, set);
        }
        let case::Entra { tenant, keys } = &self.world.entra;
        let set = Document { keys: keys.clone(), ..Document::default() };
        let url = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let discovered = json!({
            "issuer": url,
            "jwks_uri": format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"),
        });
        let discovered = published(&plain, discovered.to_string().into_bytes());
        documents.insert(format!("/{tenant}/v2.0/.well-known/openid-configuration"), discovered);
        let text = text.with("tenant", tenant.as_str());
        documents
            .insert(format!("/{tenant}/discovery/v2.0/keys"), published(&set, self.key_set(&set, &text)));
        documents
    }

    /// A JWK Set. In its edits, `${set}` is what it would be without them.
    fn key_set(&self, set: &Document, text: &Text<'_>) -> Vec<u8> {
        let keys: Vec<String> = set.keys.iter().map(|key| self.published_key(key, text)).collect();
        let keys = format!("[{}]", keys.join(","));
        let text = Text::new(&self.keys, text.now).with("set", format!("{{\"keys\":{keys}}}"));
        let mut edit = set.edit.clone();
        if edit.raw.is_none() {
            edit.text.entry("keys".to_owned()).or_insert(keys);
        }
        token::object(&Map::new(), &edit, &text)
    }

    fn published_key(&self, published: &PublishedKey, text: &Text<'_>) -> String {
        let key = self.keys.get(&published.key).unwrap_or_else(|| panic!("no key {}", published.key));
        let mut jwk = key.jwk();
        let members = jwk.as_object_mut().unwrap();
        members.extend(published.kid.clone().map(|kid| ("kid".to_owned(), kid.into())));
        if published.private {
            members.extend(key.private().as_object().unwrap().clone());
        }
        String::from_utf8(token::object(members, &published.edit, text)).unwrap()
    }

    /// What a case changes.
    pub fn base(&self, case: &Case) -> Base {
        let base = self.world.bases.get(&case.base);
        let mut base = base.unwrap_or_else(|| panic!("{}: no base {}", case.id, case.base)).clone();
        if has_own_issuer(case) {
            base.path = own_path(case);
            base.claims.insert("iss".to_owned(), issuer_url(&base.path).into());
        }
        base
    }

    /// The request of a case.
    pub fn request(&self, case: &Case, now: u64) -> Request {
        let base = self.base(case);
        let good = self.cached(&case.base, &base, now);
        let token = token::of_case(case, &base, self.text(&base, now, &good), &good);
        let text = self.text(&base, now, &good).with("token", token);
        let mut request = written(&base, &case.request, case.authorization.as_deref(), &text);
        request.headers.insert(0, ("x-case".to_owned(), case.id.clone().into_bytes()));
        request
    }

    /// The same request without what the case does to it. Of a case with an issuer of its own, that is a request
    /// to the base's issuer.
    pub fn control(&self, case: &Case, now: u64) -> Request {
        self.good(&case.base, now)
    }

    /// The good request of a base.
    pub fn good(&self, base: &str, now: u64) -> Request {
        let token = self.good_token(base, now);
        let base = &self.world.bases[base];
        let text = self.text(base, now, &token).with("token", token.as_str());
        written(base, &RequestEdit::default(), None, &text)
    }

    /// What is wrong with what the backend got of a case that was let pass; see [`case::Backend`].
    pub fn at_backend(&self, case: &Case, now: u64, got: &str) -> Option<String> {
        let base = self.base(case);
        let text = self.text(&base, now, &self.cached(&case.base, &base, now));
        let has = |part: &&String| got.contains(&text.string(part));
        let lacking = case.backend.sees.iter().find(|part| !has(part));
        let leaked = case.backend.misses.iter().find(has);
        let lacking = lacking.map(|part| format!("{}: the backend does not see {part}", case.id));
        lacking.or_else(|| leaked.map(|part| format!("{}: the backend sees {part}", case.id)))
    }

    /// The good token of a base.
    pub fn good_token(&self, base: &str, now: u64) -> String {
        self.cached(base, &self.world.bases[base], now)
    }

    fn cached(&self, name: &str, base: &Base, now: u64) -> String {
        let key = (name.to_owned(), base.path.clone(), now);
        let mut known = self.good.lock().unwrap();
        let make = || token::good(base, &Text::new(&self.keys, now), "a caller");
        known.entry(key).or_insert_with(make).clone()
    }

    fn text<'a>(&'a self, base: &'a Base, now: u64, good: &str) -> Text<'a> {
        let mut parts = good.split('.');
        let mut text = Text::new(&self.keys, now)
            .with("good", good)
            .with("trap", trap())
            .with("tenant", self.world.entra.tenant.as_str())
            .with("issuer", base.claims["iss"].as_str().unwrap())
            .with("audience", AUDIENCE)
            .with("path", base.path.as_str());
        for name in ["good-h", "good-p", "good-s"] {
            text = text.with(name, parts.next().unwrap());
        }
        text
    }
}

fn written(base: &Base, change: &RequestEdit, authorization: Option<&[String]>, text: &Text<'_>) -> Request {
    let one = ["Bearer ${token}".to_owned()];
    let lines = authorization.or(base.authorization.as_deref()).unwrap_or(&one);
    let others = change.headers.as_ref().unwrap_or(&base.headers);
    let mut headers: Vec<_> = others.iter().map(|(name, value)| (name.clone(), text.bytes(value))).collect();
    headers.extend(lines.iter().map(|line| ("authorization".to_owned(), text.bytes(line))));
    Request {
        method: change.method.as_ref().unwrap_or(&base.method).clone(),
        host: change.host.as_ref().unwrap_or(&base.host).clone(),
        path: text.bytes(change.path.as_ref().unwrap_or(&base.path)),
        headers,
        body: change.body.as_ref().map(|body| text.bytes(body)).unwrap_or_default(),
        raw: change.raw.as_ref().map(|raw| text.bytes(raw)),
    }
}

fn configured(path: &str, algorithms: &[String]) -> Value {
    let discovery = format!("{}/.well-known/openid-configuration", issuer_url(path));
    json!({"discovery": discovery, "cluster": CLUSTER, "algorithms": algorithms})
}

fn published(document: &Document, body: Vec<u8>) -> Published {
    Published { status: document.status.unwrap_or(200), headers: document.headers.clone(), body }
}
