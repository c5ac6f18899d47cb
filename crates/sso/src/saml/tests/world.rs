//! The two sides of a sign-in in a test.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_fetch::Fetcher;
use portcullis_wire::time::UnixTime;

use super::shapes::{Shape, plain};
use super::signer::{Manner, Pair, p256, p384, rsa, sign};
use crate::saml::{Kept, Names, ServiceProvider, Settings, Source};
use crate::{Fault, Identity};

pub(super) const ENTITY: &str = "https://mcp.example/saml/acme/metadata";
pub(super) const ACS: &str = "https://mcp.example/saml/acme/acs";
pub(super) const IDP: &str = "https://idp.example/metadata";
pub(super) const REQUEST: &str = "request-0123456789";
/// 2026-11-23T04:00:00Z.
pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_795_406_400);

/// A provider's metadata with the keys of `pairs`.
pub(super) fn metadata(pairs: &[&Pair]) -> String {
    let keys: String = pairs
        .iter()
        .map(|pair| {
            format!(
                concat!(
                    r#"<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">"#,
                    "<ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
                    "</md:KeyDescriptor>"
                ),
                pair.base64()
            )
        })
        .collect();
    format!(
        concat!(
            r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{}">"#,
            r#"<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{}"#,
            r#"<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" "#,
            r#"Location="https://idp.example/post"/><md:SingleSignOnService "#,
            r#"Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" "#,
            r#"Location="https://idp.example/sso?tenant=1"/></md:IDPSSODescriptor></md:EntityDescriptor>"#
        ),
        IDP, keys
    )
}

pub(super) fn settings(metadata: &str) -> Settings {
    Settings {
        entity_id: ENTITY.to_owned(),
        acs: ACS.to_owned(),
        issuer: None,
        idp: Source::Metadata(metadata.as_bytes().to_vec()),
        names: Names::PersistentOnly,
        private_network: false,
    }
}

pub(super) fn fetcher() -> Fetcher {
    Fetcher::new(portcullis_fetch::Settings::default()).unwrap()
}

pub(super) fn provider_with(settings: Settings) -> ServiceProvider {
    ServiceProvider::new(settings, fetcher()).unwrap()
}

/// Our side, knowing the provider's keys of every kind.
pub(super) fn provider() -> ServiceProvider {
    provider_with(settings(&metadata(&[rsa(), p256(), p384()])))
}

/// What a future gives that waits for nothing.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

pub(super) fn kept() -> Kept {
    Kept { request_id: REQUEST.to_owned(), again_since: None }
}

/// Hands an answer in.
pub(super) fn finish(xml: &str) -> Result<Identity, Fault> {
    finish_at(&provider(), xml, NOW)
}

pub(super) fn finish_at(provider: &ServiceProvider, xml: &str, now: UnixTime) -> Result<Identity, Fault> {
    at_once(provider.finish(&STANDARD.encode(xml), &kept(), now))
}

/// The code of a refusal; panics where there is none.
#[track_caller]
pub(super) fn refused(xml: &str) -> &'static str {
    match finish(xml) {
        Ok(_) => panic!("accepted: {xml}"),
        Err(fault) => {
            assert!(!fault.fix.is_empty() && !fault.why.is_empty(), "{fault:?}");
            fault.code
        }
    }
}

/// The shape, signed as its provider signs.
pub(super) fn signed(shape: &Shape) -> String {
    let inside = sign(&shape.xml, "Assertion", &shape.assertion);
    match &shape.response {
        Some(manner) => sign(&inside, "Response", manner),
        None => inside,
    }
}

/// The plain answer with `from` replaced by `to`, and signed then.
#[track_caller]
pub(super) fn with(from: &str, to: &str) -> String {
    let xml = plain();
    assert!(xml.contains(from), "{from} is not in the answer");
    sign(&xml.replace(from, to), "Assertion", &Manner::plain())
}

/// The plain answer, the assertion signed.
pub(super) fn good() -> String {
    sign(&plain(), "Assertion", &Manner::plain())
}

/// The plain answer, both signed.
pub(super) fn good_twice() -> String {
    sign(&good(), "Response", &Manner::plain())
}
