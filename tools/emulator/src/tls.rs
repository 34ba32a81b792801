//! Certificates and TLS: one authority, made at the start, and two servers.

use std::sync::Arc;

use ::ring::digest;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::directory::{B2C_HOST, CLUSTER_HOST, EXTERNAL_ID_HOST, VAULT_HOST};

/// The names in the login host's certificate.
pub(crate) const LOGIN_NAMES: [&str; 9] = [
    "login.microsoftonline.com",
    "login.windows.net",
    "idp.partner.example",
    B2C_HOST,
    EXTERNAL_ID_HOST,
    CLUSTER_HOST,
    VAULT_HOST,
    "localhost",
    "127.0.0.1",
];

/// The names in the backend's certificate.
pub(crate) const BACKEND_NAMES: [&str; 1] = ["backend.contoso.example"];

/// The TLS of both servers, and the certificate that clients must trust.
pub(crate) struct Tls {
    /// The authority's certificate, PEM.
    pub(crate) ca: String,
    /// For the login host.
    pub(crate) login: Arc<ServerConfig>,
    /// The SHA-1 of the login host's certificate, in upper-case hexadecimal.
    pub(crate) login_thumbprint: String,
    /// For the backend.
    pub(crate) backend: Arc<ServerConfig>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A certificate cannot be served.
    #[error("cannot serve a certificate")]
    Server(#[from] rustls::Error),
}

impl Tls {
    /// Makes the authority and both certificates, valid from yesterday for a year.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Gatepass emulator");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let (login, login_thumbprint) = server(&ca, &LOGIN_NAMES)?;
        let (backend, _) = server(&ca, &BACKEND_NAMES)?;
        Ok(Self { ca: ca.pem(), login, login_thumbprint, backend })
    }
}

fn server(
    ca: &CertifiedIssuer<'_, KeyPair>,
    names: &[&str],
) -> Result<(Arc<ServerConfig>, String), TlsError> {
    let key = KeyPair::generate()?;
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = name(&common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params);
    let certificate = params.signed_by(&key, ca)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    let thumbprint = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok((Arc::new(config), thumbprint))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(365);
}
