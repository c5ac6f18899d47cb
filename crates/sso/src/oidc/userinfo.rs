//! Claims beyond the ID token (OpenID Connect Core §5.3). They are said over TLS, not signed, and never take the place
//! of what the ID token says.

use portcullis_fetch::{Ask, FetchError, Fetcher};
use portcullis_wire::token::Sealed;
use serde_json::{Map, Value};
use url::Url;

use super::fault;
use super::object::Object;
use super::token::LIMITS;
use crate::Fault;

/// Claims that only a signed token may say.
const SIGNED_ALONE: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "auth_time",
    "at_hash",
    "c_hash",
    "acr",
    "amr",
];
const EMAIL: &str = "email";
const VERIFIED: &str = "email_verified";

/// Fetches it, and adds what the ID token does not say.
pub(crate) async fn add(
    fetcher: &Fetcher,
    endpoint: &Url,
    access: &Sealed,
    subject: &str,
    claims: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let answer = bearer(fetcher, endpoint, access, fault::Ask::Userinfo).await?;
    let told = Object::read(&answer, "userinfo_field", "userinfo answer")?;
    if told.text("sub")? != subject {
        return Err(fault::provider(
            "userinfo_subject",
            "the userinfo endpoint speaks of somebody else",
            "its claims would be given to the wrong person (OpenID Connect Core §5.3.2)",
            "have the provider give the same `sub` in the ID token and at its userinfo endpoint",
        ));
    }
    merge(claims, told.members);
    Ok(())
}

fn merge(claims: &mut Map<String, Value>, told: Map<String, Value>) {
    // An address and the word that it is verified are one statement: never one from here and one from there.
    let speaks_of_email = claims.contains_key(EMAIL) || claims.contains_key(VERIFIED);
    let is_same = claims.get(EMAIL).is_some_and(|email| told.get(EMAIL) == Some(email));
    for (name, value) in told {
        let is_email = name == EMAIL || name == VERIFIED;
        if SIGNED_ALONE.contains(&name.as_str()) || (is_email && speaks_of_email && !is_same) {
            continue;
        }
        claims.entry(name).or_insert(value);
    }
}

/// What an endpoint that is shown the access token answers with 200.
pub(crate) async fn bearer(
    fetcher: &Fetcher,
    endpoint: &Url,
    access: &Sealed,
    what: fault::Ask,
) -> Result<Vec<u8>, Fault> {
    let credentials = Sealed::new(format!("Bearer {}", access.expose()));
    let ask = Ask::get()
        .authorized(credentials.expose())
        .ok_or_else(|| fault::field("token_answer", "token answer", "access_token"))?;
    let answer =
        fetcher.ask(endpoint, &ask, LIMITS).await.map_err(|error| fault::unreachable(what, error))?;
    if answer.status != 200 {
        return Err(fault::unreachable(what, FetchError::Status(answer.status)));
    }
    Ok(answer.body.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    #[test]
    fn t_link_an_address_and_its_verification_come_from_one_mouth() {
        let told =
            json!({"sub": "1", "email": "b@x.example", "email_verified": true, "name": "B", "iss": "evil"});
        for (name, signed, expected) in [
            (
                "nothing signed",
                json!({}),
                json!({"email": "b@x.example", "email_verified": true, "name": "B"}),
            ),
            (
                "another address",
                json!({"email": "a@x.example"}),
                json!({"email": "a@x.example", "name": "B"}),
            ),
            (
                "the same address",
                json!({"email": "b@x.example"}),
                json!({"email": "b@x.example", "email_verified": true, "name": "B"}),
            ),
            (
                "signed as unverified",
                json!({"email": "b@x.example", "email_verified": false}),
                json!({"email": "b@x.example", "email_verified": false, "name": "B"}),
            ),
            ("only the word", json!({"email_verified": true}), json!({"email_verified": true, "name": "B"})),
            ("null", json!({"email": null}), json!({"email": null, "name": "B"})),
            (
                "a name",
                json!({"email": "a@x.example", "name": "A"}),
                json!({"email": "a@x.example", "name": "A"}),
            ),
        ] {
            let mut claims = object(signed);
            merge(&mut claims, object(told.clone()));
            assert_eq!(Value::Object(claims), expected, "{name}");
        }
    }
}
