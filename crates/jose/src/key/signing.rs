//! Keys that sign.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use portcullis_wire::{base64url, limit};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Alg, Jwk, VerifyingKey};
use crate::JoseError;

/// A private key, parsed once, for one algorithm. Never printed; leaves only as PKCS#8, to be sealed.
pub struct SigningKey {
    alg: Alg,
    pair: Pair,
    jwk: Jwk,
    kid: String,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

impl SigningKey {
    /// Makes a new key; RSA ones have 2048 bits. The provider draws it: it takes no seed.
    ///
    /// # Errors
    /// [`JoseError::Signing`] if the provider fails.
    pub fn generate(alg: Alg) -> Result<Self, JoseError> {
        let pair = match alg {
            Alg::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec),
            Alg::Rs256 | Alg::Ps256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            Alg::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed),
        };
        Self::with(alg, pair.map_err(|_| JoseError::Signing)?)
    }

    /// Reads a key that [`to_pkcs8`](Self::to_pkcs8) wrote (RFC 5208).
    ///
    /// # Errors
    /// [`JoseError::Key`] if it is not such a key, or not one for `alg`.
    pub fn from_pkcs8(alg: Alg, der: &[u8]) -> Result<Self, JoseError> {
        let pair = match alg {
            Alg::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ec),
            Alg::Rs256 | Alg::Ps256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
            Alg::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed),
        };
        Self::with(alg, pair.map_err(|_| JoseError::Key)?)
    }

    fn with(alg: Alg, pair: Pair) -> Result<Self, JoseError> {
        let mut jwk = public_members(&pair)?;
        let kid = jwk.thumbprint()?;
        jwk.kid = Some(kid.clone());
        jwk.alg = Some(alg.as_str().to_owned());
        jwk.usage = Some("sig".to_owned());
        Ok(Self { alg, pair, jwk, kid })
    }

    /// The private key as PKCS#8, for [`crate::seal`] and nothing else.
    ///
    /// # Errors
    /// [`JoseError::Signing`] if the provider fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let failed = |_| JoseError::Signing;
        Ok(Zeroizing::new(match &self.pair {
            Pair::Ec(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::Ed(pair) => pair.to_pkcs8().map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(failed)?.as_ref().to_vec(),
        }))
    }

    /// Its name: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it is for.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The public half as JSON, with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Jwk {
        self.jwk.clone()
    }

    /// The public half, ready to verify.
    ///
    /// # Errors
    /// [`JoseError::Key`] or [`JoseError::WeakKey`] for a key that [`VerifyingKey`] would not take from another.
    pub fn verifying_key(&self) -> Result<VerifyingKey, JoseError> {
        VerifyingKey::from_jwk(&self.jwk)
    }

    /// A compact JWS (RFC 7515 §7.1) of `claims`, with `alg`, `kid` and `typ` in its header.
    ///
    /// # Errors
    /// [`JoseError::Claims`] if the claims are not a JSON object; [`JoseError::TooLong`] if no one could read the
    /// token back; [`JoseError::Signing`] if the provider fails.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, JoseError> {
        let header = Header { alg: self.alg.as_str(), kid: &self.kid, typ };
        let header = serde_json::to_vec(&header).map_err(|_| JoseError::Header)?;
        let claims = serde_json::to_vec(claims).map_err(|_| JoseError::Claims)?;
        if claims.first() != Some(&b'{') {
            return Err(JoseError::Claims);
        }
        let mut token = base64url::encode(&header);
        token.push('.');
        token.push_str(&base64url::encode(&claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url::encode(&signature));
        if token.len() > limit::JWT { Err(JoseError::TooLong) } else { Ok(token) }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the provider asks for this argument and draws from its own source"
    )]
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let random = SystemRandom::new();
        let failed = |_| JoseError::Signing;
        match &self.pair {
            Pair::Ec(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed(pair) => Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                match self.alg {
                    Alg::Ps256 => pair.sign(&RSA_PSS_SHA256, &random, message, &mut out),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut out),
                }
                .map_err(failed)?;
                Ok(out)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

fn public_members(pair: &Pair) -> Result<Jwk, JoseError> {
    match pair {
        Pair::Ec(pair) => {
            // Uncompressed: one octet of form, then both coordinates (SEC 1 §2.3.3).
            let point = pair.public_key().as_ref();
            let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
                return Err(JoseError::Key);
            };
            let (x, y) = (Some(base64url::encode(x)), Some(base64url::encode(y)));
            Ok(Jwk { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), x, y, ..Jwk::default() })
        }
        Pair::Ed(pair) => {
            let x = Some(base64url::encode(pair.public_key().as_ref()));
            Ok(Jwk { kty: "OKP".to_owned(), crv: Some("Ed25519".to_owned()), x, ..Jwk::default() })
        }
        Pair::Rsa(pair) => {
            let (n, e) = rsa_numbers(pair.public_key().as_ref()).ok_or(JoseError::Key)?;
            let (n, e) = (Some(base64url::encode(n)), Some(base64url::encode(e)));
            Ok(Jwk { kty: "RSA".to_owned(), n, e, ..Jwk::default() })
        }
    }
}

/// Both integers of an `RSAPublicKey` (RFC 8017 appendix A.1.1), as the provider writes it.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    let (inside, rest) = element(der, SEQUENCE)?;
    let (n, after) = element(inside, INTEGER)?;
    let (e, end) = element(after, INTEGER)?;
    let positive = |number: &'_ [u8]| number.iter().take_while(|&&byte| byte == 0).count();
    (rest.is_empty() && end.is_empty()).then(|| (&n[positive(n)..], &e[positive(e)..]))
}

/// The content of the DER element at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, der) = der.split_first()?;
    let (&short, mut der) = der.split_first()?;
    let mut length = usize::from(short);
    if short >= 0x80 {
        let octets = usize::from(short & 0x7f);
        let (long, rest) = der.split_at_checked(octets).filter(|_| octets <= 2)?;
        length = long.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        der = rest;
    }
    (found == tag).then(|| der.split_at_checked(length)).flatten()
}
