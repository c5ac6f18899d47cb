//! The gateway's own token for the upstream: fetched once, kept, renewed when it is refused, and shown to nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use tower_service::Service as _;
use url::Url;

use super::upstream::{Seen, answering, echo, nobody, raw};
use super::{own_error, post, send, text};
use crate::{
    BoxError, ClientCredentials, ClientSecret, Credential, Gateway, GatewayError, GatewaySettings,
    SecretPlace,
};

/// A token endpoint that issues `t-1`, `t-2` and so on, and tells what it was asked.
async fn issuer() -> (Url, mpsc::UnboundedReceiver<Seen>) {
    let (tell, seen) = mpsc::unbounded_channel();
    let number = Arc::new(AtomicUsize::new(0));
    let url = answering(move |request| {
        let (tell, number) = (tell.clone(), number.fetch_add(1, Ordering::SeqCst) + 1);
        async move {
            let (parts, body) = request.into_parts();
            tell.send(Seen { parts, body: body.collect().await.unwrap().to_bytes() }).ok();
            Response::new(Full::<Bytes>::from(format!(
                r#"{{"access_token":"t-{number}","token_type":"bearer","expires_in":600}}"#
            )))
        }
    })
    .await;
    (url, seen)
}

/// An upstream that takes these tokens only, and tells which it was shown.
async fn picky(taken: &'static [&'static str]) -> (Url, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            let shown = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let is_taken = taken.iter().any(|token| shown == format!("Bearer {token}"));
            tell.send(shown).ok();
            let status = if is_taken { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            let challenge = r#"Bearer resource_metadata="https://inner.example""#;
            let response = Response::builder().status(status).header("www-authenticate", challenge);
            response.body(Full::from(body)).unwrap()
        }
    })
    .await;
    (url, told)
}

fn credentials(token_url: Url) -> ClientCredentials {
    ClientCredentials {
        token_url,
        client_id: "the gateway".into(),
        secret: ClientSecret::new("s3cr:et/\n"),
        place: SecretPlace::Basic,
        scope: Some("mcp:tools more".into()),
        resource: Some("https://up.example/mcp".into()),
    }
}

fn with(upstream: &Url, credentials: ClientCredentials) -> Gateway {
    let settings =
        GatewaySettings { credential: Some(Credential::client(credentials)), ..GatewaySettings::default() };
    assert!(!format!("{settings:?}").contains("s3cr"), "{settings:?}");
    Gateway::new(upstream, settings).unwrap()
}

#[tokio::test]
async fn w03_w02_one_token_is_fetched_for_all_and_the_callers_own_does_not_go_up() {
    let (issuer, mut asked) = issuer().await;
    let (url, mut seen) = echo().await;
    let gateway = with(&url, credentials(issuer));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut request = post("{}");
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer of-the-caller"));
            tokio::spawn(gateway.clone().call(request))
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
        let seen = seen.recv().await.unwrap();
        let shown: Vec<_> = seen.parts.headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(shown, ["Bearer t-1"]);
    }
    asked.recv().await.unwrap();
    assert!(asked.try_recv().is_err(), "it was asked once");
}

