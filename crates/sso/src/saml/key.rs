//! The keys a provider signs with: taken from the certificates in its metadata, and from nowhere else.
//!
//! A certificate is only the wrapping of a key here: trust in it was spoken when its metadata was configured, so
//! neither its issuer nor its dates are judged (SAML Metadata Interoperability §2.6.1); `check` names expired ones.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use portcullis_wire::time::UnixTime;

use super::der::{self, Der};
use super::{fault, name};
use crate::Fault;

/// `1.2.840.113549.1.1.1`: RSA (RFC 3279 §2.3.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `1.2.840.10045.2.1`: a point on a curve (RFC 5480 §2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `1.2.840.10045.3.1.7`: P-256 (RFC 5480 §2.1.1.1).
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `1.3.132.0.34`: P-384.
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// Smallest RSA modulus, in bytes: 2048 bits.
const RSA_MODULUS: usize = 256;

/// What kind a key is; only signatures of that kind are tried with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
}

/// A signing key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    family: Family,
    /// The SubjectPublicKeyInfo, whole (RFC 5280 §4.1.2.7).
    info: Vec<u8>,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: [u8; 32],
    /// Its `notAfter`.
    pub(crate) expires_at: UnixTime,
}

/// A signature algorithm of the accepted profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    RsaSha256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    RsaSha384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    RsaSha512,
    /// ECDSA on P-256 with SHA-256; `r` and `s` side by side (RFC 4050 §3.3).
    EcdsaSha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaSha384,
}

impl Algorithm {
    /// The algorithm by its name in `SignatureMethod`.
    pub(crate) fn named(uri: &str) -> Result<Self, Fault> {
        match uri {
            name::RSA_SHA256 => Ok(Self::RsaSha256),
            name::RSA_SHA384 => Ok(Self::RsaSha384),
            name::RSA_SHA512 => Ok(Self::RsaSha512),
            name::ECDSA_SHA256 => Ok(Self::EcdsaSha256),
            name::ECDSA_SHA384 => Ok(Self::EcdsaSha384),
            name::RSA_SHA1 => Err(sha1("the signature")),
            _ => Err(fault::provider(
                "saml_signature_algorithm",
                "the response is signed with an algorithm that is not accepted",
                "accepted are RSA (PKCS #1) with SHA-256, 384 or 512, and ECDSA on P-256 or P-384; an HMAC or an \
                 unknown algorithm proves nothing here",
                "set the signature algorithm to RSA-SHA256 at the provider",
            )),
        }
    }

    fn family(self) -> Family {
        match self {
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512 => Family::Rsa,
            Self::EcdsaSha256 => Family::P256,
            Self::EcdsaSha384 => Family::P384,
        }
    }

    fn primitive(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::RsaSha512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::EcdsaSha256 => &ECDSA_P256_SHA256_FIXED,
            Self::EcdsaSha384 => &ECDSA_P384_SHA384_FIXED,
        }
    }
}

/// SHA-1, refused by name.
pub(crate) fn sha1(what: &str) -> Fault {
    fault::provider(
        "saml_sha1",
        format!("{what} uses SHA-1"),
        "two documents with one SHA-1 digest can be made for money, so it no longer proves which one was signed",
        "set the signature and digest algorithm to SHA-256 at the provider (Okta: Signature Algorithm RSA-SHA256; \
         Entra: Signing Algorithm SHA-256; ADFS: Set-AdfsRelyingPartyTrust -SignatureAlgorithm …rsa-sha256; \
         Keycloak: Signature Algorithm RSA_SHA256)",
    )
}

impl Key {
    /// The key of a certificate in DER (RFC 5280 §4.1).
    pub(crate) fn of_certificate(certificate: &[u8]) -> Result<Self, Fault> {
        read(certificate).ok_or_else(|| {
            fault::administrator(
                "saml_certificate",
                "a signing certificate in the provider's metadata cannot be used",
                "it is not a certificate in DER with an RSA key of at least 2048 bits or a key on P-256 or P-384",
                "export the provider's metadata anew; a key that is too short has to be replaced there",
            )
        })
    }

    /// Whether `signature` over `message` was made with this key.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.family == algorithm.family()
            && UnparsedPublicKey::new(algorithm.primitive(), &self.info).verify(message, signature).is_ok()
    }
}

fn read(bytes: &[u8]) -> Option<Key> {
    let mut outer = Der::whole(bytes).within(der::SEQUENCE)?;
    let mut body = outer.within(der::SEQUENCE)?;
    body.optional(der::VERSION);
    body.element(der::INTEGER)?; // serial number
    body.element(der::SEQUENCE)?; // signature algorithm
    body.element(der::SEQUENCE)?; // issuer
    let mut validity = body.within(der::SEQUENCE)?;
    validity.moment()?;
    let expires_at = validity.moment()?;
    body.element(der::SEQUENCE)?; // subject
    let info = body.whole_element(der::SEQUENCE)?;
    let family = family(info)?;
    let fingerprint = digest::digest(&digest::SHA256, bytes).as_ref().try_into().ok()?;
    Some(Key { family, info: info.to_vec(), fingerprint, expires_at })
}

fn family(info: &[u8]) -> Option<Family> {
    let mut info = Der::whole(info).within(der::SEQUENCE)?;
    let mut algorithm = info.within(der::SEQUENCE)?;
    let kind = algorithm.element(der::OBJECT_IDENTIFIER)?;
    let key = info.element(der::BIT_STRING)?;
    let [0, key @ ..] = key else { return None };
    if !info.is_done() {
        return None;
    }
    if kind == RSA {
        let mut key = Der::whole(key).within(der::SEQUENCE)?;
        let modulus = key.element(der::INTEGER)?;
        let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
        let is_long = modulus.len() > RSA_MODULUS
            || modulus.len() == RSA_MODULUS && modulus.first().is_some_and(|byte| *byte >= 0x80);
        return is_long.then_some(Family::Rsa);
    }
    if kind != EC {
        return None;
    }
    match algorithm.element(der::OBJECT_IDENTIFIER)? {
        P256 => Some(Family::P256),
        P384 => Some(Family::P384),
        _ => None,
    }
}
