//! Who is calling, in words that the upstream can verify.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{Extensions, StatusCode};
use url::Url;

use super::upstream::echo;
use super::{own_error, post, send};
use crate::{Asserting, Assertions, Credential, Gateway, GatewayError, GatewaySettings, Identity, Refusal};

/// Whom the guard let in.
#[derive(Clone)]
struct Caller(&'static str);

/// Vouches for whoever is in the extensions, unsigned.
struct Vouching;

impl Assertions for Vouching {
    fn header<'a>(&'a self, caller: &'a Extensions, audience: &'a str) -> Asserting<'a> {
        Box::pin(async move {
            let Caller(name) = caller.get::<Caller>().ok_or(Refusal)?;
            HeaderValue::from_str(&format!("{name} at {audience}")).map_err(|_| Refusal)
        })
    }
}

fn identity() -> Identity {
    Identity::new(Arc::new(Vouching))
}

fn vouched(upstream: &Url, identity: Identity) -> Gateway {
    let settings = GatewaySettings {
        credential: Credential::bearer("of-the-gateway").ok(),
        identity: Some(identity),
        ..GatewaySettings::default()
    };
    Gateway::new(upstream, settings).unwrap()
}

#[tokio::test]
async fn w17_t_header_strip_the_upstream_gets_our_assertion_and_no_forged_one() {
    let (url, mut seen) = echo().await;
    let origin = format!("http://127.0.0.1:{}", url.port().unwrap());
    let named = HeaderName::from_static("x-who");
    for (identity, header, expected) in [
        (identity(), "x-portcullis-identity", format!("ann at {origin}")),
        (identity().under(named.clone()), "x-who", format!("ann at {origin}")),
        (
            identity().made_out_to("https://up.example/mcp".into()),
            "x-portcullis-identity",
            "ann at https://up.example/mcp".into(),
        ),
    ] {
        let gateway = vouched(&url, identity);
        let mut request = post("{}");
        request.extensions_mut().insert(Caller("ann"));
        let spellings = [
            header.to_owned(),
            header.to_uppercase(),
            header.replace('-', "_"),
            header.replace('-', "."),
            header.replace('-', "--"),
            format!("_{header}"),
            format!("{header}_"),
            header.replacen('-', "_", 1),
        ];
        for spelling in &spellings {
            let name = HeaderName::from_bytes(spelling.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static("root"));
        }
        request.headers_mut().insert("connection", HeaderValue::from_str(header).unwrap());
        assert_eq!(send(&gateway, request).await.status(), StatusCode::OK);
        let headers = seen.recv().await.unwrap().parts.headers;
        assert_eq!(headers.get_all(header).iter().collect::<Vec<_>>(), [&expected]);
        assert_eq!(headers["authorization"], "Bearer of-the-gateway", "beside the secret");
        assert!(!headers.values().any(|value| value == "root"), "{headers:?}");
    }
}

#[tokio::test]
async fn w17_without_an_assertion_nothing_is_forwarded() {
    let (url, mut seen) = echo().await;
    let response = send(&vouched(&url, identity()), post("{}")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(own_error(response).await, "upstream_refused");
    assert!(seen.try_recv().is_err());
}

#[test]
fn headers_that_are_not_the_owners_to_set_are_refused() {
    let url = Url::parse("https://up.example/").unwrap();
    for name in [
        "host",
        "content-length",
        "mcp-session-id",
        "content-type",
        "via",
        "authorization",
        "transfer_encoding",
    ] {
        let name = HeaderName::from_static(name);
        let settings = GatewaySettings {
            credential: Credential::bearer("t").ok(),
            identity: Some(identity().under(name.clone())),
            ..GatewaySettings::default()
        };
        assert_eq!(Gateway::new(&url, settings).err(), Some(GatewayError::Header(name)));
    }
}
