//! Verification of compact JSON Web Signatures (RFC 7515 §5.2), in one fixed order: length, form, header, type,
//! algorithm, key, signature, claims.

use portcullis_wire::{base64url, json, limit};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::JoseError;
use crate::key::{Alg, KID, KeySet};

/// What one purpose accepts. Two purposes with overlapping profiles and keys would take each other's tokens.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// The accepted `typ` values (RFC 8725 §3.11), compared without regard to case and without `application/`.
    /// An empty one stands for "no `typ` at all".
    pub typ: &'a [&'a str],
    /// The accepted algorithms.
    pub algs: &'a [Alg],
}

impl Profile<'_> {
    fn accepts(&self, typ: Option<&str>) -> bool {
        match typ {
            None => self.typ.iter().any(|accepted| accepted.is_empty()),
            Some("") => false,
            Some(typ) => self.typ.iter().any(|accepted| bare(accepted).eq_ignore_ascii_case(bare(typ))),
        }
    }
}

/// A media type without `application/`, which RFC 7515 §4.1.9 lets a sender leave out.
fn bare(typ: &str) -> &str {
    const APPLICATION: &str = "application/";
    match typ.split_at_checked(APPLICATION.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) && !rest.is_empty() => rest,
        _ => typ,
    }
}

/// What a token says of itself, before anything is proven. `jwk`, `jku`, `x5u` and `x5c` are never looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm.
    pub alg: Alg,
    /// The name of the key.
    pub kid: Option<String>,
    /// The type.
    pub typ: Option<String>,
}

/// The claims of a token whose signature held.
#[derive(Clone, Debug)]
pub struct Verified<C> {
    /// The claims, typed; what they say is still to be checked.
    pub claims: C,
    /// The name of the key that signed, if it has one.
    pub kid: Option<String>,
    /// Its algorithm.
    pub alg: Alg,
}

/// Verifies `token` for one purpose. The claims' own checks (issuer, audience, times) are the caller's next step.
///
/// # Errors
/// [`JoseError`], by cause; [`JoseError::UnknownKey`] is the one that fetching the keys anew may cure.
pub fn verify<C: DeserializeOwned>(
    token: &str,
    profile: &Profile<'_>,
    keys: &KeySet,
) -> Result<Verified<C>, JoseError> {
    verify_within(limit::JWT, token, profile, keys)
}

/// As [`verify`], for a token of up to `most` bytes that came over a connection of ours from whom it is about: an ID
/// token with many groups is longer than any token a stranger may send.
///
/// # Errors
/// As [`verify`].
pub fn verify_within<C: DeserializeOwned>(
    most: usize,
    token: &str,
    profile: &Profile<'_>,
    keys: &KeySet,
) -> Result<Verified<C>, JoseError> {
    let parts = Parts::within(most, token)?;
    let header = parts.header()?;
    if !profile.accepts(header.typ.as_deref()) {
        return Err(JoseError::Type);
    }
    if !profile.algs.contains(&header.alg) {
        return Err(JoseError::Algorithm);
    }
    let key = keys.select(header.kid.as_deref(), header.alg)?;
    let signature = base64url::decode(parts.signature).ok_or(JoseError::Encoding)?;
    if !key.verifies(parts.signed.as_bytes(), &signature) {
        return Err(JoseError::Signature);
    }
    let claims = serde_json::from_value(Value::Object(parts.claims()?)).map_err(|_| JoseError::Claims)?;
    Ok(Verified { claims, kid: key.kid().map(str::to_owned), alg: key.alg() })
}

/// The header of `token`, strictly read and **not** verified.
///
/// # Errors
/// [`JoseError`], by cause.
pub fn peek_header(token: &str) -> Result<Header, JoseError> {
    Parts::of(token)?.header()
}

/// The `iss` of `token`, **not** verified: good for choosing whose keys to try, and for nothing else.
///
/// # Errors
/// [`JoseError`], by cause; [`JoseError::Claims`] if there is no `iss` or it is not a string.
pub fn peek_issuer(token: &str) -> Result<String, JoseError> {
    let parts = Parts::of(token)?;
    parts.header()?;
    match parts.claims()?.remove("iss") {
        Some(Value::String(issuer)) if !issuer.is_empty() => Ok(issuer),
        _ => Err(JoseError::Claims),
    }
}

struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, JoseError> {
        Self::within(limit::JWT, token)
    }

    fn within(most: usize, token: &'a str) -> Result<Self, JoseError> {
        if token.len() > most {
            return Err(JoseError::TooLong);
        }
        let (header, rest) = token.split_once('.').ok_or(JoseError::Shape)?;
        let (claims, signature) = rest.split_once('.').ok_or(JoseError::Shape)?;
        if header.is_empty() || claims.is_empty() || signature.is_empty() || signature.contains('.') {
            return Err(JoseError::Shape);
        }
        let signed = token.get(..header.len() + 1 + claims.len()).ok_or(JoseError::Shape)?;
        Ok(Self { header, claims, signature, signed })
    }

    fn header(&self) -> Result<Header, JoseError> {
        let mut members = object(self.header, JoseError::Header)?;
        if ["crit", "b64", "zip", "enc"].iter().any(|name| members.contains_key(*name)) {
            return Err(JoseError::Extension);
        }
        let mut text = |name: &str| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JoseError::Header),
        };
        let (alg, kid, typ) = (text("alg")?, text("kid")?, text("typ")?);
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID) {
            return Err(JoseError::Header);
        }
        let alg = Alg::parse(&alg.ok_or(JoseError::Header)?).ok_or(JoseError::Algorithm)?;
        Ok(Header { alg, kid, typ })
    }

    fn claims(&self) -> Result<Map<String, Value>, JoseError> {
        object(self.claims, JoseError::Claims)
    }
}

fn object(part: &str, otherwise: JoseError) -> Result<Map<String, Value>, JoseError> {
    let bytes = base64url::decode(part).ok_or(JoseError::Encoding)?;
    json::parse_object(&bytes, limit::JSON_DEPTH).map_err(|_| otherwise)
}
