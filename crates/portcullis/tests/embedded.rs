//! The authorization server inside somebody's axum program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where it stands")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::post;
use http::{Request, StatusCode};
use portcullis::admin::Command;
use portcullis::{Agent, BuildError, Builder, Effect, Portcullis};
use serde_json::Value;
use tower::ServiceExt as _;

const ISSUER: &str = "http://127.0.0.1:3000";

fn builder(place: &tempfile::TempDir) -> Builder {
    Portcullis::builder()
        .database(&format!("sqlite:{}/notes.db", place.path().display()))
        .issuer(ISSUER)
        .resource(&format!("{ISSUER}/mcp"), ["notes:read"])
        .tool("delete_note", ["notes:delete"])
        .scope_title("notes:delete", "Delete notes", Effect::Deletes)
}

async fn mcp(agent: Agent) -> String {
    format!("{} {}", agent.may("read_note"), agent.may("delete_note"))
}

/// The program of the README.
fn program(auth: &Portcullis) -> Router {
    Router::new().route("/mcp", post(mcp).layer(auth.require(["notes:read"]))).merge(auth.router())
}

async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn token(app: &Router, auth: &Portcullis, scope: &str) -> String {
    let add = Command::ClientAdd {
        name: "ci".to_owned(),
        scope: Some(scope.to_owned()),
        resource: None,
        jwks: None,
        redirect_uris: Vec::new(),
        introspects: None,
    };
    let row = auth.administer(add).await.unwrap().remove(0);
    let pair = format!("{}:{}", row["client_id"].as_str().unwrap(), row["client_secret"].as_str().unwrap());
    let request = Request::post("/token")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {}", base64(&pair)))
        .body(Body::from("grant_type=client_credentials"))
        .unwrap();
    let (status, _, body) = ask(app, request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["access_token"].as_str().unwrap().to_owned()
}

/// Base64 with padding (RFC 4648 §4), from the alphabet for URLs.
fn base64(text: &str) -> String {
    let mut out = portcullis_wire::base64url::encode(text.as_bytes()).replace('-', "+").replace('_', "/");
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn call(token: &str, tool: &str) -> Request<Body> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
    Request::post("/mcp")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn r09_a_missing_scope_is_refused_before_the_handler_sees_the_call() {
    let place = tempfile::tempdir().unwrap();
    let auth = builder(&place).build().await.unwrap();
    let app = program(&auth);
    let reader = token(&app, &auth, "notes:read").await;
    let (status, _, body) = ask(&app, call(&reader, "read_note")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "true false"));
    let (status, headers, _) = ask(&app, call(&reader, "delete_note")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("notes:delete"), "{challenge}");
    let writer = token(&app, &auth, "notes:read notes:delete").await;
    let (status, _, body) = ask(&app, call(&writer, "delete_note")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "true true"));
}

#[tokio::test]
async fn r01_the_router_serves_what_clients_look_for() {
    let place = tempfile::tempdir().unwrap();
    let auth = builder(&place).build().await.unwrap();
    let app = program(&auth);
    let bare = Request::post("/mcp").header("host", "127.0.0.1:3000").body(Body::empty()).unwrap();
    assert_eq!(ask(&app, bare).await.0, StatusCode::UNAUTHORIZED);
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ] {
        let request = Request::get(path).header("host", "127.0.0.1:3000").body(Body::empty()).unwrap();
        let (status, _, body) = ask(&app, request).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap();
    }
}

#[tokio::test]
async fn the_command_line_reaches_the_running_program() {
    let place = tempfile::tempdir().unwrap();
    let auth = builder(&place).build().await.unwrap();
    let directory = place.path().join("notes.db.d");
    let add = Command::UserAdd {
        name: "alice".to_owned(),
        password: "correct horse battery".to_owned(),
        admin: true,
    };
    portcullis::control::administer(&directory, &add).await.unwrap();
    assert_eq!(auth.administer(Command::UserList).await.unwrap()[0]["name"], "alice");
    assert!(place.path().join("notes.db").exists() && directory.join(".gitignore").exists());
    assert!(matches!(builder(&place).build().await, Err(BuildError::Open(_))), "one directory, one server");
}

#[tokio::test]
async fn r02_nothing_is_built_without_issuer_and_resource() {
    let place = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/x.db", place.path().display());
    let bare = || Portcullis::builder().database(&database);
    for (name, given, expected) in [
        ("no issuer", bare().resource("https://h.example/mcp", ["a"]), ".issuer("),
        ("no resource", bare().issuer("https://h.example"), ".resource("),
        ("plain", bare().issuer("http://h.example").resource("https://h.example/mcp", ["a"]), "plain http"),
        ("scope", bare().issuer("https://h.example").resource("https://h.example/mcp", ["a b"]), "`a b`"),
        (
            "twice",
            bare()
                .issuer("https://h.example")
                .resource("https://h.example/mcp", ["a"])
                .resource("https://h.example/mcp/", ["a"]),
            "differ only",
        ),
        ("database", bare().database("mysql:x").issuer("https://h.example"), "`mysql:x`"),
    ] {
        let fault = given.build().await.unwrap_err().to_string();
        assert!(fault.contains(expected), "{name}: {fault}");
    }
}

#[tokio::test]
async fn what_is_no_scope_closes_its_route() {
    let place = tempfile::tempdir().unwrap();
    let auth = builder(&place).build().await.unwrap();
    let app = Router::new().route("/mcp", post(mcp).layer(auth.require(["no scope"]))).merge(auth.router());
    let token = token(&app, &auth, "notes:read").await;
    assert_eq!(ask(&app, call(&token, "read_note")).await.0, StatusCode::FORBIDDEN);
}
