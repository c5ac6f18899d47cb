//! The event stream of the server, from its opening to its end.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::sleep;
use url::Url;

use super::Inner;
use super::events::{Events, Said};
use super::session::Session;

/// The type of the event that names where messages are posted (MCP 2024-11-05, transports).
const ENDPOINT: &str = "endpoint";
/// Types of the events that carry messages.
const MESSAGES: [&str; 2] = ["", "message"];

pub(super) struct Source {
    body: Incoming,
    events: Events,
    said: VecDeque<Said>,
}

impl Source {
    pub(super) const fn new(body: Incoming, largest_event: usize) -> Self {
        Self { body, events: Events::new(largest_event), said: VecDeque::new() }
    }

    /// What comes next; none at the end, however it came. Nothing is lost when this is given up half-way.
    async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.said.pop_front() {
                return Some(said);
            }
            let frame = self.body.frame().await?.ok()?;
            let Ok(piece) = frame.into_data() else { continue };
            if self.events.read(&piece, &mut self.said).is_err() {
                tracing::warn!("the upstream sent an event larger than is carried; its stream is closed");
                return None;
            }
        }
    }

    /// The first event's data, which must name where messages are posted.
    pub(super) async fn endpoint(&mut self) -> Option<Bytes> {
        loop {
            match self.next().await? {
                Said::Comment => {}
                Said::Event { kind, data } => return (kind == ENDPOINT).then_some(data),
            }
        }
    }

    /// Reads for `session` until the server's stream ends, or nobody has used it for `idle`.
    pub(super) async fn read(mut self, session: Arc<Session>, home: Weak<Inner>, idle: Duration) {
        let mut quiet = pin!(sleep(idle));
        loop {
            tokio::select! {
                said = self.next() => match said {
                    Some(Said::Event { kind, data }) if MESSAGES.contains(&kind.as_str()) => session.deliver(data).await,
                    Some(Said::Comment) => session.comment().await,
                    Some(Said::Event { .. }) => {}
                    None => break,
                },
                () = session.touched.notified() => quiet.set(sleep(idle)),
                () = &mut quiet => match session.is_busy() {
                    true => quiet.set(sleep(idle)),
                    false => break,
                },
            }
        }
        if let Some(home) = home.upgrade() {
            home.forget(&session.id);
        }
        session.end();
    }
}

/// Where messages are posted: what the server named, on the very origin its owner named. Anything else would send
/// the gateway's credential, and what callers say, to wherever the server likes.
pub(super) fn posting(base: &Url, named: &[u8]) -> Option<Uri> {
    let named = std::str::from_utf8(named).ok()?.trim();
    let mut url = base.join(named).ok()?;
    let is_same = url.scheme() == base.scheme()
        && url.host() == base.host()
        && url.port_or_known_default() == base.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none();
    url.set_fragment(None);
    is_same.then(|| url.as_str().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_ssrf_messages_are_posted_to_the_owners_origin_only() {
        let base = Url::parse("https://up.example/v1/sse?tenant=a").unwrap();
        for (named, expected) in [
            ("/messages?s=1", Some("https://up.example/messages?s=1")),
            ("messages", Some("https://up.example/v1/messages")),
            ("?s=1", Some("https://up.example/v1/sse?s=1")),
            ("https://up.example/m#x", Some("https://up.example/m")),
            ("https://up.example:443/m", Some("https://up.example/m")),
            ("http://up.example/m", None),
            ("https://up.example:8443/m", None),
            ("https://evil.example/m", None),
            ("//evil.example/m", None),
            ("\\\\evil.example/m", None),
            ("https://up.example@evil.example/m", None),
            ("https://u:p@up.example/m", None),
            ("https://up.example.evil.example/m", None),
            ("http://169.254.169.254/latest", None),
            ("file:///etc/passwd", None),
            ("javascript:alert(1)", None),
            ("ht\ntps://evil.example/m", None),
        ] {
            let found = posting(&base, named.as_bytes()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{named:?}");
        }
    }
}
