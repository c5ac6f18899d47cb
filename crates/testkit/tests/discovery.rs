//! Discovery: what a client learns before it has anything (RFC 8414, RFC 9728).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_testkit::{Ask, World, claims};
use serde_json::Value;

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|one| one == word))
}

async fn metadata(world: &World) -> Value {
    let answer = world.get(SERVER).await;
    assert_eq!(answer.is(200).header("content-type"), Some("application/json"));
    answer.json()
}

#[tokio::test]
async fn d01_d02_the_document_answers_and_the_openid_form_is_not_yet_there() {
    let world = World::start().await;
    assert_eq!(metadata(&world).await["issuer"], world.issuer());
    for path in ["/.well-known/openid-configuration", "/.well-known/openid-configuration/mcp"] {
        world.get(path).await.is(404);
    }
}

#[tokio::test]
async fn d02_an_issuer_with_a_path_has_its_document_at_the_inserted_form() {
    let world = World::builder().issuer("https://auth.example.com/tenant").start().await;
    let json = world.get(&format!("{SERVER}/tenant")).await.is(200).json();
    assert_eq!(json["issuer"], "https://auth.example.com/tenant");
    world.get(SERVER).await.is(404);
}

#[tokio::test]
async fn d03_the_issuer_is_the_same_bytes_everywhere() {
    let world = World::start().await;
    let issuer = world.issuer().to_owned();
    assert!(!issuer.ends_with('/') && !issuer.contains(['?', '#']));
    assert_eq!(metadata(&world).await["issuer"], issuer);
    let about = world.get(&format!("{RESOURCE}/mcp")).await.is(200).json();
    assert_eq!(about["authorization_servers"], serde_json::json!([issuer]));
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    // `iss` of the authorization response is compared on the way.
    let tokens = client.connect(&mut alice, None).await;
    assert_eq!(claims(&tokens.access)["iss"], issuer);
}

#[tokio::test]
async fn d04_to_d13_the_document_is_complete_and_says_nothing_empty() {
    let world = World::start().await;
    let json = metadata(&world).await;
    assert_eq!(json["authorization_endpoint"], world.net.url("/authorize"), "D04");
    assert_eq!(json["token_endpoint"], world.net.url("/token"), "D04");
    assert_eq!(json["response_types_supported"], serde_json::json!(["code"]), "D04");
    assert_eq!(json["code_challenge_methods_supported"], serde_json::json!(["S256"]), "D05");
    assert_eq!(json["client_id_metadata_document_supported"], true, "D06");
    assert_eq!(json["authorization_response_iss_parameter_supported"], true, "D07");
    for (name, value) in json.as_object().unwrap() {
        assert!(value.as_array().is_none_or(|list| !list.is_empty()), "D08: {name}");
        assert!(!value.is_null(), "D08: {name}");
    }
    let methods = &json["token_endpoint_auth_methods_supported"];
    for method in ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] {
        assert!(has(methods, method), "D09: {method}");
    }
    for endpoint in ["token", "revocation", "introspection"] {
        let algs = &json[&format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert!(has(algs, "ES256") && !has(algs, "none") && !has(algs, "HS256"), "D10: {endpoint}");
    }
    assert!(has(&json["grant_types_supported"], "client_credentials"), "D11");
    assert!(has(&json["grant_types_supported"], "refresh_token"), "D11");
    assert!(has(&json["scopes_supported"], "offline_access"), "D13");
    assert!(has(&json["scopes_supported"], "notes:read"), "D13");
}

