//! What must not pass, in either direction.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tower_service::Service as _;

use super::upstream::{answering, echo, raw, read_to};
use super::{bare, gateway, own_error, post, send, text};
use crate::{BoxError, Credential, Gateway, GatewaySettings};

const IDENTITY: &[&str] = &[
    "X-User",
    "x_user",
    "X-User-Id",
    "x-user_email",
    "X-Username",
    "X-Remote-User",
    "X_Remote_User",
    "x.remote.user",
    "Remote-User",
    "remote_user",
    "REMOTE-GROUPS",
    "X-Auth-Request-Email",
    "x-auth_token",
    "X-Authenticated-UserId",
    "X-Forwarded-User",
    "x_forwarded_user",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "x_real_ip",
    "True-Client-IP",
    "X-Portcullis-Subject",
    "x_portcullis_agent",
    "X-Goog-Authenticated-User-Email",
    "X-Amzn-Oidc-Data",
    "Cf-Access-Authenticated-User-Email",
    "Tailscale-User-Login",
    "X-MS-Client-Principal-Name",
    "Ssl-Client-S-Dn",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "Proxy",
];

#[tokio::test]
async fn t_header_strip_no_claim_about_the_caller_reaches_the_upstream() {
    let (url, mut seen) = echo().await;
    let mut request = post("{}");
    for name in IDENTITY {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name.clone(), HeaderValue::from_static("root"));
        request.headers_mut().append(name, HeaderValue::from_static("root-again"));
    }
    assert_eq!(send(&gateway(&url), request).await.status(), StatusCode::OK);
    let seen = seen.recv().await.unwrap();
    let mut left: Vec<&str> = seen.parts.headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-length", "host", "via"]);
}

#[tokio::test]
async fn t_no_passthrough_w02_r14_no_credential_of_the_callers_reaches_the_upstream() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = raw(move |mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(read_to(&mut stream, "{\"id\":1}").await).ok();
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let mut request = post("{\"id\":1}");
    *request.uri_mut() = "/mcp?access_token=tok-secret&Access_Token=tok-secret&keep=1".parse().unwrap();
    for name in [
        "Authorization",
        "authorization_",
        "Cookie",
        "Cookie2",
        "DPoP",
        "Proxy-Authorization",
        "proxy_authorization",
        "X-Access-Token",
        "X-Auth-Token",
        "X-Forwarded-Access-Token",
        "X-Id-Token",
    ] {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_static("Bearer tok-secret"));
    }
    assert_eq!(send(&gateway(&url), request).await.status(), StatusCode::ACCEPTED);
    let told = told.recv().await.unwrap();
    assert!(told.starts_with("POST /mcp?keep=1 HTTP/1.1\r\n"), "{told}");
    assert!(!told.contains("tok-secret"), "{told}");
}

#[tokio::test]
async fn the_upstream_gets_the_gateways_own_credential_whatever_the_caller_sends() {
    let (url, mut seen) = echo().await;
    let header = HeaderName::from_static("x-api-key");
    for (credential, name) in [
        (Credential::bearer("of-the-gateway"), "authorization"),
        (Credential::header(header, "of-the-gateway"), "x-api-key"),
    ] {
        let settings = GatewaySettings { credential: credential.ok(), ..GatewaySettings::default() };
        assert!(!format!("{settings:?}").contains("of-the-gateway"));
        let gateway = Gateway::new(&url, settings).unwrap();
        let mut request = post("{}");
        request.headers_mut().insert(name, HeaderValue::from_static("of-the-caller"));
        request.headers_mut().insert("x_api_key", HeaderValue::from_static("of-the-caller"));
        // Named in Connection, a header of ours must survive all the same.
        request.headers_mut().insert("connection", HeaderValue::from_str(name).unwrap());
        send(&gateway, request).await;
        let seen = seen.recv().await.unwrap();
        let values: Vec<_> = seen.parts.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}");
        assert!(values[0].to_str().unwrap().ends_with("of-the-gateway"), "{name}");
        assert_eq!(seen.parts.headers.contains_key("x_api_key"), name != "x-api-key");
    }
}

