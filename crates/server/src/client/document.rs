//! Client ID Metadata Documents: a `client_id` that is a URL, and at that URL what the client says of itself
//! (draft-ietf-oauth-client-id-metadata-document; protocol C01 to C16).
//!
//! This happens before anybody has signed in, so it is also where a stranger could make this server ask things of
//! others: what is fetched is bounded by `portcullis_fetch`, how often by the buckets here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_fetch::{Fetcher, Limits};
use portcullis_guard::Clock;
use portcullis_jose::key::KeySet;
use portcullis_rules::model::{Client, Origin};
use portcullis_rules::register::from_document;
use portcullis_rules::settings::Lifetimes;
use portcullis_wire::id::ClientId;
use portcullis_wire::redirect::{Landing, RedirectUri};
use portcullis_wire::register::{AuthMethod, ClientMetadata};
use portcullis_wire::resource::is_loopback;
use portcullis_wire::{json, limit};
use serde_json::Value;
use url::Url;

use super::fault::DocumentFault;
use super::keys::{KEY_SETS, UNKNOWN_KEY_PAUSE};
use super::shelf::Shelf;
use super::throttle::{Buckets, Prefix, Rate, source_prefix};

/// Documents kept at once. A stranger's documents can push out others; each of those is then one fetch away.
pub const DOCUMENTS: usize = 1024;
/// Fetches under way at once, of documents and of key sets each.
pub const FETCHES_AT_ONCE: usize = 128;
/// The least time a document counts as fresh, and the time when its host says nothing.
pub const DOCUMENT_FRESH_LEAST: Duration = Duration::from_secs(5 * 60);
/// The longest time, whatever its host says.
pub const DOCUMENT_FRESH_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// Fetches that one source may cause.
pub const FETCHES_PER_SOURCE: Rate = Rate { burst: 10, refill: Duration::from_secs(6), keys: 16 * 1024 };
/// Fetches that one host suffers from us for URLs that never answered well, and each URL that once did.
pub const FETCHES_PER_HOST: Rate = Rate { burst: 20, refill: Duration::from_secs(3), keys: 4 * 1024 };

/// What is known of clients by their documents and key sets. One for the whole server.
#[derive(Debug)]
pub struct Documents {
    pub(super) fetcher: Fetcher,
    pub(super) clock: Now,
    pub(super) loopback: bool,
    schemes: Vec<String>,
    documents: Shelf<ClientMetadata>,
    pub(super) key_sets: Shelf<KeySet>,
    pub(super) anew: Buckets<String>,
    hosts: Buckets<String>,
    sources: Buckets<Prefix>,
}

pub(super) struct Now(Arc<dyn Clock>);

impl Now {
    pub(super) fn now(&self) -> portcullis_wire::time::UnixTime {
        self.0.now()
    }
}

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Documents {
    /// Knows nothing yet. `loopback` lets documents and key sets stand on this machine over http, for tests and an
    /// explicit development mode only; `fetcher` must have been built alike. `schemes` are the private-use redirect
    /// schemes allowed here.
    #[must_use]
    pub fn new(fetcher: Fetcher, clock: Arc<dyn Clock>, loopback: bool, schemes: Vec<String>) -> Self {
        Self {
            fetcher,
            clock: Now(clock),
            loopback,
            schemes,
            documents: Shelf::new(DOCUMENTS, FETCHES_AT_ONCE),
            key_sets: Shelf::new(KEY_SETS, FETCHES_AT_ONCE),
            anew: Buckets::new(Rate { burst: 1, refill: UNKNOWN_KEY_PAUSE, keys: KEY_SETS }),
            hosts: Buckets::new(FETCHES_PER_HOST),
            sources: Buckets::new(FETCHES_PER_SOURCE),
        }
    }

    /// The URL that `client_id` is (C01). Its spelling is its identity, so one that a URL parser would mend (another
    /// case of the host, a default port, dot segments, encoded or not) is refused, not mended: what is compared,
    /// what is shown and what is fetched are the same bytes.
    ///
    /// # Errors
    /// [`DocumentFault::NotAUrl`], with the reason.
    pub fn url(client_id: &ClientId, loopback: bool) -> Result<Url, DocumentFault> {
        let text = client_id.as_str();
        let refuse = |why| Err(DocumentFault::NotAUrl(why));
        let Ok(url) = Url::parse(text) else { return refuse("it is not an absolute URL") };
        match url.scheme() {
            "https" => {}
            "http" if loopback && is_loopback(&url) => {}
            _ => return refuse("it does not begin with https://"),
        }
        let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
        let (authority, path) = after_scheme.split_at(after_scheme.find('/').unwrap_or(after_scheme.len()));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return refuse("it holds a user name or password");
        }
        if text.contains('#') {
            return refuse("it holds a fragment");
        }
        if path.split('/').any(is_dot_segment) {
            return refuse("its path holds a . or .. segment");
        }
        if path.is_empty() || path == "/" {
            return refuse("it has no path");
        }
        if url.host_str().is_none_or(|host| host.ends_with('.')) {
            return refuse("its host ends with a dot");
        }
        if url.as_str() != text {
            return refuse("it is not in its one normal spelling (lower-case host, no default port)");
        }
        Ok(url)
    }

    /// The client that `id` is, from its document: one fetched a while ago and still fresh, or a new one. `source` is
    /// who asks; nobody has signed in yet.
    ///
    /// # Errors
    /// [`DocumentFault`], by cause. A document that has gone stale is never used because a new one cannot be had.
    pub async fn client(
        &self,
        id: &ClientId,
        source: IpAddr,
        lifetimes: &Lifetimes,
    ) -> Result<Client, DocumentFault> {
        self.client_with(id, false, source, lifetimes).await
    }

    /// As [`client`](Self::client), of one that somebody may have allowed here before: `has_row` says that it stands in
    /// the store. Then it counts as known even if this process never fetched its document, so that after a restart
    /// nobody can keep it out by asking for others on its host.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub async fn client_with(
        &self,
        id: &ClientId,
        has_row: bool,
        source: IpAddr,
        lifetimes: &Lifetimes,
    ) -> Result<Client, DocumentFault> {
        let url = Self::url(id, self.loopback)?;
        let now = self.clock.now();
        let metadata = match self.documents.fresh(id.as_str(), now) {
            Some(metadata) => metadata,
            None => {
                let is_known = has_row || self.documents.knows(id.as_str());
                let admit = || self.admit(&url, is_known, source);
                let load = || async {
                    let fetched = self.fetcher.fetch(&url, Limits::CLIENT_DOCUMENT).await?;
                    let metadata = judge(id, &fetched.body, &self.schemes, self.loopback)?;
                    Ok((metadata, fresh_for(fetched.fresh_for)))
                };
                self.documents.fetch(id.as_str(), now, admit, load).await?
            }
        };
        Ok(from_document(id.clone(), ClientMetadata::clone(&metadata), lifetimes, now))
    }

    /// C15. A URL that answered well before has an allowance of its own, so that nobody can make a known client
    /// unreachable by asking for others on its host.
    pub(super) fn admit(&self, url: &Url, is_known: bool, source: IpAddr) -> Result<(), DocumentFault> {
        let now = self.clock.now();
        self.sources.take(source_prefix(source), now).map_err(|_| DocumentFault::Throttled)?;
        let key = if is_known { url.as_str() } else { url.host_str().unwrap_or_default() };
        self.hosts.take(key.to_owned(), now).map_err(|_| DocumentFault::Throttled)
    }
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// C09: as the host says, within our bounds.
pub(super) fn fresh_for(told: Option<Duration>) -> Duration {
    told.unwrap_or(DOCUMENT_FRESH_LEAST).clamp(DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_MOST)
}

