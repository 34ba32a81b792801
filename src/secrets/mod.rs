//! Secrets: what clients, partners and API Management's named values keep in a file or in Key Vault.
//!
//! [`Secrets`] keeps one record per definition. Each VM fetches for itself: a secret's value never goes into shared
//! data. A value that was read serves while the next one is fetched, and for a while after fetching begins to fail.

mod key_vault;
mod record;

use litemap::LiteMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::calls::{Answer, CallFailure, CallRequest, Jitter, Unusable, Url};
use crate::fingerprint::Fingerprint;
use crate::secret::SecretString;
use crate::time::Now;
use crate::tokens;

pub use key_vault::{KeyVault, Vault};
use record::Record;

/// The largest secret that is taken; a certificate with its key has a few kilobytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// How long the last value serves while nobody can say what the secret is now.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3_600);

/// How long the last value serves after a vault has said that we may not have it: denied, deleted or disabled.
pub const MAX_AGE_DENIED: Duration = Duration::from_secs(900);

/// A secret: what it is called, and where its value comes from.
#[derive(Debug)]
pub struct Definition {
    /// Its name in the configuration, for logs.
    pub name: String,
    /// What it is known by. Equal definitions share one value.
    pub fingerprint: Fingerprint,
    origin: Rc<Origin>,
}

/// Where a secret's value comes from.
#[derive(Debug)]
pub enum Origin {
    /// It stands in the configuration, or in the environment of the process.
    Fixed(SecretString),
    /// A file that Envoy serves.
    File {
        /// Envoy's cluster.
        cluster: String,
        /// The path under which it is served, beginning with `/`.
        path: String,
        /// How often it is read again.
        refresh: Duration,
    },
    /// A secret of Azure Key Vault.
    KeyVault(KeyVault),
}

impl Definition {
    /// The secret `name` that comes from `origin`.
    pub fn new(name: &str, origin: Origin) -> Self {
        let fingerprint = Fingerprint::of(&match &origin {
            Origin::Fixed(value) => vec!["fixed", value.expose()],
            Origin::File { cluster, path, .. } => vec!["file", cluster, path],
            Origin::KeyVault(vault) => {
                return Self {
                    name: name.to_owned(),
                    fingerprint: vault.fingerprint(),
                    origin: Rc::new(origin),
                };
            }
        });
        Self { name: name.to_owned(), fingerprint, origin: Rc::new(origin) }
    }
}

impl Definition {
    /// The value, where it is known before anything is fetched.
    pub fn fixed(&self) -> Option<&SecretString> {
        match &*self.origin {
            Origin::Fixed(value) => Some(value),
            Origin::File { .. } | Origin::KeyVault(_) => None,
        }
    }
}

impl Origin {
    const fn refresh(&self) -> Duration {
        match self {
            Self::Fixed(_) => MAX_AGE,
            Self::File { refresh, .. } => *refresh,
            Self::KeyVault(vault) => vault.refresh,
        }
    }

    /// The token that a call for the value carries.
    const fn token(&self) -> Option<&Rc<tokens::Definition>> {
        match self {
            Self::Fixed(_) | Self::File { .. } => None,
            Self::KeyVault(vault) => Some(&vault.token),
        }
    }

    fn request(&self, token: Option<&SecretString>) -> Option<CallRequest> {
        match self {
            Self::Fixed(_) => None,
            Self::File { cluster, path, .. } => {
                let url = Url { https: false, authority: "localhost".to_owned(), path: path.clone() };
                Some(CallRequest::get(cluster, url))
            }
            Self::KeyVault(vault) => Some(vault.request(token?)),
        }
    }

    fn read(&self, answer: &Answer) -> Result<SecretString, CallFailure> {
        if answer.status != 200 {
            return Err(CallFailure::Status(answer.status));
        }
        let value = match self {
            Self::KeyVault(_) => key_vault::read(&answer.body),
            _ => std::str::from_utf8(&answer.body).map(ToOwned::to_owned).map_err(|_| Unusable::NoSecret),
        };
        value.and_then(|value| secret(&value).ok_or(Unusable::NoSecret)).map_err(CallFailure::Unusable)
    }

    /// Whether a failure says that we may not have the value, or that it is no more.
    fn is_denial(&self, failure: CallFailure) -> bool {
        match self {
            Self::KeyVault(_) => matches!(
                failure,
                CallFailure::Status(401 | 403 | 404) | CallFailure::Unusable(Unusable::Disabled)
            ),
            _ => false,
        }
    }
}

