//! A guard against an issuer that nobody of ours runs, over real sockets (protocol R23).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where it stands")]

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use portcullis::{Agent, Clock, Foreign};
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::key::{Alg, Jwks, SigningKey};
use portcullis_wire::time::UnixTime;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://notes.example.com/mcp";
const NOW: i64 = 1_800_000_000;

/// Somebody's authorization server, a clock to move, and how often its keys were asked for.
struct Idp {
    issuer: String,
    metadata: Mutex<Value>,
    keys: Mutex<Vec<SigningKey>>,
    asked: AtomicUsize,
    now: AtomicI64,
}

impl Clock for Idp {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.now.load(Ordering::SeqCst))
    }
}

/// Serves the metadata at `place` alone.
async fn idp(path: &str, place: &str) -> Arc<Idp> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let issuer = format!("{origin}{path}");
    let metadata = json!({ "issuer": issuer, "jwks_uri": format!("{origin}/keys") });
    let idp = Arc::new(Idp {
        issuer,
        metadata: Mutex::new(metadata),
        keys: Mutex::new(vec![SigningKey::generate(Alg::Es256).unwrap()]),
        asked: AtomicUsize::new(0),
        now: AtomicI64::new(NOW),
    });
    let json = |body: String| ([(CONTENT_TYPE, "application/json")], body);
    let app =
        Router::new()
            .route(
                place,
                get(move |State(idp): State<Arc<Idp>>| async move {
                    json(idp.metadata.lock().unwrap().to_string())
                }),
            )
            .route(
                "/keys",
                get(move |State(idp): State<Arc<Idp>>| async move {
                    idp.asked.fetch_add(1, Ordering::SeqCst);
                    let keys = idp.keys.lock().unwrap().iter().map(SigningKey::public_jwk).collect();
                    json(serde_json::to_string(&Jwks { keys }).unwrap())
                }),
            )
            .with_state(Arc::clone(&idp));
    tokio::spawn(async move { axum::serve(listener, app).await });
    idp
}

impl Idp {
    fn token(&self, key: usize, aud: &str) -> String {
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            sub: "alice".to_owned(),
            aud: Audience::one(aud),
            client_id: "app".to_owned(),
            exp: self.now.load(Ordering::SeqCst) + 600,
            iat: self.now.load(Ordering::SeqCst),
            nbf: None,
            jti: "1".to_owned(),
            scope: Some("mcp:tools".to_owned()),
            grant: None,
            rev: None,
        };
        self.keys.lock().unwrap()[key].sign("at+jwt", &claims).unwrap()
    }

    fn rotate(&self) {
        self.keys.lock().unwrap().push(SigningKey::generate(Alg::Es256).unwrap());
    }
}

async fn guarded(idp: &Arc<Idp>) -> Router {
    let auth = Foreign::against(&idp.issuer, RESOURCE, ["mcp:tools"])
        .name("Notes")
        .clock(Arc::clone(idp) as _)
        .insecure_loopback()
        .build()
        .await
        .unwrap();
    Router::new()
        .route("/mcp", post(async |agent: Agent| agent.subject.clone()).layer(auth.require(["mcp:tools"])))
        .merge(auth.router())
}

async fn call(app: &Router, token: &str) -> StatusCode {
    let request = Request::post("/mcp")
        .header("host", "notes.example.com")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn r23_each_place_of_the_metadata_is_found() {
    for (path, place) in [
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/tenant", "/.well-known/oauth-authorization-server/tenant"),
        ("/tenant", "/.well-known/openid-configuration/tenant"),
        ("/tenant", "/tenant/.well-known/openid-configuration"),
        ("/tenant/", "/.well-known/oauth-authorization-server/tenant"),
    ] {
        let idp = idp(path, place).await;
        let app = guarded(&idp).await;
        assert_eq!(call(&app, &idp.token(0, RESOURCE)).await, StatusCode::OK, "{path} {place}");
    }
}

#[tokio::test]
async fn t_aud_a_token_for_another_server_is_refused() {
    let idp = idp("", "/.well-known/oauth-authorization-server").await;
    let app = guarded(&idp).await;
    for aud in ["https://mail.example.com/mcp", "https://notes.example.com", "app", ""] {
        assert_eq!(call(&app, &idp.token(0, aud)).await, StatusCode::UNAUTHORIZED, "{aud}");
    }
    let other = self::idp("", "/.well-known/oauth-authorization-server").await;
    assert_eq!(call(&app, &other.token(0, RESOURCE)).await, StatusCode::UNAUTHORIZED, "another issuer");
}

#[tokio::test]
async fn rfc8414_3_3_metadata_that_names_another_issuer_opens_nothing() {
    let idp = idp("", "/.well-known/oauth-authorization-server").await;
    idp.metadata.lock().unwrap()["issuer"] = json!(format!("{}/", idp.issuer));
    let app = guarded(&idp).await;
    assert_eq!(call(&app, &idp.token(0, RESOURCE)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(idp.asked.load(Ordering::SeqCst), 0, "its keys are not even asked for");
}

#[tokio::test]
async fn r23_a_new_key_is_fetched_and_invented_ones_cost_nothing() {
    let idp = idp("", "/.well-known/oauth-authorization-server").await;
    let app = guarded(&idp).await;
    assert_eq!(idp.asked.load(Ordering::SeqCst), 1);
    idp.rotate();
    assert_eq!(call(&app, &idp.token(1, RESOURCE)).await, StatusCode::UNAUTHORIZED, "within the pause");
    idp.now.fetch_add(30, Ordering::SeqCst);
    let fresh = idp.token(1, RESOURCE);
    let all = (0..8).map(|_| {
        let (app, fresh) = (app.clone(), fresh.clone());
        tokio::spawn(async move { call(&app, &fresh).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2, "one fetch for all who wait");
    let stranger = self::idp("", "/.well-known/oauth-authorization-server").await;
    for _ in 0..20 {
        assert_eq!(call(&app, &stranger.token(0, RESOURCE)).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2);
    assert_eq!(call(&app, &idp.token(0, RESOURCE)).await, StatusCode::OK, "the older key is still published");
}

#[tokio::test]
async fn r01_the_metadata_document_names_the_foreign_issuer() {
    let idp = idp("", "/.well-known/oauth-authorization-server").await;
    let app = guarded(&idp).await;
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 65536).await.unwrap()).unwrap();
        assert_eq!(body["resource"], RESOURCE, "{path}");
        assert_eq!(body["authorization_servers"], json!([idp.issuer]), "{path}");
        assert_eq!(body["resource_name"], "Notes", "{path}");
    }
}

#[tokio::test]
async fn r23_an_issuer_that_does_not_answer_yet_is_waited_for() {
    let idp = idp("", "/.well-known/oauth-authorization-server").await;
    let right = std::mem::replace(&mut *idp.metadata.lock().unwrap(), json!({}));
    let app = guarded(&idp).await;
    assert_eq!(call(&app, &idp.token(0, RESOURCE)).await, StatusCode::SERVICE_UNAVAILABLE);
    *idp.metadata.lock().unwrap() = right;
    assert_eq!(
        call(&app, &idp.token(0, RESOURCE)).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "within the pause"
    );
    idp.now.fetch_add(30, Ordering::SeqCst);
    assert_eq!(call(&app, &idp.token(0, RESOURCE)).await, StatusCode::OK);
}
