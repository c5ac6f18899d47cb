//! The guard itself: from headers to an [`Agent`], and from a refusal to its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, Uri};
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::key::{Alg, KeySet};
use portcullis_jose::{JoseError, jws};
use portcullis_mcp::ToolTable;
use portcullis_wire::challenge::Challenge;
use portcullis_wire::digest::Digest;
use portcullis_wire::error::ErrorBody;
use portcullis_wire::limit;
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::agent::{Agent, Proof};
use crate::bearer;
use crate::denied::{ChallengeKind, Denied, TokenFault};
use crate::layer::Require;
use crate::ports::{Clock, Keys, NoRevocations, OpaqueFault, OpaqueTokens, Revocations};
use crate::site::Site;

/// Most verified tokens remembered by one guard. One costs about a kilobyte.
pub const SEEN_TOKENS: usize = 16 * 1024;

/// How long the stream that answers a call may flow at least, past the end of its token if need be. A call takes the
/// time it takes, and a token only ten minutes; what was begun with a good one is finished, unless it is revoked.
pub const STREAM_LIFE: Duration = Duration::from_secs(60 * 60);

/// Access tokens of RFC 9068 §2.1 and no other kind of token, by any algorithm that a published key can have.
const ACCESS: jws::Profile<'static> =
    jws::Profile { typ: &["at+jwt"], algs: &[Alg::Es256, Alg::EdDsa, Alg::Rs256, Alg::Ps256] };

/// Protects one resource whose tokens come from one issuer. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: Issuer,
    resource: Resource,
    metadata_url: String,
    keys: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    opaque: Option<Arc<dyn OpaqueTokens>>,
    tools: Arc<ToolTable>,
    discovery: Option<Scopes>,
    site: Site,
    leeway: i64,
    seen: Cache<Digest, Arc<Seen>>,
}

/// A token whose signature held, and the keys under which it did. Everything that can change is asked again.
struct Seen {
    agent: Agent,
    keys: Arc<KeySet>,
}

/// A guard in the making.
pub struct GuardBuilder {
    inner: Inner,
}

impl GuardBuilder {
    /// What the tools need. Without it every request needs what its route requires, and bodies are not looked at.
    #[must_use]
    pub fn tools(mut self, tools: ToolTable) -> Self {
        self.inner.tools = Arc::new(tools);
        self
    }

    /// Where to ask what was revoked. Without it tokens live until they expire.
    #[must_use]
    pub fn revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.inner.revocations = revocations;
        self
    }

    /// Takes personal tokens too. Without it only signed ones are taken.
    #[must_use]
    pub fn opaque_tokens(mut self, opaque: Arc<dyn OpaqueTokens>) -> Self {
        self.inner.opaque = Some(opaque);
        self
    }

    /// The scopes a client without a token is told to ask for, in place of what the route requires.
    #[must_use]
    pub fn scopes_for_discovery(mut self, scopes: Scopes) -> Self {
        self.inner.discovery = Some(scopes);
        self
    }

    /// Further origins whose pages may call, such as `https://app.example`.
    #[must_use]
    pub fn allowed_origins<O: AsRef<str>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        for origin in origins {
            self.inner.site.allow_origin(origin.as_ref());
        }
        self
    }

    /// Lets pages of every origin call. The token is not sent by browsers of themselves, so that a page still needs one;
    /// on a loopback resource this gives up the defence against DNS rebinding by `Origin`, and leaves that by `Host`.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.inner.site.allow_any_origin();
        self
    }

    /// Further names, with port, under which requests arrive, such as that of a service inside a cluster.
    #[must_use]
    pub fn allowed_hosts<H: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        for host in hosts {
            self.inner.site.allow_host(host.as_ref());
        }
        self
    }

    /// How far the issuer's clock may be off, in seconds: 0 unless said, at most [`limit::CLOCK_LEEWAY`].
    #[must_use]
    pub fn leeway(mut self, seconds: i64) -> Self {
        self.inner.leeway = seconds.clamp(0, limit::CLOCK_LEEWAY);
        self
    }

    /// The guard.
    pub fn build(self) -> Guard {
        Guard { inner: Arc::new(self.inner) }
    }
}

impl Guard {
    /// Begins a guard of `resource`, for tokens of `issuer` signed by one of `keys`. There is none without these.
    pub fn builder(
        issuer: Issuer,
        resource: Resource,
        keys: Arc<dyn Keys>,
        clock: Arc<dyn Clock>,
    ) -> GuardBuilder {
        let site = Site::new(&issuer, &resource);
        GuardBuilder {
            inner: Inner {
                metadata_url: resource.metadata_url(),
                issuer,
                resource,
                keys,
                clock,
                revocations: Arc::new(NoRevocations),
                opaque: None,
                tools: Arc::new(ToolTable::default()),
                discovery: None,
                site,
                leeway: 0,
                seen: Cache::new(SEEN_TOKENS),
            },
        }
    }

