//! Answers and metadata of SAML providers.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use portcullis_fetch::{Fetcher, Settings as Fetch};
use portcullis_sso::Identity;
use portcullis_sso::saml::{Begin, Kept, Names, ServiceProvider, Settings, Source};
use portcullis_wire::base64url;
use portcullis_wire::time::UnixTime;

use super::{Verdict, hold};

/// A real answer, and the metadata of who gave it.
const RESPONSE: &str = include_str!("../../../crates/sso/tests/saml/real/pysaml2/response.xml");
const METADATA: &str = include_str!("../../../crates/sso/tests/saml/real/pysaml2/metadata.xml");
const NOTES: &str = include_str!("../../../crates/sso/tests/saml/real/pysaml2/notes.txt");

/// Seeds that are recorded rather than written down.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "saml" => vec![RESPONSE.as_bytes().to_vec()],
        "saml-metadata" => vec![METADATA.as_bytes().to_vec()],
        _ => Vec::new(),
    }
}

fn note(name: &str) -> String {
    let line = NOTES.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_default().to_owned()
}

fn fetcher() -> Result<Fetcher, &'static str> {
    static FETCHER: OnceLock<Option<Fetcher>> = OnceLock::new();
    FETCHER.get_or_init(|| Fetcher::new(Fetch::default()).ok()).clone().ok_or("there is no fetcher")
}

fn provider(metadata: &[u8], private_network: bool) -> Result<Option<ServiceProvider>, &'static str> {
    let settings = Settings {
        entity_id: note("entity_id"),
        acs: note("acs"),
        issuer: None,
        idp: Source::Metadata(metadata.to_vec()),
        names: Names::PersistentOnly,
        private_network,
    };
    Ok(ServiceProvider::new(settings, fetcher()?).ok())
}

/// What a future gives that waits for nothing: with its metadata at hand, a provider asks nobody.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, &'static str> {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err("a provider whose metadata is at hand waits"),
    }
}

fn finish(text: &[u8]) -> Result<Option<Identity>, &'static str> {
    static PROVIDER: OnceLock<Option<ServiceProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| provider(METADATA.as_bytes(), true).ok().flatten());
    let provider = provider.as_ref().ok_or("the recorded metadata is refused")?;
    let request_id = note("request_id").trim_start_matches('_').to_owned();
    let now = UnixTime::from_seconds(note("made_at").parse().map_err(|_| "the note has no time")?);
    // The field is in the other alphabet of base64, and padded.
    let mut field = base64url::encode(text).replace('-', "+").replace('_', "/");
    while !field.len().is_multiple_of(4) {
        field.push('=');
    }
    Ok(at_once(provider.finish(&field, &Kept { request_id, again_since: None }, now))?.ok())
}

/// Whatever is done to an answer, it says of nobody what the provider did not sign.
pub(super) fn answer(input: &[u8]) -> Verdict {
    static SIGNED: OnceLock<Option<Identity>> = OnceLock::new();
    let signed = SIGNED.get_or_init(|| finish(RESPONSE.as_bytes()).ok().flatten());
    hold(signed.is_some(), "the recorded answer is refused")?;
    let read = finish(input)?;
    hold(read.is_none() || read == *signed, "an answer was read otherwise than it was signed")
}

/// Metadata that is taken names a provider, and leads only to places a browser may be sent.
pub(super) fn metadata(input: &[u8]) -> Verdict {
    let Some(provider) = provider(input, false)? else { return Ok(()) };
    hold(!provider.issuer().is_empty(), "a provider without a name was taken")?;
    let begin =
        Begin { request_id: "0123456789abcdef".to_owned(), relay_state: "handle".to_owned(), again: false };
    let address = at_once(provider.begin(&begin, UnixTime::from_seconds(0)))?;
    let leads = |address: &str| {
        ["https://", "http://localhost", "http://127.0.0.1", "http://[::1]"]
            .iter()
            .any(|it| address.starts_with(it))
    };
    hold(
        address.is_ok_and(|it| leads(&it)) || input.windows(10).any(|it| it == b"validUntil"),
        "a person is led astray",
    )
}
