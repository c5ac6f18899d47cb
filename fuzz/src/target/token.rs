//! Compact JWTs, opaque strings and the bearer header.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use portcullis_guard::{Clock, Guard, StaticKeys};
use portcullis_jose::jws::{self, Profile};
use portcullis_jose::key::{Alg, KeySet};
use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::{Code, Mint, Refresh, Secret, Session};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::time::UnixTime;
use serde_json::{Map, Value};

use super::{Verdict, hold, two};

/// RFC 7515, appendix A.3.
const KEY: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// When that token was good.
const THEN: UnixTime = UnixTime::from_seconds(1_300_819_000);

/// Seeds that are made rather than written down.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "jws" => vec![SIGNED.as_bytes().to_vec()],
        "opaque" => vec![minted().into_bytes()],
        "bearer" => vec![format!("Bearer {SIGNED}\n/mcp").into_bytes()],
        _ => Vec::new(),
    }
}

fn mint() -> Mint {
    Mint::new(&MasterKey::new([7; 32]))
}

fn minted() -> String {
    mint().mint::<Code>(41, [9; 32]).expose().to_owned()
}

fn keys() -> Result<KeySet, &'static str> {
    KeySet::parse(KEY).map_err(|_| "the key of the RFC is refused")
}

/// Nothing but the token that was signed is taken for it.
pub(super) fn jws(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let plain = Profile { typ: &[""], algs: &[Alg::Es256, Alg::Rs256] };
    let taken = jws::verify::<Map<String, Value>>(&text, &plain, &keys()?);
    hold(
        taken.is_ok() == (text == SIGNED),
        "a token that nobody signed was taken, or the signed one was not",
    )?;
    let _ = jws::peek_header(&text);
    let _ = jws::peek_issuer(&text);
    let access = Profile { typ: &["at+jwt"], algs: &[Alg::Es256] };
    hold(
        jws::verify::<Map<String, Value>>(&text, &access, &keys()?).is_err(),
        "a token of another type was taken",
    )
}

/// Nothing but the string that was made is taken for it, and for no other kind.
pub(super) fn opaque(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let mint = mint();
    let read = mint.read::<Code>(&text);
    hold(
        read.is_some() == (text == minted()),
        "a string that nobody made was taken, or the made one was not",
    )?;
    hold(read.is_none_or(|read| read.number == 41), "another row was found")?;
    let other = mint.read::<Refresh>(&text).is_some()
        || mint.read::<Secret>(&text).is_some()
        || mint.read::<Session>(&text).is_some();
    hold(!other, "a string of one kind was read as another")
}

struct Stopped;
impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        THEN
    }
}

/// No header and no address gets past the guard: the first line is the header, the second the address.
pub(super) fn bearer(input: &[u8]) -> Verdict {
    let at = input.iter().position(|&b| b == b'\n').unwrap_or(input.len());
    let (_, rest) = two(input);
    let Ok(value) = HeaderValue::from_bytes(&input[..at]) else { return Ok(()) };
    let Ok(uri) = String::from_utf8_lossy(&rest).parse::<Uri>() else { return Ok(()) };
    let issuer = Issuer::parse("https://issuer.example").map_err(|_| "no issuer")?;
    let resource = Resource::parse("https://issuer.example/mcp").map_err(|_| "no resource")?;
    let guard =
        Guard::builder(issuer, resource, Arc::new(StaticKeys::new(keys()?)), Arc::new(Stopped)).build();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let Err(denied) = guard.verify(&headers, &uri, THEN) else { return Err("it was let through") };
    hold(!format!("{denied:?} {denied}").contains("DtEhU3ljbEg8"), "the token is repeated")
}
