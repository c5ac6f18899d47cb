//! A provider's metadata: what is read, what is refused, and how long it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_fetch::{Fetcher, Loopback};
use portcullis_wire::time::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use url::Url;

use super::signer::{Manner, foreign, p256, rsa, sign};
use super::world::{IDP, NOW, at_once, fetcher, finish_at, good, kept, metadata, provider_with, settings};
use crate::saml::{ServiceProvider, Source, fingerprint, key::Key, limit};

fn code(metadata: &str) -> &'static str {
    ServiceProvider::new(settings(metadata), fetcher()).map(|_| ()).unwrap_err().code
}

#[test]
fn saml_metadata_2_4_3_what_is_missing_is_said() {
    let whole = metadata(&[rsa()]);
    let weak = "MIIBszCCARygAwIBAgIUVUFj";
    for (name, given, expected) in [
        ("no XML", "entity".to_owned(), "saml_metadata"),
        ("a DTD", format!("<!DOCTYPE x>{whole}"), "saml_metadata"),
        ("a service", whole.replace("IDPSSODescriptor", "SPSSODescriptor"), "saml_metadata"),
        ("SAML 1.1", whole.replace("SAML:2.0:protocol", "SAML:1.1:protocol"), "saml_metadata"),
        ("no redirect", whole.replace("HTTP-Redirect", "SOAP"), "saml_metadata"),
        (
            "plain address",
            whole.replace("https://idp.example/sso", "http://idp.example/sso"),
            "saml_metadata",
        ),
        ("script", whole.replace("https://idp.example/sso?tenant=1", "javascript:alert(1)"), "saml_metadata"),
        (
            "user name",
            whole.replace("https://idp.example/sso", "https://a:b@idp.example/sso"),
            "saml_metadata",
        ),
        ("no entity id", whole.replace(IDP, ""), "saml_metadata"),
        ("odd date", whole.replace("entityID", r#"validUntil="soon" entityID"#), "saml_metadata"),
        ("not a certificate", whole.replace(&rsa().base64(), weak), "saml_certificate"),
        ("cut certificate", whole.replace(&rsa().base64(), &rsa().base64()[..400]), "saml_certificate"),
        (
            "several",
            format!(
                "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{whole}{}</md:EntitiesDescriptor>",
                whole.replace(IDP, "https://b")
            ),
            "saml_metadata",
        ),
    ] {
        assert_eq!(code(&given), expected, "{name}");
    }
    let mut named = settings(&whole);
    named.issuer = Some("https://other".to_owned());
    assert_eq!(ServiceProvider::new(named, fetcher()).map(|_| ()).unwrap_err().code, "saml_metadata_issuer");
}

#[test]
fn metadata_may_be_one_of_several_with_comments_and_a_mark_in_front() {
    let whole = metadata(&[rsa()]);
    let both = format!(
        "\u{feff}<?xml version='1.0'?><!-- <a> --><md:EntitiesDescriptor xmlns:md=\"{}\">{whole}{}</md:EntitiesDescriptor>",
        "urn:oasis:names:tc:SAML:2.0:metadata",
        whole.replace(IDP, "https://b").replace("<md:IDP", "<!-- --><md:IDP")
    );
    for entity in [IDP, "https://b"] {
        let mut named = settings(&both);
        named.issuer = Some(entity.to_owned());
        assert_eq!(provider_with(named).issuer(), entity);
    }
}

#[test]
fn metadata_beyond_its_date_signs_nobody_in() {
    let dated = metadata(&[rsa()]).replace("entityID", r#"validUntil="2026-11-23T04:00:00Z" entityID"#);
    let provider = provider_with(settings(&dated));
    let before = UnixTime::from_seconds(NOW.seconds() - 1);
    assert!(finish_at(&provider, &good(), before).is_ok());
    assert_eq!(finish_at(&provider, &good(), NOW).unwrap_err().code, "saml_metadata_expired");
    let findings = at_once(provider.check(NOW));
    assert_eq!(findings[0].fault.as_ref().unwrap().code, "saml_metadata_expired");
}

#[test]
fn a_look_names_the_keys_and_warns_of_old_ones() {
    let wants = metadata(&[rsa(), p256()])
        .replace("<md:IDPSSODescriptor", r#"<md:IDPSSODescriptor WantAuthnRequestsSigned="true""#);
    let provider = provider_with(settings(&wants));
    let findings = at_once(provider.check(NOW));
    assert!(findings.iter().all(|it| it.fault.is_none()), "{findings:?}");
    assert!(findings.iter().any(|it| it.what.contains(IDP)));
    assert!(findings.iter().any(|it| it.what.contains("signed requests")));
    assert_eq!(findings.iter().filter(|it| it.what.contains("sha256")).count(), 2);
    let later = UnixTime::from_seconds(100_000_000_000);
    let old = at_once(provider.check(later));
    assert_eq!(
        old.iter()
            .filter(|it| it.fault.as_ref().is_some_and(|it| it.code == "saml_certificate_expired"))
            .count(),
        2
    );
}

#[test]
fn rfc5280_4_1_a_certificate_is_read_strictly() {
    let good = &rsa().certificate;
    assert_eq!(fingerprint(good), fingerprint(rsa().pem().as_bytes()));
    assert!(fingerprint(good).is_some() && fingerprint(b"").is_none());
    let key = Key::of_certificate(good).unwrap();
    assert!(key.expires_at > NOW);
    for length in 0..good.len() {
        assert!(Key::of_certificate(&good[..length]).is_err(), "{length}");
    }
}

/// A server that answers every request with what `answer` holds; how often it was asked.
async fn server(answer: Arc<Mutex<Option<String>>>) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/metadata", listener.local_addr().unwrap())).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let reply = match &*answer.lock().await {
                Some(body) => format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/samlmetadata+xml\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                None => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (url, asked)
}

fn from_address(url: Url, fingerprint: Option<[u8; 32]>) -> ServiceProvider {
    let mut settings = settings("");
    settings.idp = Source::Url { url, fingerprint };
    settings.issuer = Some(IDP.to_owned());
    let fetch = portcullis_fetch::Settings {
        loopback: Loopback::AllowPlainAndTls,
        ..portcullis_fetch::Settings::default()
    };
    ServiceProvider::new(settings, Fetcher::new(fetch).unwrap()).unwrap()
}

fn later(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(NOW.seconds() + seconds)
}

#[tokio::test]
async fn metadata_from_an_address_is_kept_renewed_and_outlives_a_silence() {
    let answer = Arc::new(Mutex::new(None));
    let (url, asked) = server(answer.clone()).await;
    let provider = from_address(url, None);
    assert_eq!(provider.issuer(), IDP);
    let field = STANDARD.encode(good());
    let count = || asked.load(Ordering::SeqCst);

    // Never had: nobody signs in, and the address is not asked at every try.
    for _ in 0..3 {
        let fault = provider.finish(&field, &kept(), NOW).await.unwrap_err();
        assert_eq!((fault.code, fault.transient), ("saml_metadata_fetch", true));
    }
    assert_eq!(count(), 1);
    *answer.lock().await = Some(metadata(&[rsa()]));
    let now = later(40);
    assert!(provider.finish(&field, &kept(), now).await.is_ok());
    assert!(provider.finish(&field, &kept(), now).await.is_ok());
    assert_eq!(count(), 2);

    // A new key is found without waiting for the hour; a foreign one costs a fetch per pause at most.
    *answer.lock().await = Some(metadata(&[foreign()]));
    let now = later(80);
    let rolled = STANDARD.encode(sign(
        &super::shapes::plain(),
        "Assertion",
        &Manner { key: foreign(), ..Manner::plain() },
    ));
    assert!(provider.finish(&rolled, &kept(), now).await.is_ok());
    for _ in 0..5 {
        assert_eq!(provider.finish(&field, &kept(), now).await.unwrap_err().code, "saml_signature");
    }
    assert_eq!(count(), 3);

    // The address falls silent: what was good goes on counting, for a day.
    *answer.lock().await = None;
    let kept_for = i64::try_from(limit::METADATA_KEPT.as_secs()).unwrap();
    let begin = crate::saml::Begin { request_id: "r".repeat(16), relay_state: "h".to_owned(), again: false };
    assert!(provider.begin(&begin, later(80 + 3_600)).await.is_ok());
    assert_eq!(count(), 4);
    assert!(provider.check(later(80 + 3_601)).await[0].fault.is_some());
    assert!(provider.begin(&begin, later(80 + kept_for - 1)).await.is_ok());
    assert!(provider.begin(&begin, later(80 + kept_for)).await.is_err());
    assert!(provider.begin(&begin, later(80 + kept_for + 60)).await.is_err());
}

#[tokio::test]
async fn a_pinned_certificate_is_the_only_one_that_counts() {
    let answer = Arc::new(Mutex::new(Some(metadata(&[foreign(), rsa()]))));
    let (url, _) = server(answer.clone()).await;
    let field = STANDARD.encode(good());
    let pinned = from_address(url.clone(), fingerprint(&rsa().certificate));
    assert!(pinned.finish(&field, &kept(), NOW).await.is_ok());
    let other = from_address(url.clone(), fingerprint(&foreign().certificate));
    assert_eq!(other.finish(&field, &kept(), NOW).await.unwrap_err().code, "saml_signature");
    let none = from_address(url.clone(), Some([7; 32]));
    assert_eq!(none.finish(&field, &kept(), NOW).await.unwrap_err().code, "saml_metadata_key");
    // The address begins to speak for another entity.
    *answer.lock().await = Some(metadata(&[rsa()]).replace(IDP, "https://other"));
    let changed = from_address(url.clone(), None);
    assert_eq!(changed.finish(&field, &kept(), NOW).await.unwrap_err().code, "saml_metadata_issuer");
    let mut unsaid = settings("");
    unsaid.idp = Source::Url { url, fingerprint: None };
    assert_eq!(ServiceProvider::new(unsaid, fetcher()).map(|_| ()).unwrap_err().code, "saml_issuer_unsaid");
}
