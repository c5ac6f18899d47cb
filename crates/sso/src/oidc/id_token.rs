//! The ID token: whose it is, for whom, for how long, and for which sign-in (OpenID Connect Core §3.1.3.7).

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use portcullis_jose::JoseError;
use portcullis_jose::claims::Audience;
use portcullis_jose::jws::{self, Profile, Verified};
use portcullis_jose::key::{Alg, KeySet};
use portcullis_wire::digest::same;
use portcullis_wire::time::UnixTime;
use portcullis_wire::{base64url, json, limit};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::fault;
use super::object::Object;
use crate::{Act, Fault};

/// Longest ID token, in bytes: two hundred groups named by ids fit.
pub(crate) const ID_TOKEN: usize = 32 * 1024;
/// Longest subject, in bytes (Core §2).
pub(crate) const SUBJECT: usize = 255;
/// How far the provider's clock may lie behind ours where a fresh sign-in is to be proven, in seconds. Less than
/// [`limit::CLOCK_LEEWAY`]: within this time an older sign-in would pass for a new one.
const AGAIN_LEEWAY: i64 = 10;

const CODE: &str = "id_token_claim";
const DOCUMENT: &str = "ID token";

/// What the token must fit.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) access_token: &'a str,
    pub(crate) again_since: Option<UnixTime>,
}

/// The signature alone; for some errors the caller tries once more with fresh keys.
pub(crate) fn verify(
    token: &str,
    algs: &[Alg],
    keys: &KeySet,
) -> Result<Verified<Map<String, Value>>, JoseError> {
    jws::verify_within(ID_TOKEN, token, &Profile { typ: &["", "JWT"], algs }, keys)
}

/// Names an algorithm that must never be taken, before anything else is looked at (T-alg).
pub(crate) fn forbidden_alg(token: &str) -> Option<Fault> {
    let (header, _) = token.get(..token.len().min(ID_TOKEN))?.split_once('.')?;
    let header = json::parse_object(&base64url::decode(header)?, limit::JSON_DEPTH).ok()?;
    let alg = header.get("alg")?.as_str()?;
    if alg.eq_ignore_ascii_case("none") {
        return Some(fault::provider(
            "id_token_alg_none",
            "the ID token is not signed (`alg: none`)",
            "anybody could have written it",
            "have the provider sign ID tokens with RS256, PS256, ES256 or EdDSA",
        ));
    }
    if alg.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("HS")) {
        return Some(fault::provider(
            "id_token_alg_symmetric",
            "the ID token is signed with a shared secret (`HS…`)",
            "whoever holds the secret, or takes a public key for one, could have written it",
            "have the provider sign ID tokens with RS256, PS256, ES256 or EdDSA",
        ));
    }
    None
}

/// Whom a token that fits is about.
pub(crate) struct Checked {
    pub(crate) subject: String,
    pub(crate) authenticated_at: Option<UnixTime>,
    pub(crate) claims: Map<String, Value>,
}

/// Checks the claims of a verified token.
pub(crate) fn check(
    verified: Verified<Map<String, Value>>,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<Checked, Fault> {
    let alg = verified.alg;
    let claims = Object::new(verified.claims, CODE, DOCUMENT);
    if claims.text("iss")? != expected.issuer {
        return Err(fault::provider(
            "id_token_issuer",
            "the ID token is another issuer's",
            "an account belongs to one issuer, and another may call somebody else by the same subject",
            "see that `issuer` is this provider's, and that its token endpoint is its own",
        ));
    }
    audience(&claims, expected.client_id)?;
    times(&claims, now)?;
    nonce(&claims, expected.nonce)?;
    at_hash(&claims, alg, expected.access_token)?;
    let subject = subject(claims.text("sub")?).ok_or_else(|| claims.wrong("sub"))?;
    let authenticated = moment_if_any(&claims, "auth_time")?;
    if let Some(since) = expected.again_since {
        again(authenticated, since, now)?;
    }
    let authenticated_at = authenticated.map(UnixTime::from_seconds);
    Ok(Checked { subject, authenticated_at, claims: claims.members })
}

/// A subject as Core §2 wants it: ASCII, not longer than 255 bytes, and nothing that prints nothing.
pub(crate) fn subject(text: &str) -> Option<String> {
    let is_fit = (1..=SUBJECT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    is_fit.then(|| text.to_owned())
}

fn audience(claims: &Object, client_id: &str) -> Result<(), Fault> {
    let value = claims.members.get("aud").ok_or_else(|| claims.wrong("aud"))?;
    let audience = Audience::deserialize(value).map_err(|_| claims.wrong("aud"))?;
    let party = claims.text_if_any("azp")?;
    let is_ours = audience.contains(client_id) && party.is_none_or(|party| party == client_id);
    if !is_ours || (audience.only().is_none() && party.is_none()) {
        return Err(fault::provider(
            "id_token_audience",
            "the ID token is for another application",
            "a token that somebody got elsewhere would sign them in here",
            "see that `client_id` is the one of this application at the provider",
        ));
    }
    Ok(())
}

fn moment_if_any(claims: &Object, name: &str) -> Result<Option<i64>, Fault> {
    match claims.members.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| claims.wrong(name)),
    }
}