/// A secret as it is used: without the one newline at its end that editors put there; neither empty nor larger than
/// [`MAX_SECRET_BYTES`].
pub fn secret(text: &str) -> Option<SecretString> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    (!text.is_empty() && text.len() <= MAX_SECRET_BYTES).then(|| SecretString::new(text.to_owned()))
}

/// The answer to the question for a secret.
#[derive(PartialEq, Eq)]
pub enum Get<'s> {
    /// Here it is.
    Value(&'s SecretString),
    /// A call is under way, or will be soon.
    Wait,
    /// It is not to be had before this much time has passed.
    Unavailable(Duration),
}

impl fmt::Debug for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => f.debug_tuple("Value").field(value).finish(),
            Self::Wait => f.write_str("Wait"),
            Self::Unavailable(wait) => f.debug_tuple("Unavailable").field(wait).finish(),
        }
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The value was read.
    Fetched {
        /// Whether it is another one than before.
        changed: bool,
    },
    /// There is nothing new to use.
    Failed(CallFailure),
}

/// The secrets of a VM.
#[derive(Default)]
pub struct Secrets {
    records: LiteMap<Fingerprint, Record>,
}

/// What [`Secrets::due`] found.
#[derive(Default)]
pub struct Due {
    /// Calls to send.
    pub calls: Vec<(Fingerprint, CallRequest)>,
    /// Secrets that cannot be asked for, because the token for the call is not to be had.
    pub failed: Vec<(Fingerprint, CallFailure)>,
}

impl Secrets {
    /// Makes `definition` known; what is already kept under its fingerprint stays. Nothing is fetched before it is
    /// asked for.
    pub fn install(&mut self, definition: &Rc<Definition>) {
        self.record(definition);
    }

    fn record(&mut self, definition: &Rc<Definition>) -> &mut Record {
        let record = self.records.entry(definition.fingerprint).or_insert_with(|| Record::new(definition));
        record.adopt(definition);
        record
    }

    /// The value of `definition`, for a request that needs it now.
    pub fn get<'s>(&'s mut self, definition: &'s Rc<Definition>, now: Now) -> Get<'s> {
        match &*definition.origin {
            Origin::Fixed(value) => Get::Value(value),
            _ => self.record(definition).get(now),
        }
    }

    /// The value of the secret that is known by `of`, for a token request that needs it now.
    pub fn input(&mut self, of: Fingerprint, now: Now) -> Get<'_> {
        match self.records.get_mut(&of) {
            Some(record) => record.get(now),
            None => Get::Unavailable(Duration::from_secs(1)),
        }
    }

    /// Reads a secret again at once: who was shown it has refused it.
    pub fn reread(&mut self, of: Fingerprint) {
        if let Some(record) = self.records.get_mut(&of) {
            record.reread();
        }
    }

    /// The calls that are due; `token` answers the question for a vault's token.
    pub fn due(
        &mut self,
        mut token: impl FnMut(&Rc<tokens::Definition>) -> Result<SecretString, Option<Duration>>,
        now: Now,
    ) -> Due {
        self.records.retain(|_, record| record.is_wanted());
        let mut due = Due::default();
        for (of, record) in &mut self.records {
            match record.due(&mut token, now) {
                Some(Ok(request)) => due.calls.push((*of, request)),
                Some(Err(failure)) => due.failed.push((*of, failure)),
                None => {}
            }
        }
        due
    }

    /// The name of a secret, for logs.
    pub fn name(&self, of: Fingerprint) -> &str {
        self.records.get(&of).map_or("", |record| &record.name)
    }

    /// Takes an answer in.
    pub fn answered(
        &mut self,
        of: Fingerprint,
        answer: Result<&Answer, CallFailure>,
        now: Now,
        jitter: &mut Jitter,
    ) -> Option<Progress> {
        self.records.get_mut(&of).map(|record| record.answered(answer, now, jitter))
    }

    /// Takes back a call that will never be answered, because the root that made it is gone: due again at once.
    pub fn lost(&mut self, of: Fingerprint) {
        if let Some(record) = self.records.get_mut(&of) {
            record.lost();
        }
    }
}

#[cfg(test)]
mod tests;
