//! What must pass, and pass as it came.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::mpsc;

use super::upstream::{answering, echo};
use super::{bare, gateway, own_error, post, send, text};

#[tokio::test]
async fn w12_w09_unknown_params_sessions_and_bodies_pass_untouched() {
    const BODY: &str =
        "{ \"jsonrpc\":\"2.0\",\t\"id\":1e0,\"_meta\":{\"x.example/y\":[]},\"method\":\"tools/call\" }\n";
    let kept = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?w6k=?="),
        ("mcp-param-user", "ann"),
        ("mcp-param-x-remote-user", "ann"),
        ("mcp-param-never-heard-of", "1"),
        ("mcp-session-id", "s-1"),
        ("last-event-id", "7"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("user-agent", "Inspector/1"),
        ("x-api-key", "for the upstream"),
        ("x-anything", "a"),
    ];
    let (url, mut seen) = echo().await;
    let mut request = post(BODY);
    for (name, value) in kept {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request.headers_mut().append("x-anything", HeaderValue::from_static("b"));
    assert_eq!(text(send(&gateway(&url), request).await).await, "taken");
    let seen = seen.recv().await.unwrap();
    assert_eq!(seen.body, BODY);
    for (name, value) in kept {
        assert_eq!(seen.parts.headers[name], value, "{name}");
    }
    let both: Vec<_> = seen.parts.headers.get_all("x-anything").iter().collect();
    assert_eq!(both, ["a", "b"]);
    assert_eq!(seen.parts.headers["via"], "1.1 portcullis");
}

#[tokio::test]
async fn the_upstream_is_asked_by_its_own_name_and_path() {
    let (url, mut seen) = echo().await;
    for uri in ["/", "/mcp", "/mcp/../admin", "//elsewhere.example/mcp", "https://elsewhere.example:1/x"] {
        let mut request = post("{}");
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static("notes.example.com"));
        send(&gateway(&url), request).await;
        let seen = seen.recv().await.unwrap();
        assert_eq!(seen.parts.uri, "/mcp", "{uri}");
        assert_eq!(seen.parts.headers["host"], format!("127.0.0.1:{}", url.port().unwrap()), "{uri}");
        assert_eq!(seen.parts.headers.get_all("host").iter().count(), 1, "{uri}");
    }
}

#[tokio::test]
async fn only_the_methods_of_the_transport_pass() {
    let (url, mut seen) = echo().await;
    let gateway = gateway(&url);
    for method in [Method::GET, Method::POST, Method::DELETE] {
        assert_eq!(send(&gateway, bare(method.clone())).await.status(), StatusCode::OK, "{method}");
        assert_eq!(seen.recv().await.unwrap().parts.method, method);
    }
    for method in ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "QUERY"] {
        let response = send(&gateway, bare(method.parse().unwrap())).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "GET, POST, DELETE");
        assert_eq!(own_error(response).await, "invalid_request", "{method}");
    }
    assert!(seen.try_recv().is_err(), "the upstream saw none of these");
}

#[tokio::test]
async fn w13_other_statuses_and_their_bodies_pass_as_they_are() {
    const ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"mismatch"}}"#;
    for status in [200, 201, 202, 304, 400, 404, 405, 406, 409, 410, 429, 500, 501, 502, 503] {
        let body = if status == 304 { "" } else { ERROR };
        let url = answering(move |_| async move {
            let response = Response::builder().status(status).header("retry-after", "17");
            response.header("content-type", "application/json").body(Full::<Bytes>::from(body)).unwrap()
        })
        .await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["retry-after"], "17", "{status}");
        assert_eq!(text(response).await, body, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_not_passed_on() {
    let (elsewhere, mut seen) = echo().await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let target = elsewhere.clone();
        let url = answering(move |_| {
            let response = Response::builder().status(status).header("location", target.as_str());
            let response = response.body(Full::<Bytes>::default()).unwrap();
            async { response }
        })
        .await;
        let response = send(&gateway(&url), post("{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{status}");
        assert!(!response.headers().contains_key("location"), "{status}");
        assert_eq!(own_error(response).await, "upstream_redirected", "{status}");
    }
    assert!(seen.try_recv().is_err(), "nobody went there");
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_asked() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let proxy = super::upstream::raw(move |_| {
        tell.send(()).ok();
        async {}
    })
    .await;
    // Variables of this process may not change under other threads: the question is put to a process of its own.
    let mut other = tokio::process::Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "tests::pass::the_upstream_is_asked_by_its_own_name_and_path"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        other.env(name, proxy.as_str());
    }
    let output = other.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(told.try_recv().is_err());
}