#[tokio::test]
async fn d14_any_protocol_version_is_ignored_and_pages_of_any_origin_may_read() {
    let world = World::start().await;
    for path in [SERVER, "/.well-known/oauth-protected-resource/mcp", "/.well-known/jwks.json"] {
        for version in ["2024-11-05", "2026-07-28", "garbage, and more"] {
            let ask = Ask::get(path)
                .header("mcp-protocol-version", version)
                .header("origin", "https://app.example");
            let answer = world.send(ask).await;
            assert_eq!(answer.is(200).header("access-control-allow-origin"), Some("*"), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        }
        let ask = Ask::new("OPTIONS", path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version");
        let answer = world.send(ask).await;
        assert_eq!(answer.is(204).header("access-control-allow-origin"), Some("*"), "{path}");
        let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
        assert!(allowed.contains("mcp-protocol-version") && allowed.contains("authorization"), "{path}");
    }
}

#[tokio::test]
async fn d17_every_endpoint_that_is_named_answers_and_no_other_is_named() {
    let world = World::start().await;
    let json = metadata(&world).await;
    for (name, value) in json.as_object().unwrap() {
        if let Some(url) = value.as_str().filter(|url| url.contains("://") && name != "issuer") {
            let answer = world.get(&world.net.target(url)).await;
            assert_ne!(answer.status, 404, "{name}");
            assert!(answer.status < 500, "{name}");
        }
    }
    for absent in [
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
    ] {
        assert!(json[absent].is_null(), "{absent}");
    }
    for path in ["/par", "/device_authorization", "/userinfo"] {
        world.get(path).await.is(404);
        world.net.post(path, &[("a", "b")]).await.is(404);
    }
    assert_eq!(json["protected_resources"], serde_json::json!([world.notes, world.other]));
}

#[tokio::test]
async fn d17_closed_registration_is_not_named() {
    let world = World::builder().settings(|settings| settings.registration.allowed = false).start().await;
    assert!(metadata(&world).await["registration_endpoint"].is_null());
}

#[tokio::test]
async fn d18_discovery_registration_and_tokens_answer_well_within_what_clients_wait() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let whole = async {
        let client = world.client().await;
        let code = client.code(&mut alice, None).await;
        let tokens = client.redeem(&code).await;
        client.refresh(&tokens.refresh).await.is(200);
    };
    tokio::time::timeout(Duration::from_secs(10), whole).await.unwrap();
}

#[tokio::test]
async fn d19_the_endpoints_lie_where_clients_of_2025_03_26_look_unasked() {
    let world = World::start().await;
    let authorize = world.send(Ask::get("/authorize").header("accept", "text/html")).await;
    authorize.stops(400, "E-CLIENT-UNKNOWN");
    world.net.token(&[("grant_type", "authorization_code")]).await.refuses(400, "invalid_request");
    world
        .send(Ask::post("/register").json(&serde_json::json!({})))
        .await
        .refuses(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn r01_to_r05_each_resource_describes_itself_byte_for_byte() {
    let world = World::start().await;
    for (path, resource, scope) in
        [("/mcp", &world.notes, "notes:read"), ("/other", &world.other, "other:use")]
    {
        let answer = world.get(&format!("{RESOURCE}{path}")).await;
        assert_eq!(answer.is(200).header("content-type"), Some("application/json"));
        let json = answer.json();
        assert_eq!(json["resource"], **resource, "R03");
        assert_eq!(json["authorization_servers"].as_array().unwrap().len(), 1, "R01");
        assert_eq!(json["scopes_supported"], serde_json::json!([scope]), "R04: the least useful set");
        assert_eq!(json["bearer_methods_supported"], serde_json::json!(["header"]), "R05");
        assert!(json["resource_name"].is_string(), "R05");
    }
    world.get(RESOURCE).await.is(404);
    world.get(&format!("{RESOURCE}/none")).await.is(404);
}

#[tokio::test]
async fn r02_a_sole_resource_answers_at_the_bare_form_too() {
    let world = World::builder().one_resource().start().await;
    let own = world.get(&format!("{RESOURCE}/mcp")).await.is(200).json();
    assert_eq!(world.get(RESOURCE).await.is(200).json(), own);
}

#[tokio::test]
async fn documents_may_be_kept_a_while_and_asked_about_cheaply() {
    let world = World::start().await;
    let first = world.get(SERVER).await;
    assert_eq!(first.is(200).header("cache-control"), Some("public, max-age=300"));
    let tag = first.header("etag").unwrap();
    let again = world.send(Ask::get(SERVER).header("if-none-match", tag)).await;
    assert!(again.is(304).body.is_empty());
}

#[tokio::test]
async fn s10_t_rebind_only_the_issuers_own_name_is_served() {
    let world = World::start().await;
    let port = world.net.issuer().rsplit(':').next().unwrap().to_owned();
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), "127.0.0.1:1".to_owned()] {
        for path in [SERVER, "/authorize", "/account"] {
            let answer = world.send(Ask::get(path).header("host", &host)).await;
            answer.is(421);
            assert!(answer.text().contains(world.issuer()), "{host}: says which name to use");
        }
        let page = world.send(Ask::get("/account").header("host", &host).header("accept", "text/html")).await;
        page.stops(421, "E-HOST");
        assert!(page.text().contains(&world.net.url("/account")), "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80"] {
        world.send(Ask::get(SERVER).header("host", host)).await.is(403);
        world.send(Ask::post("/token").header("host", host).form(&[("a", "b")])).await.is(403);
    }
    world.send(Ask::get(SERVER).header("host", &world.issuer()["http://".len()..])).await.is(200);
}

#[tokio::test]
async fn t_public_url_no_header_shapes_an_address_of_ours() {
    let world = World::start().await;
    let plain = world.get(SERVER).await.text();
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "/evil"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        assert_eq!(world.send(Ask::get(SERVER).header(name, value)).await.is(200).text(), plain, "{name}");
        let answer = world.send(Ask::tool("/mcp", "x").header(name, value)).await;
        let challenge = answer.is_challenged(401, None);
        let expected = world.net.url("/.well-known/oauth-protected-resource/mcp");
        assert_eq!(challenge.get("resource_metadata"), Some(expected.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a28_t19_t_cors_pages_may_call_what_holds_no_cookie_and_nothing_else() {
    let world = World::start().await;
    let preflight = |path: &str| {
        Ask::new("OPTIONS", path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type, authorization")
    };
    for path in ["/token", "/register", "/revoke"] {
        let answer = world.send(preflight(path)).await;
        assert_eq!(answer.is(204).header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        let real = Ask::post(path).header("origin", "https://app.example").form(&[("a", "b")]);
        let answer = world.send(real).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}: errors too");
        assert!(
            answer.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"),
            "{path}"
        );
    }
    for path in ["/authorize", "/sign-in", "/consent", "/account", "/setup", "/introspect", "/"] {
        for ask in [preflight(path), Ask::get(path).header("origin", "https://app.example")] {
            let answer = world.send(ask).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        }
    }
}
