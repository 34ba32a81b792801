//! What Gatepass reads of ASN.1: public keys, private keys, and the public key within a certificate.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Reader, Result, SliceReader, Tag, TagNumber};

/// RFC 3279, section 2.3.1.
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480, section 2.1.1.
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480, section 2.1.1.1.
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// The same.
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// The same.
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// RFC 8410, section 3.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// An algorithm with, for EC, its curve (RFC 5280, section 4.1.1.2).
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) algorithm: ObjectIdentifier,
    pub(super) curve: Option<ObjectIdentifier>,
}

/// `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
pub(super) struct PublicKeyInfo<'d> {
    pub(super) kind: Kind,
    pub(super) key: &'d [u8],
}

/// A private key, big-endian numbers.
pub(super) enum PrivateKeyInfo<'d> {
    /// `RSAPrivateKey` (RFC 8017, appendix A.1.2).
    Rsa { modulus: &'d [u8], public: &'d [u8], private: &'d [u8], primes: [&'d [u8]; 2] },
    /// `ECPrivateKey` (RFC 5915, section 3).
    Ec { curve: Option<ObjectIdentifier>, scalar: &'d [u8] },
    /// Of another kind.
    Other,
}

/// A sequence and nothing after it.
fn whole<'d, T>(der: &'d [u8], read: impl FnOnce(&mut SliceReader<'d>) -> Result<T>) -> Result<T> {
    AnyRef::from_der(der)?.sequence(read)
}

/// Reads past the rest of a sequence.
fn skip<'d>(reader: &mut SliceReader<'d>) -> Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

fn kind<'d>(reader: &mut SliceReader<'d>) -> Result<Kind> {
    AnyRef::decode(reader)?.sequence(|reader| {
        let algorithm = ObjectIdentifier::decode(reader)?;
        let parameters = if reader.is_finished() { None } else { Some(AnyRef::decode(reader)?) };
        let curve = parameters.and_then(|parameters| parameters.decode_as().ok());
        skip(reader)?;
        Ok(Kind { algorithm, curve })
    })
}

fn public_key<'d>(reader: &mut SliceReader<'d>) -> Result<PublicKeyInfo<'d>> {
    let kind = kind(reader)?;
    let key = BitStringRef::decode(reader)?.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
    Ok(PublicKeyInfo { kind, key })
}

/// Reads a `SubjectPublicKeyInfo`.
pub(super) fn public_key_info(der: &[u8]) -> Result<PublicKeyInfo<'_>> {
    whole(der, public_key)
}

/// The public key of a certificate (RFC 5280, section 4.1); nothing else of it is looked at.
pub(super) fn certificate(der: &[u8]) -> Result<PublicKeyInfo<'_>> {
    whole(der, |reader| {
        let certificate = AnyRef::decode(reader)?;
        skip(reader)?;
        certificate.sequence(|reader| {
            let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
            if der::Header::peek(reader)?.tag() == version {
                AnyRef::decode(reader)?;
            }
            for _ in ["serialNumber", "signature", "issuer", "validity", "subject"] {
                AnyRef::decode(reader)?;
            }
            let key = AnyRef::decode(reader)?.sequence(public_key)?;
            skip(reader)?;
            Ok(key)
        })
    })
}

/// `RSAPublicKey` (RFC 8017, appendix A.1.1): modulus and exponent.
pub(super) fn rsa_public_key(der: &[u8]) -> Result<[&[u8]; 2]> {
    whole(der, |reader| {
        let mut number = || Result::<&[u8]>::Ok(UintRef::decode(reader)?.as_bytes());
        Ok([number()?, number()?])
    })
}

/// `RSAPrivateKey`.
pub(super) fn rsa_private_key(der: &[u8]) -> Result<PrivateKeyInfo<'_>> {
    whole(der, |reader| {
        let mut number = || Result::<&[u8]>::Ok(UintRef::decode(reader)?.as_bytes());
        let _version = number()?;
        let (modulus, public, private, primes) = (number()?, number()?, number()?, [number()?, number()?]);
        skip(reader)?;
        Ok(PrivateKeyInfo::Rsa { modulus, public, private, primes })
    })
}

/// `ECPrivateKey`.
pub(super) fn ec_private_key(der: &[u8]) -> Result<PrivateKeyInfo<'_>> {
    whole(der, |reader| {
        let _version = UintRef::decode(reader)?;
        let scalar = <&OctetStringRef>::decode(reader)?.as_bytes();
        let mut curve = None;
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            if field.header().tag() == (Tag::ContextSpecific { constructed: true, number: TagNumber(0) }) {
                curve = Some(ObjectIdentifier::from_der(field.value())?);
            }
        }
        Ok(PrivateKeyInfo::Ec { curve, scalar })
    })
}

/// `PrivateKeyInfo` of PKCS #8 (RFC 5958, section 2), with the key within it.
pub(super) fn private_key_info(der: &[u8]) -> Result<PrivateKeyInfo<'_>> {
    whole(der, |reader| {
        let _version = UintRef::decode(reader)?;
        let kind = kind(reader)?;
        let key = <&OctetStringRef>::decode(reader)?.as_bytes();
        skip(reader)?;
        match kind.algorithm {
            RSA => rsa_private_key(key),
            EC => match ec_private_key(key)? {
                PrivateKeyInfo::Ec { curve, scalar } => {
                    Ok(PrivateKeyInfo::Ec { curve: kind.curve.or(curve), scalar })
                }
                other => Ok(other),
            },
            _ => Ok(PrivateKeyInfo::Other),
        }
    })
}
