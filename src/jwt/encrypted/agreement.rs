//! Elliptic-curve Diffie-Hellman with an ephemeral key of the sender's (RFC 7518, section 4.6).

use zeroize::Zeroizing;

/// What the header says about an agreement.
pub(in crate::jwt) struct Agreement {
    /// `epk`, a point on P-256 as SEC1 writes it.
    pub(in crate::jwt) ephemeral: Vec<u8>,
    /// `apu`, decoded.
    pub(in crate::jwt) producer: Vec<u8>,
    /// `apv`, decoded.
    pub(in crate::jwt) recipient: Vec<u8>,
}

impl Agreement {
    /// The key of `bytes` bytes for what is called `purpose`. `None` where the point is not on the curve.
    pub(in crate::jwt) fn key(
        &self,
        own: &p256::SecretKey,
        purpose: &str,
        bytes: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let theirs = p256::PublicKey::from_sec1_bytes(&self.ephemeral).ok()?;
        let shared = p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), theirs.as_affine());
        self.derive(shared.raw_secret_bytes(), purpose, bytes)
    }

    /// Concat KDF with SHA-256 (NIST SP 800-56A, section 5.8.1).
    pub(in crate::jwt) fn derive(
        &self,
        shared: &[u8],
        purpose: &str,
        bytes: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let bits = u32::try_from(bytes).ok()?.checked_mul(8)?;
        let mut info = Vec::new();
        for part in [purpose.as_bytes(), &self.producer, &self.recipient] {
            info.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
            info.extend_from_slice(part);
        }
        info.extend_from_slice(&bits.to_be_bytes());
        let mut key = Zeroizing::new(Vec::with_capacity(bytes));
        for round in 1_u32.. {
            if key.len() >= bytes {
                break;
            }
            let mut hash = hmac_sha256::Hash::new();
            hash.update(round.to_be_bytes());
            hash.update(shared);
            hash.update(&info);
            key.extend_from_slice(&*Zeroizing::new(hash.finalize()));
        }
        key.truncate(bytes);
        Some(key)
    }
}
