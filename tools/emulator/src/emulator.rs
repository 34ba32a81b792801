//! The running whole, and the knobs of a test.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinError};

use crate::{
    Algorithm, Challenge, Endpoint, Fault, LoggedRequest, Options, Rotation, StartError, TokenSpec,
    VaultSecret, WorkflowPolicy,
    challenge_files::ChallengeFiles,
    listen::{Addresses, listen},
    shared::Shared,
};

/// A running emulator; dropping it stops it.
///
/// It runs on threads of its own, so a test may block while it waits for an answer.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    addresses: Addresses,
    ca: PathBuf,
    _threads: Threads,
}

impl Emulator {
    /// Starts it: makes keys and certificates, writes `ca.pem` into the state directory, listens.
    ///
    /// # Errors
    ///
    /// If an address cannot be listened on or the state directory cannot be written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("emulator")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let handle = runtime.handle().clone();
        let threads = Threads(Some(runtime));
        let ended = |error: JoinError| StartError::Threads(error.into());
        let arc = ChallengeFiles::new(options.arc_tokens.clone(), options.arc_tokens_path.clone());
        let files = options.state_dir.join("files");
        let folder = files.clone();
        let shared = handle.spawn_blocking(|| Shared::new(arc, folder)).await.map_err(ended)??;
        shared.write_files().map_err(|source| StartError::Write { path: files, source })?;
        let shared = Arc::new(shared);
        let ca = options.state_dir.join("ca.pem");
        let addresses =
            handle.spawn(listen(Arc::clone(&shared), options, ca.clone())).await.map_err(ended)??;
        Ok(Self { shared, addresses, ca, _threads: threads })
    }

    /// Where IMDS listens.
    #[must_use]
    pub fn imds(&self) -> SocketAddr {
        self.addresses.imds
    }

    /// Where App Service (`/msi/token`), Azure Machine Learning (`/azureml/token`), Cloud Shell
    /// (`/cloudshell/oauth2/token`) and the sidecar of AKS workload identity (IMDS's path) listen.
    #[must_use]
    pub fn platforms(&self) -> SocketAddr {
        self.addresses.platforms
    }

    /// Where the agent of Azure Arc listens (IMDS's path).
    #[must_use]
    pub fn arc(&self) -> SocketAddr {
        self.addresses.arc
    }

    /// Where Arc's agent writes the files of its challenges.
    #[must_use]
    pub fn arc_tokens(&self) -> &Path {
        self.shared.arc.directory()
    }

    /// What the platforms give their processes to show: `IDENTITY_HEADER` of App Service and
    /// Service Fabric, `MSI_SECRET` of Azure Machine Learning.
    #[must_use]
    pub fn identity_header(&self) -> String {
        self.shared.identity_header()
    }

    /// Makes another one, as App Service does; the old one is refused from now on.
    pub fn rotate_identity_header(&self) {
        self.shared.rotate_identity_header();
    }

    /// The SHA-1 of the login host's certificate in hexadecimal: `IDENTITY_SERVER_THUMBPRINT` of
    /// Service Fabric, which listens there too (IMDS's path).
    #[must_use]
    pub fn login_thumbprint(&self) -> &str {
        &self.addresses.login_thumbprint
    }

    /// Where the login host and the partner's identity provider listen.
    #[must_use]
    pub fn login(&self) -> SocketAddr {
        self.addresses.login
    }

    /// Where the backend listens.
    #[must_use]
    pub fn backend(&self) -> SocketAddr {
        self.addresses.backend
    }

    /// Where the control interface listens.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.addresses.control
    }

    /// The certificate (PEM) of the authority that signed the login host's and the backend's.
    #[must_use]
    pub fn ca_certificate(&self) -> &Path {
        &self.ca
    }

    /// The secret of an application of [`directory::APPLICATIONS`](crate::directory::APPLICATIONS),
    /// by its client id.
    #[must_use]
    pub fn client_secret(&self, client_id: &str) -> Option<&str> {
        self.shared.client_secret(client_id)
    }

    /// The private key (PKCS #8, PEM) that [`CALLER`](crate::directory::CALLER) signs its client
    /// assertions with: an RSA key, or one on P-256 or P-384; none for other algorithms.
    #[must_use]
    pub fn client_key(&self, algorithm: Algorithm) -> Option<String> {
        self.shared.keys().fixed.caller.private_pem(algorithm)
    }

    /// The `kid` under which the partner knows that key.
    #[must_use]
    pub fn client_key_id(&self, algorithm: Algorithm) -> String {
        self.shared.keys().fixed.caller.kid(algorithm).to_owned()
    }

    /// The certificate (PEM) of that RSA key, which is registered with the application at Entra.
    #[must_use]
    pub fn client_certificate(&self) -> String {
        self.shared.keys().fixed.caller.rsa.certificate_pem()
    }

    /// Everything seen since the start or the last clearing, in the order of arrival; at most the
    /// newest 20,000.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.requests()
    }

    /// How many requests came to IMDS's token path since the start or the last clearing, whatever
    /// they were answered.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.shared.log.token_requests()
    }

    /// How many of the requests that [`requests`](Self::requests) gives were for that endpoint.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.log.count(endpoint)
    }

    /// Forgets the requests seen so far and sets the count of token requests to zero.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// Gives the next requests of that endpoint these faults, one each, in order; after them it is
    /// as it was. They queue behind those that still wait from an earlier call.
    pub fn script(&self, endpoint: Endpoint, faults: Vec<Fault>) {
        self.shared.faults.script(endpoint, faults);
    }

    /// Gives every request of that endpoint that is not scripted this fault, until taken back with
    /// `None`.
    pub fn set_default_fault(&self, endpoint: Endpoint, fault: Option<Fault>) {
        self.shared.faults.set_default(endpoint, fault);
    }

    /// Takes back every fault, scripted ones too.
    pub fn clear_faults(&self) {
        self.shared.faults.clear(None);
    }

    /// Puts a secret into the vault, or a newer version of it, and returns the version's id.
    pub fn set_secret(&self, name: &str, secret: VaultSecret) -> String {
        self.shared.vault.set(name, secret)
    }

    /// Removes a secret from the vault, with all its versions.
    pub fn delete_secret(&self, name: &str) {
        self.shared.vault.delete(name);
    }

    /// Lets a client (by its client id) read the vault's secrets, or not. At the start the
    /// gateway's identity and the caller application may.
    pub fn allow_vault(&self, client_id: &str, allowed: bool) {
        self.shared.vault.allow(client_id, allowed);
    }

    /// The backend refuses the next requests so, one each, in order.
    pub fn refuse_next(&self, challenges: Vec<Challenge>) {
        self.shared.challenges.script(challenges);
    }

    /// The backend refuses every request with the token of that SHA-256
    /// ([`LoggedRequest::token_sha256`]).
    pub fn refuse_token(&self, token_sha256: &str, challenge: Challenge) {
        self.shared.challenges.refuse(token_sha256, challenge);
    }

    /// Takes back every refusal of the backend.
    pub fn clear_refusals(&self) {
        self.shared.challenges.clear();
    }

    /// Sets who may call the workflow, `POST
    /// /workflows/9a1c3f5e/triggers/manual/paths/invoke` on the backend's port.
    pub fn set_workflow_policy(&self, policy: WorkflowPolicy) {
        self.shared.set_workflow_policy(policy);
    }

    /// Sets the lifetime of managed identities' tokens from now on, in whole seconds; the default
    /// is 24 h. What is cached of them is forgotten.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.shared.set_token_lifetime(lifetime);
    }

    /// Sets the lifetime of the token endpoints' tokens, Entra's and the partner's, from now on, in
    /// whole seconds; the default is 3599 s.
    pub fn set_client_token_lifetime(&self, lifetime: Duration) {
        self.shared.set_client_token_lifetime(lifetime);
    }

    /// Gives Entra and the partner new keys. Blocks for as long as it takes to make two RSA keys.
    ///
    /// IMDS goes on handing out the token that it has cached, which an old key signed, as Azure
    /// does; [`set_token_lifetime`](Self::set_token_lifetime) makes it forget that token.
    pub fn rotate_keys(&self, rotation: Rotation) {
        if let Err(error) = self.shared.rotate_keys(rotation) {
            eprintln!("gatepass-emulator: the old keys stay: {error}");
        }
    }

    /// Makes a token.
    #[must_use]
    pub fn issue(&self, spec: &TokenSpec) -> String {
        self.shared.issue(spec)
    }

    /// The public key that the signature of such a token is checked with, as a JWK, whether it is
    /// published or not.
    #[must_use]
    pub fn public_key(&self, spec: &TokenSpec) -> Value {
        self.shared.public_key(spec)
    }
}

/// The threads that everything runs on; dropping this stops them.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else {
            return;
        };
        // A runtime may not be waited for inside another one; the ports should be free when this
        // returns.
        let stop = thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(1)));
        let _ = stop.join();
    }
}
