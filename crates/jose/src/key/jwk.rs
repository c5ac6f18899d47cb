//! Public keys as JSON (RFC 7517).

use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::JoseError;

/// A public key as JSON (RFC 7517 §4). One that holds a private or symmetric member cannot be read into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members")]
pub struct Jwk {
    /// The kind of key: `EC`, `RSA` or `OKP`; others are carried and not used.
    pub kty: String,
    /// The curve, of `EC` and `OKP` keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The first coordinate, or the whole of an `OKP` key; base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate; base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus of an RSA key; base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent of an RSA key; base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The name tokens call it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The one algorithm it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `sig` or `enc`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// What may be done with it (RFC 7517 §4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
}

impl Jwk {
    /// Reads one key out of a strictly parsed document.
    ///
    /// # Errors
    /// [`JoseError::PrivateMember`] if it holds one; [`JoseError::Key`] if a member has the wrong type.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, JoseError> {
        if PRIVATE.iter().any(|name| object.contains_key(*name)) {
            return Err(JoseError::PrivateMember);
        }
        let members: Members = serde_json::from_value(Value::Object(object)).map_err(|_| JoseError::Key)?;
        Self::try_from(members)
    }

    /// Its thumbprint (RFC 7638 §3): SHA-256 over the required members, in base64url.
    ///
    /// # Errors
    /// [`JoseError::UnsupportedKey`] for an unknown kind, [`JoseError::Key`] if a required member is missing.
    pub fn thumbprint(&self) -> Result<String, JoseError> {
        let names: &[(&str, &Option<String>)] = match self.kty.as_str() {
            "EC" => &[("crv", &self.crv), ("kty", &None), ("x", &self.x), ("y", &self.y)],
            "RSA" => &[("e", &self.e), ("kty", &None), ("n", &self.n)],
            "OKP" => &[("crv", &self.crv), ("kty", &None), ("x", &self.x)],
            _ => return Err(JoseError::UnsupportedKey),
        };
        let mut text = String::from("{");
        for (index, (name, value)) in names.iter().enumerate() {
            let value = if *name == "kty" { &self.kty } else { value.as_ref().ok_or(JoseError::Key)? };
            let value = Value::from(value.as_str());
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(&format!("\"{name}\":{value}"));
        }
        text.push('}');
        Ok(base64url::encode(Digest::of(text.as_bytes()).as_bytes()))
    }
}

/// A set of public keys as JSON (RFC 7517 §5): what `/.well-known/jwks.json` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// Members that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// All members looked at. A private one is noticed by its name, whatever its value.
#[derive(Deserialize)]
struct Members {
    kty: String,
    #[serde(default, deserialize_with = "some")]
    crv: Option<String>,
    #[serde(default, deserialize_with = "some")]
    x: Option<String>,
    #[serde(default, deserialize_with = "some")]
    y: Option<String>,
    #[serde(default, deserialize_with = "some")]
    n: Option<String>,
    #[serde(default, deserialize_with = "some")]
    e: Option<String>,
    #[serde(default, deserialize_with = "some")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "some")]
    alg: Option<String>,
    #[serde(default, deserialize_with = "some", rename = "use")]
    usage: Option<String>,
    #[serde(default, deserialize_with = "some")]
    key_ops: Option<Vec<String>>,
    #[serde(default, deserialize_with = "seen")]
    d: bool,
    #[serde(default, deserialize_with = "seen")]
    p: bool,
    #[serde(default, deserialize_with = "seen")]
    q: bool,
    #[serde(default, deserialize_with = "seen")]
    dp: bool,
    #[serde(default, deserialize_with = "seen")]
    dq: bool,
    #[serde(default, deserialize_with = "seen")]
    qi: bool,
    #[serde(default, deserialize_with = "seen")]
    oth: bool,
    #[serde(default, deserialize_with = "seen")]
    k: bool,
}

/// A member that is there has its type; `null` is not a way to leave it out.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn seen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl TryFrom<Members> for Jwk {
    type Error = JoseError;
    fn try_from(m: Members) -> Result<Self, JoseError> {
        if m.d || m.p || m.q || m.dp || m.dq || m.qi || m.oth || m.k {
            return Err(JoseError::PrivateMember);
        }
        let Members { kty, crv, x, y, n, e, kid, alg, usage, key_ops, .. } = m;
        Ok(Self { kty, crv, x, y, n, e, kid, alg, usage, key_ops })
    }
}