#[tokio::test]
async fn rfc9110_7_6_1_connection_headers_end_here_in_both_directions() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = raw(move |mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(read_to(&mut stream, "\r\n\r\n").await).ok();
            let head = "HTTP/1.1 200 OK\r\nconnection: x-hop, close\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
                        proxy-authenticate: Basic\r\nupgrade: h2c\r\ntrailer: x-user\r\nx-stays: 1\r\n\
                        content-length: 2\r\n\r\nok";
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut request = bare(Method::GET);
    for (name, value) in [
        ("connection", "keep-alive, X-Hop"),
        ("connection", "x-hop-two ,, bad name"),
        ("x-hop", "1"),
        ("x-hop-two", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-user"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("proxy-connection", "keep-alive"),
        ("x-stays", "1"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let response = send(&gateway(&url), request).await;
    let down: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(down, ["x-stays"]);
    assert_eq!(text(response).await, "ok");
    let told = told.recv().await.unwrap();
    let mut up: Vec<&str> = told.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    up.sort_unstable();
    assert_eq!(up, ["host", "via", "x-stays"]);
}

#[tokio::test]
async fn the_upstream_speaks_for_nobody_on_our_origin() {
    let url = answering(|_| async {
        let mut response = Response::new(Full::<Bytes>::from("{}"));
        for name in [
            "Set-Cookie",
            "WWW-Authenticate",
            "Authentication-Info",
            "DPoP-Nonce",
            "Server",
            "X-Powered-By",
            "Access-Control-Allow-Origin",
            "Access-Control-Allow-Credentials",
            "Access-Control-Expose-Headers",
            "Strict-Transport-Security",
            "Clear-Site-Data",
            "Alt-Svc",
            "Location",
            "Refresh",
            "X-Accel-Redirect",
            "X-Portcullis-Agent",
            "X_Portcullis_Agent",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, HeaderValue::from_static("theirs"));
        }
        response.headers_mut().insert("mcp-session-id", HeaderValue::from_static("s1"));
        response
    })
    .await;
    let response = send(&gateway(&url), post("{}")).await;
    let mut left: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["date", "mcp-session-id"]);
}

#[tokio::test]
async fn w04_an_upstreams_challenge_and_body_stay_with_the_gateway() {
    for status in [401, 403, 407] {
        let url = answering(move |_| async move {
            let challenge = r#"Bearer resource_metadata="https://inner.example/prm""#;
            Response::builder()
                .status(status)
                .header("www-authenticate", challenge)
                .header("x-inner", "inner.example")
                .body(Full::<Bytes>::from("inner.example says no"))
                .unwrap()
        })
        .await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{status}");
        assert!(!format!("{:?}", response.headers()).contains("inner"), "{status}");
        assert!(!response.headers().contains_key("retry-after"), "it will not pass by itself");
        assert_eq!(own_error(response).await, "upstream_refused", "{status}");
    }
}

#[tokio::test]
async fn trailers_stay_behind_in_both_directions() {
    async fn with_trailer(text: &'static str) -> Channel<Bytes, BoxError> {
        let (mut frames, body) = Channel::new(2);
        let name = HeaderName::from_static("x-user");
        frames.send_data(Bytes::from(text)).await.unwrap();
        frames.send_trailers(HeaderMap::from_iter([(name, HeaderValue::from_static("root"))])).await.unwrap();
        body
    }
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = answering(move |request| {
        let tell = tell.clone();
        async move {
            let body = request.into_body().collect().await.unwrap();
            tell.send(body.trailers().cloned()).ok();
            Response::builder().header("trailer", "x-user").body(with_trailer("down").await).unwrap()
        }
    })
    .await;
    let request = Request::post("/mcp").header("trailer", "x-user").header("te", "trailers");
    let request = request.body(with_trailer("up").await).unwrap();
    let response = gateway(&url).call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(told.recv().await.unwrap(), None);
    assert_eq!(body.trailers(), None);
    assert_eq!(body.to_bytes(), "down");
}