    /// A layer that lets through who holds `scopes`, and whatever the table of tools asks for besides.
    pub fn require(&self, scopes: &Scopes) -> Require {
        Require::new(self.clone(), scopes.union(self.inner.tools.base()))
    }

    /// The resource that is guarded.
    pub fn resource(&self) -> &Resource {
        &self.inner.resource
    }

    /// The issuer whose tokens are taken.
    pub fn issuer(&self) -> &Issuer {
        &self.inner.issuer
    }

    /// The table of tools.
    pub fn tools(&self) -> &ToolTable {
        &self.inner.tools
    }

    /// From the credentials of a request to who calls. Looks at nothing else of it: not at `Host`, `Origin` or scopes.
    ///
    /// # Errors
    /// [`Denied`], by cause. [`Denied::Unready`] and an unknown key may be cured by fetching the keys anew, as
    /// [`Guard::admit_headers`] does.
    pub fn verify(&self, headers: &HeaderMap, uri: &Uri, now: UnixTime) -> Result<Agent, Denied> {
        self.verify_token(bearer::token(headers, uri)?, now)
    }

    /// From a bare token to who calls.
    ///
    /// # Errors
    /// [`Denied`], by cause.
    pub fn verify_token(&self, token: &str, now: UnixTime) -> Result<Agent, Denied> {
        let inner = &self.inner;
        cheap(token)?;
        if !inner.revocations.is_current() {
            return Err(Denied::Unready);
        }
        let keys = inner.keys.keys();
        if keys.is_empty() {
            return Err(Denied::Unready);
        }
        let digest = Digest::of(token.as_bytes());
        if let Some(seen) = inner.seen.get(&digest)
            && Arc::ptr_eq(&seen.keys, &keys)
        {
            self.hold(seen.agent.proof(), now)?;
            return Ok(self.welcome(seen.agent.clone()));
        }
        let verified = jws::verify::<AccessClaims>(token, &ACCESS, &keys).map_err(TokenFault::Jose)?;
        let kid = verified.kid.unwrap_or_default();
        let agent = Agent::new(verified.claims, kid, &inner.resource, &inner.tools)?;
        self.hold(agent.proof(), now)?;
        inner.seen.insert(digest, Arc::new(Seen { agent: agent.clone(), keys }));
        Ok(self.welcome(agent))
    }

    /// As [`Guard::verify`] does, now, fetching the keys once when they seem to be out of date; and it takes opaque
    /// tokens, where there are any.
    ///
    /// # Errors
    /// [`Denied`], by cause.
    pub async fn admit_headers(&self, headers: &HeaderMap, uri: &Uri) -> Result<Agent, Denied> {
        if let Some(opaque) = &self.inner.opaque
            && let Ok(token) = bearer::token(headers, uri)
            && opaque.is_one(token)
        {
            return self.admit_opaque(token, opaque.as_ref()).await;
        }
        match self.verify(headers, uri, self.inner.clock.now()) {
            Err(Denied::Unready | Denied::Token(TokenFault::Jose(JoseError::UnknownKey))) => {
                self.inner.keys.refresh().await;
                self.verify(headers, uri, self.inner.clock.now())
            }
            verdict => verdict,
        }
    }

    async fn admit_opaque(&self, token: &str, opaque: &dyn OpaqueTokens) -> Result<Agent, Denied> {
        let inner = &self.inner;
        if token.len() > limit::JWT {
            return Err(TokenFault::Jose(JoseError::TooLong).into());
        }
        if !inner.revocations.is_current() {
            return Err(Denied::Unready);
        }
        let digest = Digest::of(token.as_bytes());
        if let Some(seen) = inner.seen.get(&digest)
            && self.hold(seen.agent.proof(), inner.clock.now()).is_ok()
        {
            return Ok(self.welcome(seen.agent.clone()));
        }
        let claims = opaque.claims(token).await.map_err(|fault| match fault {
            OpaqueFault::Refused => TokenFault::Unknown.into(),
            OpaqueFault::Unavailable => Denied::Unready,
        })?;
        let agent = Agent::new(claims, String::new(), &inner.resource, &inner.tools)?;
        self.hold(agent.proof(), inner.clock.now())?;
        inner.seen.insert(digest, Arc::new(Seen { agent: agent.clone(), keys: inner.keys.keys() }));
        Ok(self.welcome(agent))
    }

    /// Remembers a token that the issuer, in this very process, has just signed with the key `kid`, so that its first
    /// use costs no verification. Whoever calls this vouches for it; a token for another resource is not remembered.
    pub fn seen(&self, token: &str, claims: AccessClaims, kid: &str) {
        let inner = &self.inner;
        let ours = claims.iss == inner.issuer.as_str() && claims.aud.contains(inner.resource.as_str());
        if let (true, Ok(agent)) = (ours, Agent::new(claims, kid.to_owned(), &inner.resource, &inner.tools)) {
            let seen = Seen { agent, keys: inner.keys.keys() };
            inner.seen.insert(Digest::of(token.as_bytes()), Arc::new(seen));
        }
    }