#[tokio::test]
async fn rfc6749_4_4_2_what_the_token_endpoint_is_asked() {
    let form = "grant_type=client_credentials&scope=mcp%3Atools+more&resource=https%3A%2F%2Fup.example%2Fmcp";
    let basic = format!("Basic {}", STANDARD.encode("the+gateway:s3cr%3Aet%2F"));
    let posted = format!("{form}&client_id=the+gateway&client_secret=s3cr%3Aet%2F");
    for (place, expected, authorization) in
        [(SecretPlace::Basic, form, Some(basic.as_str())), (SecretPlace::Post, posted.as_str(), None)]
    {
        let (issuer, mut asked) = issuer().await;
        let (url, _seen) = echo().await;
        let gateway = with(&url, ClientCredentials { place, ..credentials(issuer) });
        assert_eq!(send(&gateway, post("{}")).await.status(), StatusCode::OK);
        let asked = asked.recv().await.unwrap();
        assert_eq!(asked.parts.method, "POST");
        assert_eq!(asked.parts.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(asked.body, expected);
        let shown = asked.parts.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
        assert_eq!(shown, authorization);
    }
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_before_its_end() {
    let (issuer, _asked) = issuer().await;
    let (url, mut seen) = echo().await;
    let gateway = with(&url, credentials(issuer));
    for (passed, expected) in [(0, "Bearer t-1"), (530, "Bearer t-1"), (11, "Bearer t-2"), (0, "Bearer t-2")]
    {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(passed)).await;
        tokio::time::resume();
        assert_eq!(send(&gateway, post("{}")).await.status(), StatusCode::OK);
        assert_eq!(seen.recv().await.unwrap().parts.headers[AUTHORIZATION], expected, "{passed}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_renewed_and_the_request_sent_again() {
    let (issuer, _asked) = issuer().await;
    let (url, mut told) = picky(&["t-2"]).await;
    let gateway = with(&url, credentials(issuer));
    assert_eq!(text(send(&gateway, post("{\"once\":1}")).await).await, "{\"once\":1}");
    assert_eq!(told.recv().await.unwrap(), "Bearer t-1");
    assert_eq!(told.recv().await.unwrap(), "Bearer t-2");
    assert_eq!(text(send(&gateway, post("{}")).await).await, "{}");
    assert_eq!(told.recv().await.unwrap(), "Bearer t-2");
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn w04_an_upstream_that_takes_no_token_is_502_and_the_issuer_is_left_in_peace() {
    let (issuer, mut asked) = issuer().await;
    let (url, mut told) = picky(&[]).await;
    let gateway = with(&url, credentials(issuer));
    for _ in 0..5 {
        let response = send(&gateway, post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert!(!format!("{:?}", response.headers()).contains("inner"));
        assert_eq!(own_error(response).await, "upstream_refused");
    }
    let shown: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).collect();
    assert_eq!(shown.len(), 6, "one request was sent twice: {shown:?}");
    assert_eq!(std::iter::from_fn(|| asked.try_recv().ok()).count(), 2);
}

#[tokio::test]
async fn a_request_whose_body_is_gone_is_not_sent_again() {
    let (issuer, _asked) = issuer().await;
    let (url, mut told) = picky(&["t-2"]).await;
    let mut gateway = with(&url, credentials(issuer));
    let (mut writer, body) = Channel::<Bytes, BoxError>::new(1);
    let asking = tokio::spawn(gateway.call(Request::post("/mcp").body(body).unwrap()));
    writer.send_data(Bytes::from("{}")).await.unwrap();
    drop(writer);
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(own_error(response).await, "upstream_refused");
    assert_eq!(told.recv().await.unwrap(), "Bearer t-1");
    assert!(told.try_recv().is_err());
    assert_eq!(text(send(&gateway, post("{}")).await).await, "{}", "the next one has the new token");
}

#[tokio::test]
async fn w04_without_a_token_nothing_is_forwarded_and_nothing_is_told() {
    let large = format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, "t".repeat(100_000));
    for (name, status, body) in [
        ("refused", 400, r#"{"error":"invalid_client","error_description":"inner"}"#),
        ("forbidden", 403, "inner"),
        ("elsewhere", 307, "inner"),
        ("no JSON", 200, "inner"),
        ("another type", 200, r#"{"access_token":"inner","token_type":"DPoP"}"#),
        ("no token", 200, r#"{"access_token":"","token_type":"Bearer"}"#),
        ("no header", 200, r#"{"access_token":"in\nner","token_type":"Bearer"}"#),
        ("too large", 200, large.as_str()),
    ] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let issuer = answering(move |_| {
            let response = Response::builder().status(status).header("location", "https://inner.example/");
            let response = response.body(Full::from(body.clone())).unwrap();
            async { response }
        })
        .await;
        let (url, mut seen) = echo().await;
        let response = send(&with(&url, credentials(issuer)), post("{}")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}");
        assert_eq!(response.headers()["retry-after"], "5", "{name}");
        assert!(!format!("{response:?}").contains("inner"), "{name}");
        assert_eq!(own_error(response).await, "upstream_refused", "{name}");
        assert!(seen.try_recv().is_err(), "{name}");
    }
    let (url, _seen) = echo().await;
    let response = send(&with(&url, credentials(nobody().await)), post("{}")).await;
    assert_eq!(own_error(response).await, "upstream_refused");
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_is_given_up_once_for_all() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let issuer = raw(move |stream| {
        let tell = tell.clone();
        async move {
            tell.send(()).ok();
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    let (url, _seen) = echo().await;
    let gateway = with(&url, credentials(issuer));
    let calls: Vec<_> = (0..20).map(|_| tokio::spawn(gateway.clone().call(post("{}")))).collect();
    told.recv().await.unwrap();
    tokio::time::pause();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(told.try_recv().is_err(), "it was asked once");
}

#[test]
fn rfc6749_3_2_a_token_endpoint_in_the_clear_is_refused() {
    for url in ["http://as.example/token", "https://u:p@as.example/token", "file:///token"] {
        let credential = Credential::client(credentials(Url::parse(url).unwrap()));
        let settings = GatewaySettings { credential: Some(credential), ..GatewaySettings::default() };
        let refused = Gateway::new(&Url::parse("https://up.example/").unwrap(), settings);
        assert_eq!(refused.err(), Some(GatewayError::TokenUrl), "{url}");
    }
}

#[tokio::test]
async fn w04_an_upstream_that_repeats_what_it_was_shown_is_not_passed_on() {
    let url = answering(|request| async move {
        let mut response = Response::new(Full::<Bytes>::from("{}"));
        for name in ["x-api-key", "x_api_key"] {
            response.headers_mut().insert(name, request.headers()["x-api-key"].clone());
        }
        response
    })
    .await;
    let credential = Credential::header(http::HeaderName::from_static("x-api-key"), "of-the-gateway").ok();
    let settings = GatewaySettings { credential, ..GatewaySettings::default() };
    let response = send(&Gateway::new(&url, settings).unwrap(), post("{}")).await;
    assert!(!format!("{:?}", response.headers()).contains("api"), "{:?}", response.headers());
}
