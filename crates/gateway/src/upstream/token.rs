//! The gateway's own access token for the upstream (RFC 6749 §4.4): fetched once for all who wait, kept until a
//! minute before its end, and never shown to anyone but the upstream.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::{Host, Url, form_urlencoded};

use super::credential::{ClientCredentials, SecretPlace};
use crate::body::CallerBody;
use crate::connect::Upstream;
use crate::reply::Failure;
use crate::settings::GatewayError;
use crate::timer::Span;

/// Longest answer of a token endpoint, in bytes.
const TOKEN_ANSWER: usize = 64 * 1024;
/// Time for one token, from connection to the last byte.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long before its end a token is no longer used.
const EARLY: Duration = Duration::from_secs(60);
/// The life of a token whose issuer does not say.
const UNSAID_LIFE: Duration = Duration::from_secs(300);
/// The longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// After a failure, and after a token that was refused, the token endpoint is left alone for this long.
const PAUSE: Duration = Duration::from_secs(5);

/// A token as it is sent, and which one it was.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    serial: u64,
}

/// The one token that all requests share.
pub(crate) struct Tokens {
    client: Upstream,
    uri: Uri,
    form: Bytes,
    authorization: Option<HeaderValue>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    serial: u64,
    token: Option<(HeaderValue, Span)>,
    failed: Option<Span>,
    renewed: Option<Span>,
}

impl Tokens {
    pub(crate) fn new(client: Upstream, credentials: &ClientCredentials) -> Result<Self, GatewayError> {
        let url = &credentials.token_url;
        if !is_private_way(url) || !url.username().is_empty() || url.password().is_some() {
            return Err(GatewayError::TokenUrl);
        }
        let mut asked = url.clone();
        asked.set_fragment(None);
        Ok(Self {
            client,
            uri: asked.as_str().parse().map_err(|_| GatewayError::TokenUrl)?,
            form: form(credentials).into(),
            authorization: authorization(credentials)?,
            state: Mutex::default(),
        })
    }

    /// The token to use now.
    ///
    /// # Errors
    /// [`Failure::NoCredential`].
    pub(crate) async fn current(&self) -> Result<Token, Failure> {
        let mut state = self.state.lock().await;
        self.usable(&mut state).await
    }

    /// Another token instead of `refused`, which the upstream did not take; none if that was tried a moment ago.
    ///
    /// # Errors
    /// [`Failure::NoCredential`].
    pub(crate) async fn instead_of(&self, refused: &Token) -> Result<Option<Token>, Failure> {
        let mut state = self.state.lock().await;
        if state.serial == refused.serial {
            if state.renewed.as_mut().is_some_and(|pause| !pause.is_over()) {
                return Ok(None);
            }
            state.renewed = Some(Span::of(PAUSE));
            state.token = None;
        }
        self.usable(&mut state).await.map(Some)
    }

    /// Whoever holds the state asks; everybody else waits for the state, and finds the answer there.
    async fn usable(&self, state: &mut State) -> Result<Token, Failure> {
        if let Some((header, life)) = &mut state.token
            && !life.is_over()
        {
            return Ok(Token { header: header.clone(), serial: state.serial });
        }
        if state.failed.as_mut().is_some_and(|pause| !pause.is_over()) {
            return Err(Failure::NoCredential);
        }
        match timeout(TOKEN_TIMEOUT, self.fetch()).await.unwrap_or(Err(Unissued::Silent)) {
            Ok((header, life)) => {
                state.serial += 1;
                state.failed = None;
                state.token = Some((header.clone(), Span::of(usable_for(life))));
                Ok(Token { header, serial: state.serial })
            }
            Err(unissued) => {
                let host = self.uri.authority().map(http::uri::Authority::as_str);
                tracing::warn!(token_endpoint = host, reason = %unissued, "no token for the upstream");
                state.failed = Some(Span::of(PAUSE));
                Err(Failure::NoCredential)
            }
        }
    }

    async fn fetch(&self) -> Result<(HeaderValue, Duration), Unissued> {
        let mut request = Request::new(CallerBody::whole(self.form.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let response = self.client.request(request).await.map_err(|_| Unissued::Silent)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), TOKEN_ANSWER).collect().await;
        let body = body.map_err(|_| Unissued::Unreadable)?.to_bytes();
        if status != StatusCode::OK {
            return Err(Unissued::Refused(status, error_code(&body)));
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| Unissued::Unreadable)?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") || answer.access_token.is_empty() {
            return Err(Unissued::Unreadable);
        }
        let header = HeaderValue::from_str(&format!("Bearer {}", answer.access_token));
        let mut header = header.map_err(|_| Unissued::Unreadable)?;
        header.set_sensitive(true);
        let life = answer.expires_in.as_ref().and_then(serde_json::Value::as_u64);
        Ok((header, life.map_or(UNSAID_LIFE, Duration::from_secs)))
    }
}

/// Why there is no token. For the log, and without a word of the answer but its error code.
#[derive(Debug, thiserror::Error)]
enum Unissued {
    #[error("it did not answer")]
    Silent,
    #[error("it answered what is no token response")]
    Unreadable,
    #[error("it answered {0} {1}")]
    Refused(StatusCode, String),
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<serde_json::Value>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// The error code of a refusal, if it looks like one.
fn error_code(body: &[u8]) -> String {
    let code = serde_json::from_slice::<Refused>(body).map(|refused| refused.error).unwrap_or_default();
    let is_code = code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { code } else { String::new() }
}

fn usable_for(life: Duration) -> Duration {
    let life = life.min(LONGEST_LIFE);
    if life > EARLY * 2 { life.saturating_sub(EARLY) } else { life / 2 }
}

/// Whether a secret may travel there.
fn is_private_way(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

fn form(credentials: &ClientCredentials) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    for (name, value) in [("scope", &credentials.scope), ("resource", &credentials.resource)] {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    if credentials.place == SecretPlace::Post {
        form.append_pair("client_id", &credentials.client_id);
        form.append_pair("client_secret", credentials.secret.expose());
    }
    form.finish()
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn authorization(credentials: &ClientCredentials) -> Result<Option<HeaderValue>, GatewayError> {
    if credentials.place != SecretPlace::Basic {
        return Ok(None);
    }
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&credentials.client_id), encoded(credentials.secret.expose()));
    let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
    let mut value = value.map_err(|_| GatewayError::Credential)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_2_a_secret_travels_in_private_only() {
        for (url, expected) in [
            ("https://as.example/token", true),
            ("http://as.example/token", false),
            ("http://127.0.0.1:8414/token", true),
            ("http://[::1]:8414/token", true),
            ("http://localhost:8414/token", true),
            ("http://localhost.evil.example/token", false),
            ("http://10.0.0.1/token", false),
            ("ftp://as.example/token", false),
        ] {
            assert_eq!(is_private_way(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_token_is_used_until_a_minute_before_its_end() {
        for (life, expected) in
            [(600, 540), (121, 61), (120, 60), (60, 30), (1, 0), (0, 0), (u64::MAX, 86_340)]
        {
            assert_eq!(usable_for(Duration::from_secs(life)).as_secs(), expected, "{life}");
        }
    }

    #[test]
    fn only_an_error_code_is_taken_from_a_refusal() {
        for (body, expected) in [
            (r#"{"error":"invalid_client"}"#, "invalid_client"),
            (r#"{"error":"the secret s3cret is wrong"}"#, ""),
            (r#"{"error":7}"#, ""),
            ("<html>", ""),
        ] {
            assert_eq!(error_code(body.as_bytes()), expected, "{body}");
        }
    }
}
