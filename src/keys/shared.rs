use std::rc::Rc;

use crate::jwt::Algorithm;
use crate::secrets;

/// An issuer that signs with keys which it shares with us (HMAC). Nothing else makes its tokens good: no key set, no
/// certificate, no public key.
#[derive(Debug)]
pub struct SharedKeys {
    /// What it calls itself.
    pub issuer: String,
    /// The algorithms that its keys may sign with.
    pub algorithms: Vec<Algorithm>,
    /// The keys: each has a `kid`, or is for tokens whose `kid` is no other key's.
    pub keys: Vec<SharedKey>,
}

/// A key that an issuer shares with us, in base64.
#[derive(Debug)]
pub struct SharedKey {
    /// Its `kid`.
    pub id: Option<String>,
    /// Where it comes from.
    pub secret: Rc<secrets::Definition>,
}

impl SharedKeys {
    /// The key with this `kid`, or the only one that a token may mean.
    pub fn find(&self, key_id: Option<&str>) -> Option<&Rc<secrets::Definition>> {
        let name = key_id.filter(|name| self.keys.iter().any(|key| key.id.as_deref() == Some(name)));
        let mut fitting = self.keys.iter().filter(|key| key_id.is_none() || key.id.as_deref() == name);
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.secret)
    }
}