/// What a document says, if it can stand for `id` (C02, C04, C05). Unknown members are ignored.
fn judge(
    id: &ClientId,
    body: &[u8],
    schemes: &[String],
    loopback: bool,
) -> Result<ClientMetadata, DocumentFault> {
    let invalid = |why| Err(DocumentFault::Invalid(why));
    let Ok(members) = json::parse_object(body, limit::JSON_DEPTH) else {
        return invalid("it is not one well-formed JSON object");
    };
    match members.get("client_id") {
        Some(Value::String(named)) if named == id.as_str() => {}
        Some(Value::String(_)) => return Err(DocumentFault::Mismatch),
        _ => return invalid("it has no client_id"),
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|name| members.contains_key(*name)) {
        return invalid("it holds a client secret, which a public document cannot");
    }
    let metadata =
        ClientMetadata::judge(&members, AuthMethod::None, schemes).map_err(DocumentFault::Metadata)?;
    if metadata.name.is_empty() {
        return invalid("it has no client_name");
    }
    if metadata.auth_method.has_secret() {
        return invalid("its token_endpoint_auth_method needs a shared secret");
    }
    keys_fit(&metadata, loopback)?;
    Ok(metadata)
}

/// The keys can be used, or looked for. That none is private was judged with the rest.
fn keys_fit(metadata: &ClientMetadata, loopback: bool) -> Result<(), DocumentFault> {
    if let Some(set) = &metadata.jwks
        && !KeySet::parse(set.as_bytes()).is_ok_and(|keys| !keys.is_empty())
    {
        return Err(DocumentFault::Invalid("its jwks holds no key that can be used here"));
    }
    match &metadata.jwks_uri {
        Some(uri) => key_set_url(uri, loopback).map(|_| ()),
        None => Ok(()),
    }
}

/// Where a key set is. Whether the host may be asked at all is for the fetch to find out.
pub(super) fn key_set_url(uri: &str, loopback: bool) -> Result<Url, DocumentFault> {
    let invalid = DocumentFault::Invalid("its jwks_uri is not an https URL");
    let url = Url::parse(uri).map_err(|_| invalid)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && loopback && is_loopback(&url));
    if is_plain && is_safe && uri.len() <= limit::CLIENT_ID { Ok(url) } else { Err(invalid) }
}

pub use portcullis_rules::register::drift;

fn document_url(client: &Client) -> Option<Url> {
    (client.origin == Origin::Document).then(|| Url::parse(client.id.as_str()).ok()).flatten()
}

/// The host that vouches for a client: the one its document was fetched from, in ASCII (an internationalised name as
/// punycode). It says nothing of the hosts its redirects lead to (protocol S06). None for a client that is known
/// otherwise: its name is its own claim.
#[must_use]
pub fn verified_domain(client: &Client) -> Option<String> {
    document_url(client)?.host_str().map(str::to_owned)
}

/// Whether `redirect` leads to the origin of the client's document (RFC 6454 §4) or to the person's own computer: the
/// two places that need no further trust once the domain is known (S06). A private-use scheme is neither, since any
/// program may claim it.
#[must_use]
pub fn same_origin_or_loopback(client: &Client, redirect: &RedirectUri) -> bool {
    match redirect.landing() {
        Landing::Loopback => true,
        Landing::PrivateUse => false,
        Landing::Web => match (document_url(client), Url::parse(redirect.as_str())) {
            (Some(document), Ok(redirect)) => document.origin() == redirect.origin(),
            _ => false,
        },
    }
}
