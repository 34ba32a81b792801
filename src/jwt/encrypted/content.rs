//! How a token's content is encrypted (RFC 7518, section 5).

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyInit, KeyIvInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// An authenticated encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentEncryption {
    A128Gcm,
    A256Gcm,
    A128CbcHs256,
    A256CbcHs512,
}

/// What is encrypted, and what is authenticated with it.
pub(super) struct Sealed<'t> {
    pub(super) associated: &'t [u8],
    pub(super) iv: &'t [u8],
    pub(super) ciphertext: &'t [u8],
    pub(super) tag: &'t [u8],
}

impl ContentEncryption {
    pub(super) const ALL: [Self; 4] = [Self::A128Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A256CbcHs512];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encryption| encryption.name() == name)
    }

    /// The length of its key.
    pub(super) const fn key_bytes(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    /// The plaintext; nothing of it where `sealed` is not as whoever has the key made it.
    pub(super) fn open(self, key: &[u8], sealed: &Sealed<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if key.len() != self.key_bytes() {
            return None;
        }
        match self {
            Self::A128Gcm => gcm::<Aes128Gcm>(key, sealed),
            Self::A256Gcm => gcm::<Aes256Gcm>(key, sealed),
            Self::A128CbcHs256 => {
                let (code_key, key) = key.split_at_checked(16)?;
                let code = hmac_sha256::HMAC::mac(authenticated(sealed), code_key);
                cbc::<aes::Aes128>(key, code.get(..16)?, sealed)
            }
            Self::A256CbcHs512 => {
                let (code_key, key) = key.split_at_checked(32)?;
                let code = hmac_sha512::HMAC::mac(authenticated(sealed), code_key);
                cbc::<aes::Aes256>(key, code.get(..32)?, sealed)
            }
        }
    }
}

/// RFC 7518, section 5.3: the tag has 128 bits, no fewer.
fn gcm<C: AeadInOut + KeyInit>(key: &[u8], sealed: &Sealed<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(sealed.ciphertext.to_vec());
    let (iv, tag) = (sealed.iv.try_into().ok()?, sealed.tag.try_into().ok()?);
    let cipher = C::new_from_slice(key).ok()?;
    let opened = cipher.decrypt_inout_detached(iv, sealed.associated, text.as_mut_slice().into(), tag);
    opened.ok().map(|()| text)
}

/// What the code of CBC with HMAC is over (RFC 7518, section 5.2.2.1).
fn authenticated(sealed: &Sealed<'_>) -> Vec<u8> {
    let bits = (sealed.associated.len() as u64).saturating_mul(8);
    [sealed.associated, sealed.iv, sealed.ciphertext, &bits.to_be_bytes()].concat()
}

/// The padding is looked at only when the code is good: how it is wrong tells nobody anything.
fn cbc<C>(key: &[u8], code: &[u8], sealed: &Sealed<'_>) -> Option<Zeroizing<Vec<u8>>>
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
    C: cbc::cipher::BlockCipherDecrypt,
{
    if !bool::from(code.ct_eq(sealed.tag)) {
        return None;
    }
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, sealed.iv).ok()?;
    let mut text = Zeroizing::new(sealed.ciphertext.to_vec());
    let length = cipher.decrypt_padded::<Pkcs7>(&mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}
