//! The token request and its answer (OpenID Connect Core §3.1.3; RFC 6749 §5).

use std::time::Duration;

use portcullis_fetch::{Accept, Answer, Ask, Fetcher, Limits};
use portcullis_wire::form::encode;
use portcullis_wire::token::Sealed;
use url::Url;

use super::fault;
use super::object::Object;
use super::settings::{ClientAuth, Settings};
use crate::{Act, Fault};

/// Longest answer of a token or userinfo endpoint, in bytes.
const ANSWER: usize = 128 * 1024;
/// How long the provider may take for one answer; a person waits.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// The bounds of an answer.
pub(crate) const LIMITS: Limits = Limits { body: ANSWER, total: DEADLINE, accept: Accept::Json };
/// Longest code, in bytes.
const CODE: usize = 4 * 1024;

/// What a redeemed code gave. Dropped as soon as the identity is known.
pub(crate) struct Tokens {
    pub(crate) access: Sealed,
    pub(crate) answer: Object,
}

/// What goes with a code.
pub(crate) struct Redeem<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: &'a str,
}

/// Asks for the tokens of a code.
pub(crate) async fn redeem(
    fetcher: &Fetcher,
    endpoint: &Url,
    settings: &Settings,
    auth: ClientAuth,
    redeem: &Redeem<'_>,
) -> Result<Tokens, Fault> {
    if redeem.code.is_empty() || redeem.code.len() > CODE {
        return Err(fault::person(
            "code",
            "the provider's answer brings no usable code",
            "without it nobody is known",
        ));
    }
    let answer = ask(fetcher, endpoint, settings, auth, redeem).await?;
    let object = Object::read(&answer.body, "token_answer", "token answer")?;
    if object.members.contains_key("error") {
        return Err(refused(object.text("error")?, answer.status));
    }
    if answer.status != 200 {
        return Err(fault::unreachable(
            fault::Ask::Token,
            portcullis_fetch::FetchError::Status(answer.status),
        ));
    }
    if !object.text("token_type")?.eq_ignore_ascii_case("bearer") {
        return Err(object.wrong("token_type"));
    }
    let access = Sealed::new(object.text("access_token")?);
    Ok(Tokens { access, answer: object })
}

/// The request itself, and its answer of whatever status.
pub(crate) async fn ask(
    fetcher: &Fetcher,
    endpoint: &Url,
    settings: &Settings,
    auth: ClientAuth,
    redeem: &Redeem<'_>,
) -> Result<Answer, Fault> {
    let mut fields = vec![("grant_type", "authorization_code"), ("code", redeem.code)];
    if let Some(redirect_uri) = redeem.redirect_uri {
        fields.push(("redirect_uri", redirect_uri));
    }
    fields.push(("code_verifier", redeem.verifier));
    let secret = settings.client_secret.as_ref().map(Sealed::expose);
    let mut credentials = None;
    match (auth, secret) {
        (ClientAuth::Basic | ClientAuth::Supported, Some(secret)) => {
            credentials = Some(basic(&settings.client_id, secret))
        }
        (ClientAuth::Post, Some(secret)) => {
            fields.extend([("client_id", settings.client_id.as_str()), ("client_secret", secret)]);
        }
        _ => fields.push(("client_id", &settings.client_id)),
    }
    let body =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&");
    let mut ask = Ask::form(body);
    if let Some(credentials) = credentials {
        ask = ask.authorized(credentials.expose()).ok_or_else(secret_form)?;
    }
    fetcher.ask(endpoint, &ask, LIMITS).await.map_err(|error| fault::unreachable(fault::Ask::Token, error))
}

/// RFC 6749 §2.3.1: both parts are form-encoded first.
fn basic(client_id: &str, secret: &str) -> Sealed {
    let pair = Sealed::new(format!("{}:{}", encode(client_id), encode(secret)));
    Sealed::new(format!("Basic {}", base64(pair.expose().as_bytes())))
}

/// Base64 with padding (RFC 4648 §4), of our own base64url.
fn base64(bytes: &[u8]) -> String {
    let mut text = portcullis_wire::base64url::encode(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn secret_form() -> Fault {
    fault::administrator(
        "client_secret",
        "the client secret cannot be sent",
        "no header can carry it",
        "copy the secret from the provider once more",
    )
}

/// Whether an error of the token endpoint is about us rather than about the code.
pub(crate) fn is_about_client(error: &str) -> bool {
    matches!(
        error,
        "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" | "unsupported_grant_type"
    )
}

/// An error by its code (RFC 6749 §5.2, and GitHub's own).
pub(crate) fn refused(error: &str, status: u16) -> Fault {
    let is_word = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let word = if is_word { error } else { "an error of its own" };
    let what = format!("the provider's token endpoint refused: {word} (status {status})");
    let (code, act, why, fix) = match error {
        "invalid_client" | "incorrect_client_credentials" => (
            "token_invalid_client",
            Act::Administrator,
            "it does not know our client id, or our client secret is wrong or has expired",
            "make a new client secret at the provider, put it where `client_secret_file` or `client_secret_env` points, \
             and look again with `portcullis sso test`",
        ),
        "invalid_grant" | "bad_verification_code" => (
            "token_invalid_grant",
            Act::Person,
            "the code was used before, has expired, or is another's",
            "begin again at the sign-in page; if it happens every time, compare the callback address at the provider \
             with ours",
        ),
        "unauthorized_client" | "unsupported_grant_type" => (
            "token_unauthorized_client",
            Act::Provider,
            "this application may not use the authorization code flow",
            "at the provider, make it a web application that may use the authorization code flow",
        ),
        "invalid_scope" => (
            "token_invalid_scope",
            Act::Administrator,
            "a scope we ask for does not exist there",
            "take it out of `scopes`, or allow it at the provider",
        ),
        "redirect_uri_mismatch" => (
            "token_redirect_uri",
            Act::Provider,
            "our callback address is not registered there",
            "add the callback address that `portcullis sso test` shows at the provider",
        ),
        "temporarily_unavailable" | "server_error" | "slow_down" => {
            ("token_unavailable", Act::Provider, "it cannot answer now", "wait a little and begin again")
        }
        _ => (
            "token_refused",
            Act::Administrator,
            "it does not like our request",
            "look at the provider's own log of sign-ins, and compare client id, secret, scopes and callback address",
        ),
    };
    let fault = Fault::new(code, act, what, why, fix);
    if code == "token_unavailable" { fault.passing() } else { fault }
}