    /// Whether an agent that was let through earlier would still be: for long calls and streams.
    ///
    /// # Errors
    /// [`Denied`], by cause.
    pub fn recheck(&self, agent: &Agent, now: UnixTime) -> Result<(), Denied> {
        if !self.inner.revocations.is_current() {
            return Err(Denied::Unready);
        }
        self.hold(agent.proof(), now)
    }

    fn welcome(&self, agent: Agent) -> Agent {
        self.inner.revocations.used(&agent.proof().claims);
        agent
    }

    /// Resolves when the agent has been cut off: for what was begun for it and must end with it, such as a process.
    /// A token that merely expired ends nothing.
    pub async fn cut_off(&self, agent: &Agent) {
        loop {
            // Listened for before the question is asked, so that no cut falls in between.
            let changed = self.changed();
            if self.uncut(agent.proof()).is_err() {
                return;
            }
            changed.await;
        }
    }

    /// Everything about a verified token that can change from one request to the next.
    fn hold(&self, proof: &Proof, now: UnixTime) -> Result<(), Denied> {
        let inner = &self.inner;
        let (issuer, resource) = (inner.issuer.as_str(), inner.resource.as_str());
        proof.claims.check(issuer, resource, now, inner.leeway).map_err(TokenFault::Claims)?;
        self.uncut(proof)
    }

    fn uncut(&self, proof: &Proof) -> Result<(), Denied> {
        let is_cut = self.inner.revocations.is_cut(&proof.claims, &proof.kid);
        if is_cut { Err(TokenFault::Revoked.into()) } else { Ok(()) }
    }

    /// Until when a stream that opens now may flow, unless it is cut: as long as its token lives, and a call that was
    /// begun in time for [`STREAM_LIFE`].
    pub(crate) fn stream_end(&self, proof: &Proof) -> UnixTime {
        let expires = UnixTime::from_seconds(proof.claims.exp);
        expires.max(self.inner.clock.now() + STREAM_LIFE)
    }

    /// Whether a stream may go on.
    pub(crate) fn flows(&self, proof: &Proof, end: UnixTime) -> bool {
        self.inner.clock.now() < end && self.inner.revocations.is_current() && self.uncut(proof).is_ok()
    }

    /// Resolves when something may have been revoked.
    pub(crate) fn changed(&self) -> crate::ports::BoxFuture<'static, ()> {
        self.inner.revocations.changed()
    }

    /// Whether the request was sent to us, and by a page that may (`Host`, `Origin`): what is asked before all else.
    ///
    /// # Errors
    /// [`Denied::Host`] or [`Denied::Origin`].
    pub fn check_site(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Denied> {
        self.inner.site.check(headers, uri)
    }

    /// The answer to a refused request (RFC 6750 §3, RFC 9728 §5.1). `required` is what the route asks of everyone.
    pub fn refuse(&self, denied: &Denied, required: &Scopes) -> Response<Body> {
        let body = match denied {
            Denied::Message(fault) => fault.json_rpc_error(None).to_string(),
            Denied::Mismatch(fault, id) => fault.json_rpc_error(id.as_ref()).to_string(),
            other => oauth_error(other),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = denied.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if *denied == Denied::Unready {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(challenge) = self.challenge(denied, required)
            && let Ok(value) = HeaderValue::from_str(&challenge.to_header())
        {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        response
    }

    fn challenge(&self, denied: &Denied, required: &Scopes) -> Option<Challenge> {
        let challenge = match denied.challenge() {
            ChallengeKind::None => return None,
            ChallengeKind::Bare => Challenge::bearer(),
            ChallengeKind::Error => Challenge::bearer().error(denied.code()).description(&denied.to_string()),
        };
        let scopes = match denied {
            Denied::Scope(needed) => needed,
            _ => self.inner.discovery.as_ref().unwrap_or(required),
        };
        Some(challenge.scope(scopes).resource_metadata(&self.inner.metadata_url))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("issuer", &self.inner.issuer)
            .field("resource", &self.inner.resource)
            .finish_non_exhaustive()
    }
}

/// Refuses what cannot be a token before anything is computed over it.
fn cheap(token: &str) -> Result<(), TokenFault> {
    if token.len() > limit::JWT {
        return Err(JoseError::TooLong.into());
    }
    if token.bytes().filter(|&b| b == b'.').count() == 2 { Ok(()) } else { Err(JoseError::Shape.into()) }
}

fn oauth_error(denied: &Denied) -> String {
    let body = ErrorBody { error: denied.code(), error_description: denied.to_string() };
    serde_json::to_value(body).unwrap_or(Value::Null).to_string()
}
