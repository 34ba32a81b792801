//! What the listeners and the knobs share: the log, the faults, keys, secrets.

use std::{
    io,
    path::PathBuf,
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderValue;
use serde_json::Value;

use crate::{
    Algorithm, Rotation, TokenSpec, WorkflowPolicy,
    assertion::UsedAssertions,
    challenge::Challenges,
    challenge_files::ChallengeFiles,
    clock,
    directory::{APPLICATIONS, CALLER},
    faults::FaultBook,
    files::Files,
    keys::KeyError,
    log::RequestLog,
    mint::{Subject, mint},
    random::random_text,
    signing::{Keys, generate_successors},
    token_cache::TokenCache,
    vault::Vault,
};

/// What the listeners and the knobs share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What was asked.
    pub(crate) log: RequestLog,
    /// What waits to go wrong.
    pub(crate) faults: FaultBook,
    /// The tokens that the managed-identity endpoints hand out again.
    pub(crate) identity_tokens: TokenCache,
    /// The challenges of Azure Arc's agent.
    pub(crate) arc: ChallengeFiles,
    /// Credentials as files.
    pub(crate) files: Files,
    /// The secrets of the vault.
    pub(crate) vault: Vault,
    /// What the backend refuses.
    pub(crate) challenges: Challenges,
    workflow_policy: RwLock<WorkflowPolicy>,
    identity_header: RwLock<String>,
    keys: RwLock<Keys>,
    /// The assertions that clients have shown.
    pub(crate) used_assertions: UsedAssertions,
    token_lifetime: AtomicI64,
    client_token_lifetime: AtomicI64,
    secrets: Vec<(&'static str, String)>,
}

impl Shared {
    /// Makes keys and secrets; the files of platforms will be in `files`.
    pub(crate) fn new(arc: ChallengeFiles, files: PathBuf) -> Result<Self, KeyError> {
        Ok(Self {
            log: RequestLog::new(),
            faults: FaultBook::default(),
            identity_tokens: TokenCache::default(),
            arc,
            files: Files::new(files),
            vault: Vault::new(),
            challenges: Challenges::default(),
            workflow_policy: RwLock::default(),
            identity_header: RwLock::new(random_text(16)),
            keys: RwLock::new(Keys::generate()?),
            used_assertions: UsedAssertions::default(),
            token_lifetime: AtomicI64::new(24 * 60 * 60),
            client_token_lifetime: AtomicI64::new(3599),
            secrets: APPLICATIONS
                .iter()
                .map(|application| (application.client_id, format!("{}~+%&=/", random_text(30))))
                .collect(),
        })
    }

    /// The keys of the moment.
    pub(crate) fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lifetime of IMDS's tokens, in seconds.
    pub(crate) fn token_lifetime(&self) -> i64 {
        self.token_lifetime.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub(crate) fn set_token_lifetime(&self, lifetime: Duration) {
        self.token_lifetime.store(seconds(lifetime), Ordering::Relaxed);
        self.identity_tokens.clear();
    }

    /// The lifetime of the token endpoints' tokens, in seconds. Entra draws it at random between
    /// 60 and 90 minutes; tests want it fixed.
    pub(crate) fn client_token_lifetime(&self) -> i64 {
        self.client_token_lifetime.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub(crate) fn set_client_token_lifetime(&self, lifetime: Duration) {
        self.client_token_lifetime.store(seconds(lifetime), Ordering::Relaxed);
    }

    /// The secret of the platform's processes (`IDENTITY_HEADER`, `MSI_SECRET`).
    pub(crate) fn identity_header(&self) -> String {
        self.identity_header.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a header field carries it.
    pub(crate) fn is_identity_header(&self, value: Option<&HeaderValue>) -> bool {
        value.is_some_and(|value| value == self.identity_header().as_str())
    }

    /// Makes another one; the old one is refused from now on.
    pub(crate) fn rotate_identity_header(&self) {
        *self.identity_header.write().unwrap_or_else(PoisonError::into_inner) = random_text(16);
    }

    /// Who may call the workflow.
    pub(crate) fn workflow_policy(&self) -> WorkflowPolicy {
        self.workflow_policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets it.
    pub(crate) fn set_workflow_policy(&self, policy: WorkflowPolicy) {
        *self.workflow_policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// The secret of an application.
    pub(crate) fn client_secret(&self, client_id: &str) -> Option<&str> {
        self.secrets.iter().find(|(id, _)| *id == client_id).map(|(_, secret)| secret.as_str())
    }

    /// Writes the credentials of the caller as files; the service account's token is good for a day.
    pub(crate) fn write_files(&self) -> io::Result<()> {
        let caller = CALLER.client_id;
        self.files.put("client-secret", self.client_secret(caller).unwrap_or_default())?;
        self.files.put("rotating-secret", "a-secret-that-was-never-given-out")?;
        let service_account = self.issue(&TokenSpec::service_account().lifetime(86_400));
        self.files.put("service-account-token", &service_account)?;
        let keys = self.keys();
        let key = keys.fixed.caller.private_pem(Algorithm::Rs256).unwrap_or_default();
        self.files.put("client-key.pem", &key)?;
        self.files.put("client-certificate.pem", &keys.fixed.caller.rsa.certificate_pem())
    }

    /// Gives Entra and the partner new keys.
    pub(crate) fn rotate_keys(&self, rotation: Rotation) -> Result<(), KeyError> {
        let [entra, partner] = generate_successors()?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.entra.rotate(entra, rotation);
        keys.partner.rotate(partner, rotation);
        Ok(())
    }

    /// A public key as a JWK: the one that the token's signature is checked with.
    pub(crate) fn public_key(&self, spec: &TokenSpec) -> Value {
        self.keys().of(spec).jwk(spec.algorithm)
    }

    /// Makes a token.
    pub(crate) fn issue(&self, spec: &TokenSpec) -> String {
        mint(&Subject::from(CALLER), spec, &self.keys(), clock::now())
    }
}

fn seconds(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)
}
