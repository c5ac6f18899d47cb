//! Keys that verify.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use portcullis_wire::base64url;

use super::{Alg, Jwk};
use crate::JoseError;

/// The sizes of RSA keys accepted, in bits (RFC 7518 §3.3 asks for at least 2048).
pub const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// Longest `kid` looked at, in bytes.
pub const KID: usize = 256;

/// A public key, parsed once, for one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    alg: Alg,
    thumbprint: String,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// Reads a JWK. Without `alg`, an RSA key is for RS256: a key is never for two algorithms at once
    /// (RFC 8725 §3.1).
    ///
    /// # Errors
    /// [`JoseError::UnsupportedKey`] for another kind, curve, algorithm or use; [`JoseError::Key`] for a key that
    /// is malformed or not on its curve; [`JoseError::WeakKey`] for an RSA key outside [`RSA_BITS`].
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JoseError> {
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        let may_verify = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures || !may_verify {
            return Err(JoseError::UnsupportedKey);
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID) {
            return Err(JoseError::Key);
        }
        let alg = alg_of(jwk)?;
        let key = match alg {
            Alg::Es256 => {
                let mut point = vec![UNCOMPRESSED];
                point.extend(fixed(jwk.x.as_deref())?);
                point.extend(fixed(jwk.y.as_deref())?);
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Alg::EdDsa => ParsedPublicKey::new(&ED25519, fixed(jwk.x.as_deref())?),
            Alg::Rs256 | Alg::Ps256 => {
                let (n, e) = (octets(jwk.n.as_deref())?, octets(jwk.e.as_deref())?);
                sound_rsa(&n, &e)?;
                let parameters =
                    if alg == Alg::Rs256 { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PSS_2048_8192_SHA256 };
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
        };
        let key = key.map_err(|_| JoseError::Key)?;
        Ok(Self { kid: jwk.kid.clone(), alg, thumbprint: jwk.thumbprint()?, key })
    }

    /// The name tokens call it by.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm it is for.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Its RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

const UNCOMPRESSED: u8 = 4;

fn alg_of(jwk: &Jwk) -> Result<Alg, JoseError> {
    let named =
        jwk.alg.as_deref().map(|name| Alg::parse(name).ok_or(JoseError::UnsupportedKey)).transpose()?;
    let allowed: &[Alg] = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => &[Alg::Es256],
        ("OKP", Some("Ed25519")) => &[Alg::EdDsa],
        ("RSA", None) => &[Alg::Rs256, Alg::Ps256],
        _ => return Err(JoseError::UnsupportedKey),
    };
    match (named, allowed) {
        (Some(alg), _) if allowed.contains(&alg) => Ok(alg),
        (None, [alg, ..]) => Ok(*alg),
        _ => Err(JoseError::UnsupportedKey),
    }
}

fn octets(member: Option<&str>) -> Result<Vec<u8>, JoseError> {
    member.and_then(base64url::decode).ok_or(JoseError::Key)
}

/// 32 octets, leading zeros kept (RFC 7518 §6.2.1.2).
fn fixed(member: Option<&str>) -> Result<[u8; 32], JoseError> {
    octets(member)?.try_into().map_err(|_| JoseError::Key)
}

/// Size and oddness of both numbers; no leading zero octet (RFC 7518 §6.3.1.1).
fn sound_rsa(n: &[u8], e: &[u8]) -> Result<(), JoseError> {
    let (Some(first), Some(last)) = (n.first(), n.last()) else { return Err(JoseError::Key) };
    let Some(&e_first) = e.first() else { return Err(JoseError::Key) };
    if *first == 0 || e_first == 0 {
        return Err(JoseError::Key);
    }
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    let exponent = (e.len() <= 4).then(|| e.iter().fold(0u32, |sum, &byte| sum << 8 | u32::from(byte)));
    let is_sound = exponent.is_some_and(|e| e >= 3 && e % 2 == 1) && last % 2 == 1;
    if is_sound && RSA_BITS.contains(&bits) { Ok(()) } else { Err(JoseError::WeakKey) }
}