fn moment(claims: &Object, name: &str) -> Result<i64, Fault> {
    moment_if_any(claims, name)?.ok_or_else(|| claims.wrong(name))
}

fn times(claims: &Object, now: UnixTime) -> Result<(), Fault> {
    let now = now.seconds();
    let latest = now.saturating_add(limit::CLOCK_LEEWAY);
    let expired = moment(claims, "exp")? <= now.saturating_sub(limit::CLOCK_LEEWAY);
    let early =
        moment(claims, "iat")? > latest || moment_if_any(claims, "nbf")?.is_some_and(|begin| begin > latest);
    if !expired && !early {
        return Ok(());
    }
    Err(fault::provider(
        if expired { "id_token_expired" } else { "id_token_early" },
        if expired { "the ID token has expired" } else { "the ID token is from the future" },
        "one clock is wrong, or an old token is shown again",
        "set both clocks by NTP; a minute of difference is allowed",
    ))
}

fn nonce(claims: &Object, expected: &str) -> Result<(), Fault> {
    if same(claims.text("nonce")?.as_bytes(), expected.as_bytes()) {
        return Ok(());
    }
    Err(fault::person(
        "id_token_nonce",
        "the ID token belongs to another sign-in",
        "a token that was stolen or made up does not repeat what this browser's sign-in began with",
    ))
}

/// Core §3.1.3.8: the left half of a digest of the access token, by the hash of the signature.
fn at_hash(claims: &Object, alg: Alg, access_token: &str) -> Result<(), Fault> {
    let Some(told) = claims.text_if_any("at_hash")? else { return Ok(()) };
    let hash = match alg {
        Alg::EdDsa => &SHA512,
        Alg::Es256 | Alg::Rs256 | Alg::Ps256 => &SHA256,
    };
    let whole = digest(hash, access_token.as_bytes());
    let half = whole.as_ref().get(..whole.as_ref().len() / 2).unwrap_or_default();
    if same(told.as_bytes(), base64url::encode(half).as_bytes()) {
        return Ok(());
    }
    Err(fault::provider(
        "id_token_at_hash",
        "the ID token belongs to another access token",
        "two answers were mixed, and userinfo could be somebody else's",
        "see whether something between this server and the provider changes its answers",
    ))
}

fn again(authenticated: Option<i64>, since: UnixTime, now: UnixTime) -> Result<(), Fault> {
    let Some(then) = authenticated else {
        return Err(Fault::new(
            "id_token_auth_time",
            Act::Provider,
            "the ID token does not say when the person signed in there",
            "a fresh sign-in was asked for (`max_age=0`), and without `auth_time` nothing proves it",
            "have the provider send `auth_time`; Entra has it among the optional claims of the app registration",
        ));
    };
    let is_fresh = then >= since.seconds().saturating_sub(AGAIN_LEEWAY)
        && then <= now.seconds().saturating_add(limit::CLOCK_LEEWAY);
    if is_fresh {
        return Ok(());
    }
    Err(fault::person(
        "id_token_not_again",
        "the person did not sign in anew at the provider",
        "a fresh proof was asked for, and an older one says nothing of who sits there now",
    ))
}
