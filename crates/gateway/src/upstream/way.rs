//! The one way on which the upstream is asked: what the caller may not say is taken off, what the gateway says for
//! itself is put on, and what the upstream may not answer is not passed on.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::time::timeout;
use url::Url;

use super::credential::{Credential, Kind};
use super::identity::Identity;
use super::token::Tokens;
use crate::body::{CallerBody, CallerFault};
use crate::connect::{ConnectTimeout, Upstream, upstream};
use crate::headers::{Reserved, downward, upward};
use crate::reply::Failure;
use crate::settings::{GatewayError, GatewaySettings};
use crate::target::Target;

/// Longest body that is held to be sent again when the gateway's own token was no longer taken, in bytes.
const HELD_BODY: u64 = 4 * 1024 * 1024;

pub(crate) struct Way {
    pub(crate) target: Target,
    client: Upstream,
    reserved: Reserved,
    fixed: Option<(HeaderName, HeaderValue)>,
    tokens: Option<Tokens>,
    identity: Option<Identity>,
    response_timeout: Duration,
}

impl Way {
    pub(crate) fn new(url: &Url, settings: &GatewaySettings) -> Result<Self, GatewayError> {
        let client = upstream(settings.extra_roots.clone(), settings.connect_timeout)?;
        let (fixed, tokens) = match settings.credential.as_ref().map(|credential| &credential.0) {
            None => (None, None),
            Some(Kind::Header { name, value }) => (Some((name.clone(), value.clone())), None),
            Some(Kind::Client(credentials)) => (None, Some(Tokens::new(client.clone(), credentials)?)),
        };
        let credential = settings.credential.as_ref().map(Credential::name);
        let identity = settings.identity.as_ref().map(|identity| identity.name.clone());
        Ok(Self {
            target: Target::read(url)?,
            client,
            reserved: Reserved::new(credential.into_iter().chain(identity))?,
            fixed,
            tokens,
            identity: settings.identity.clone(),
            response_timeout: settings.response_timeout,
        })
    }

    /// Asks the upstream, and once more if the gateway's own token was no longer taken and the body can be repeated.
    /// `caller` is for the one who makes assertions; it does not go up.
    pub(crate) async fn ask(
        &self,
        request: Request<CallerBody>,
        caller: &Extensions,
        fault: &CallerFault,
    ) -> Result<Response<Incoming>, Failure> {
        let (mut parts, body) = request.into_parts();
        parts.version = Version::HTTP_11;
        parts.headers = upward(parts.headers, &self.reserved);
        parts.headers.insert(HOST, self.target.host().clone());
        if let Some((name, value)) = &self.fixed {
            parts.headers.insert(name.clone(), value.clone());
        }
        if let Some(identity) = &self.identity {
            let value = identity.value(caller, self.target.origin()).await;
            parts.headers.insert(identity.name.clone(), value.map_err(|_| Failure::NoCredential)?);
        }
        let response = match &self.tokens {
            None => self.send(parts, body, fault).await?,
            Some(tokens) => self.with_token(tokens, parts, body, fault).await?,
        };
        admissible(response)
    }

    async fn with_token(
        &self,
        tokens: &Tokens,
        mut parts: Parts,
        body: CallerBody,
        fault: &CallerFault,
    ) -> Result<Response<Incoming>, Failure> {
        let token = tokens.current().await?;
        parts.headers.insert(AUTHORIZATION, token.header.clone());
        let body = body.held(HELD_BODY).await?;
        let again = body.again().map(|body| (parts.clone(), body));
        let response = self.send(parts, body, fault).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // Also for those who come later, whether or not this body can be sent again.
        match (tokens.instead_of(&token).await?, again) {
            (Some(token), Some((mut parts, body))) => {
                parts.headers.insert(AUTHORIZATION, token.header);
                self.send(parts, body, fault).await
            }
            _ => Ok(response),
        }
    }

    async fn send(
        &self,
        parts: Parts,
        body: CallerBody,
        fault: &CallerFault,
    ) -> Result<Response<Incoming>, Failure> {
        let answer =
            timeout(self.response_timeout, self.client.request(Request::from_parts(parts, body))).await;
        let answer = answer.map_err(|_| Failure::Timeout).and_then(|answer| answer.map_err(|e| failure(&e)));
        answer.map_err(|failed| fault.blame(failed))
    }

    /// What of the upstream's headers comes down.
    pub(crate) fn downward(&self, headers: HeaderMap) -> HeaderMap {
        downward(headers, &self.reserved)
    }

    pub(crate) const fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// For the operator: what the caller is told is no secret, and where the upstream stands is for the log only.
    pub(crate) fn tell(&self, failed: Failure) {
        tracing::warn!(upstream = %self.target, ?failed, "the upstream did not answer the request");
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("target", &self.target.origin()).finish_non_exhaustive()
    }
}

/// Which answers pass as they are: all but those that would send the caller elsewhere, ask it for credentials that
/// are not the upstream's to ask, or leave HTTP.
fn admissible(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(Failure::Refused)
        }
        StatusCode::NOT_MODIFIED => Ok(response),
        status if status.is_redirection() => Err(Failure::Redirected),
        status if status.is_informational() => Err(Failure::Unavailable),
        _ => Ok(response),
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<ConnectTimeout>() {
            return Failure::Timeout;
        }
        cause = error.source();
    }
    Failure::Unavailable
}
