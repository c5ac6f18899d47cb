//! The authorization endpoint: where an answer may go, and what must be said before there is one.

use crate::inprocess::{
    Answer, Ask, Browser, HOST, ISSUER, Kind, LOOPBACK, Place, REDIRECT, authorization, encode, ticket_less,
    with,
};

const SCOPE: &str = "notes:read";

async fn place() -> Place {
    Place::on(Kind::Memory).await
}

/// An error page of ours: nothing leaves for anywhere.
fn stays(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {}", answer.everything());
    assert!(!answer.has("location"), "{what}: {}", answer.location());
    assert!(answer.header("content-type").starts_with("text/html"), "{what}");
}

/// A redirect to the client with this error and nothing else of worth.
fn returns(answer: &Answer, error: &str, what: &str) {
    assert_eq!(answer.status, 303, "{what}: {}", answer.text());
    assert!(answer.location().starts_with(LOOPBACK), "{what}: {}", answer.location());
    assert_eq!(answer.landed("error").as_deref(), Some(error), "{what}: {}", answer.location());
    assert_eq!(answer.landed("iss").as_deref(), Some(ISSUER), "{what}");
    assert_eq!(answer.landed("code"), None, "{what}");
}

/// Every way to change one spelling a little.
fn mutations(url: &str) -> Vec<String> {
    const ADDED: [&str; 14] = [
        "/",
        "%2f",
        "\\",
        "@",
        "#",
        "?",
        ".",
        "%00",
        "%09",
        "..",
        ":80",
        "*",
        "//evil.example",
        "@evil.example/",
    ];
    let mut out = vec![url.to_owned()];
    for at in 0..=url.len() {
        out.extend(ADDED.iter().map(|added| format!("{}{added}{}", &url[..at], &url[at..])));
        if at < url.len() {
            out.push(format!("{}{}", &url[..at], &url[at + 1..]));
            let flipped = (url.as_bytes()[at] ^ 0x20) as char;
            out.push(format!("{}{flipped}{}", &url[..at], &url[at + 1..]));
        }
    }
    out
}

/// Equal but for the port of the loopback address: judged by plain text, without any URL parser.
fn is_port_only(registered: &str, asked: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]", "http://localhost"].iter().any(|host| {
        let rest = |text: &str| {
            let rest = text.strip_prefix(host)?;
            let Some(port) = rest.strip_prefix(':') else { return Some(rest.to_owned()) };
            let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            (digits > 0).then(|| port[digits..].to_owned())
        };
        rest(registered).is_some() && rest(registered) == rest(asked)
    })
}

#[tokio::test]
async fn t_url_corpus_what_is_accepted_is_byte_equal_or_differs_in_a_loopback_port() {
    let place = place().await;
    let (mut seen, mut accepted) = (0, 0);
    for registered in [
        REDIRECT,
        "https://client.example:8443/a/b?x=1",
        "http://127.0.0.1/cb",
        "http://localhost:3000/cb",
        "http://[::1]:9/cb",
        "cursor://anysphere.cursor/cb",
    ] {
        let client = place.client(registered).await;
        for asked in mutations(registered) {
            let query = authorization(&client, &asked, SCOPE);
            let answer = Browser::new(&place).ask(&query).await;
            seen += 1;
            if answer.status == 303 {
                accepted += 1;
                assert!(answer.location().starts_with(ISSUER), "{}", answer.location());
                assert!(asked == registered || is_port_only(registered, &asked), "{registered} ← {asked}");
            } else {
                stays(&answer, &asked);
                assert_ne!(asked, registered);
            }
        }
    }
    assert!(seen >= 1_000, "{seen}");
    assert!((6..200).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn t_url_corpus_hostile_redirect_uris_are_not_registered() {
    let place = place().await;
    for uri in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example/1",
        "about:blank",
        "http://client.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.1/cb",
        "http://0x7f000001/cb",
        "http://2130706433/cb",
        "http://localhost./cb",
        "http://LOCALHOST/cb",
        "http://localhost@evil.example/cb",
        "http://user@127.0.0.1/cb",
        "https://user:pw@client.example/cb",
        "https://@client.example/cb",
        "https://client.example\\@evil.example/cb",
        "https://client.example/cb#x",
        "https://*.example/cb",
        "https://client.example/*",
        "//client.example/cb",
        "/cb",
        "https:client.example/cb",
        "https:///cb",
        "https://client.example/c b",
        "https://client.example/cb\n",
        "unknown-scheme://cb",
        "https://",
        "",
        "https://client.example/cb?code=1",
        "https://client.example/cb?state=1",
        "https://client.example/cb?iss=1",
        "https://client.example/cb?error=1",
        "https://client.example/cb?x=1&%63ode=1",
    ] {
        let answer =
            place.send(Ask::post("/register").json(&serde_json::json!({"redirect_uris": [uri]}))).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_redirect_uri"), "{uri:?}");
    }
}

#[tokio::test]
async fn t_redirect_first_a_fault_before_the_asker_is_proven_stays_here() {
    let place = place().await;
    let client = place.client(LOOPBACK).await;
    let good = authorization(&client, LOOPBACK, SCOPE);
    let twice = |name: &str, value: &str| {
        let mut query = good.clone();
        query.push((name.to_owned(), value.to_owned()));
        query
    };
    let cases = [
        ("no client", with(good.clone(), "client_id", "")),
        ("an unknown client", with(good.clone(), "client_id", "dcr_AAAAAAAAAAAAAAAAAAAAAA")),
        ("a client that is no id", with(good.clone(), "client_id", "a b\u{0}c")),
        ("another's redirect", with(good.clone(), "redirect_uri", "https://evil.example/cb")),
        ("a relative redirect", with(good.clone(), "redirect_uri", "/cb")),
        ("a script", with(good.clone(), "redirect_uri", "javascript:alert(1)")),
        ("two clients", twice("client_id", &client)),
        ("two redirects", twice("redirect_uri", LOOPBACK)),
        ("two redirects, one foreign", twice("redirect_uri", "https://evil.example/cb")),
    ];
    for (name, query) in cases {
        for (other, value) in
            [("scope", SCOPE), ("response_type", "token"), ("code_challenge", ""), ("prompt", "none")]
        {
            let answer = Browser::new(&place).ask(&with(query.clone(), other, value)).await;
            stays(&answer, &format!("{name}, {other}={value}"));
        }
    }
}

#[tokio::test]
async fn t_redirect_first_a_website_that_registered_itself_gets_no_error_redirect() {
    let place = place().await;
    let client = place.client("https://evil.example/land").await;
    let query = authorization(&client, "https://evil.example/land", SCOPE);
    for (name, value) in
        [("response_type", "token"), ("code_challenge", ""), ("scope", "nonsense"), ("prompt", "none")]
    {
        stays(&Browser::new(&place).ask(&with(query.clone(), name, value)).await, name);
    }
}

#[tokio::test]
async fn t_iss_stands_in_every_answer_and_is_advertised() {
    let place = place().await;
    let user = place.quick_account("alice").await;
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    let mut browser = place.signed_in(user).await;
    for (press, key) in [("allow", "code"), ("deny", "error")] {
        let page = browser.page(&query).await;
        let answer = browser.consent(&page, press, &[]).await;
        assert_eq!(answer.landed("iss").as_deref(), Some(ISSUER), "{press}");
        assert_eq!(answer.landed("state").as_deref(), Some("canary-state-xyz"), "{press}");
        assert!(answer.landed(key).is_some(), "{press}: {}", answer.location());
    }
    returns(&browser.ask(&with(query.clone(), "scope", "nonsense")).await, "invalid_scope", "scope");
    let page = Browser::new(&place).page(&query).await;
    assert_eq!(page.status, 200);
    let mut stranger = Browser::new(&place);
    let page = stranger.page(&query).await;
    let ticket = crate::inprocess::browser::ticket(&page, "/sign-in");
    let stopped = stranger.post("/sign-in", &[("ticket", &ticket), ("answer", "stop")]).await;
    returns(&stopped, "access_denied", "stop");
    let metadata = place.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn t_absent_flows_nothing_but_a_code_comes_through_the_browser() {
    let place = place().await;
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    for kind in [
        "token",
        "id_token",
        "none",
        "code token",
        "code id_token",
        "code id_token token",
        "token code",
        "CODE",
        "code ",
        " code",
        "code\0",
        "cod",
        "device_code",
    ] {
        let answer = Browser::new(&place).ask(&with(query.clone(), "response_type", kind)).await;
        returns(&answer, "unsupported_response_type", kind);
    }
    returns(
        &Browser::new(&place).ask(&with(query.clone(), "response_type", "")).await,
        "invalid_request",
        "none",
    );
    for (name, value) in
        [("response_mode", "fragment"), ("request", "eyJ"), ("request_uri", "https://evil.example/")]
    {
        let answer = Browser::new(&place).ask(&with(query.clone(), name, value)).await;
        assert_eq!(answer.landed("code"), None, "{name}");
        assert!(answer.status == 303 && !answer.location().contains('#'), "{name}: {}", answer.everything());
        assert!(answer.landed("error").is_some(), "{name}: {}", answer.location());
    }
    for path in ["/par", "/device_authorization", "/userinfo"] {
        assert_eq!(place.post(path, &[("client_id", &client)]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn t_params_each_parameter_at_most_once_and_unknown_ones_are_nothing() {
    let place = place().await;
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    for (name, value) in query.clone() {
        let mut twice = query.clone();
        twice.push((name.clone(), value));
        let answer = Browser::new(&place).ask(&twice).await;
        match name.as_str() {
            "client_id" | "redirect_uri" => stays(&answer, &name),
            // RFC 8707 §2 lets `resource` repeat; the same one twice is once.
            "resource" => assert!(answer.location().starts_with(ISSUER), "{}", answer.location()),
            _ => returns(&answer, "invalid_request", &name),
        }
    }
    let more = with(with(query.clone(), "utm_source", "x"), "code_challenge_metod", "plain");
    let answer = Browser::new(&place).ask(&more).await;
    assert!(answer.location().starts_with(ISSUER), "{}", answer.location());
    for (name, query) in [
        ("too long", with(query.clone(), "padding", &"x".repeat(9_000))),
        ("too many", (0..70).map(|n| (format!("p{n}"), "x".to_owned())).chain(query.clone()).collect()),
    ] {
        stays(&Browser::new(&place).ask(&query).await, name);
    }
    for raw in ["client_id=%ff", "%", "client_id=%zz", "a=%"] {
        stays(&place.get(&format!("/authorize?{raw}")).await, raw);
    }
    let long = with(query, "state", &"s".repeat(2_049));
    let answer = Browser::new(&place).ask(&long).await;
    returns(&answer, "invalid_request", "state");
    assert_eq!(answer.landed("state"), None);
}

#[tokio::test]
async fn t_prompt_none_shows_nothing_and_gives_nothing_and_login_asks_again() {
    let place = place().await;
    let user = place.quick_account("alice").await;
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    let ask = |prompt: &str| with(query.clone(), "prompt", prompt);
    returns(&Browser::new(&place).ask(&ask("none")).await, "login_required", "nobody");
    let mut browser = place.signed_in(user).await;
    returns(&browser.ask(&ask("none")).await, "consent_required", "somebody");
    returns(&browser.ask(&ask("none login")).await, "invalid_request", "both");
    place.pass(std::time::Duration::from_secs(5));
    let answer = browser.ask(&ask("login")).await;
    assert!(answer.location().starts_with(&format!("{ISSUER}/sign-in?")), "{}", answer.location());
    // And the ticket cannot be carried past the sign-in that was asked for.
    let past = answer.location().replace("/sign-in?", "/consent?");
    let page = browser.get(&past).await;
    assert!(page.status == 303 && page.location().contains("/sign-in"), "{}", page.everything());
    for prompt in ["consent", "select_account"] {
        let answer = browser.ask(&ask(prompt)).await;
        assert!(answer.location().starts_with(ISSUER), "{prompt}: {}", answer.location());
    }
}

#[tokio::test]
async fn t_next_no_parameter_says_where_a_browser_goes_after_sign_in() {
    let place = place().await;
    place.account("alice").await;
    for query in [
        "next=https://evil.example/",
        "return_to=//evil.example",
        "redirect_uri=https://evil.example/",
        "request=https://evil.example/",
        "request=/account",
        "request=AAAA",
    ] {
        let mut browser = Browser::new(&place);
        let page = browser.get(&format!("/sign-in?{query}")).await;
        if page.status != 200 {
            stays(&page, query);
            continue;
        }
        let answer = browser.sign_in(&page, "alice", crate::inprocess::PASSWORD).await;
        assert_eq!(answer.location(), format!("{ISSUER}/account"), "{query}");
    }
    let mut browser = Browser::new(&place);
    let page = browser.get("/sign-in").await;
    let ticket = crate::inprocess::browser::ticket(&page, "/sign-in");
    let form = [
        ("ticket", ticket.as_str()),
        ("name", "alice"),
        ("password", crate::inprocess::PASSWORD),
        ("next", "https://evil.example/"),
        ("redirect_uri", "https://evil.example/"),
    ];
    assert_eq!(browser.post("/sign-in", &form).await.location(), format!("{ISSUER}/account"));
}

#[tokio::test]
async fn t_public_url_no_header_shapes_a_byte_of_any_answer() {
    let place = place().await;
    place.quick_account("alice").await;
    let client = place.client(LOOPBACK).await;
    let refused =
        format!("/authorize?{}", encode(&with(authorization(&client, LOOPBACK, SCOPE), "scope", "x")));
    let paths = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/",
        &refused,
        "/mcp",
        "/.well-known/jwks.json",
    ];
    for path in paths {
        let plain = place.get(path).await;
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "81"),
            ("x-forwarded-prefix", "/evil"),
            ("forwarded", "host=evil.example;proto=http"),
            ("x-host", "evil.example"),
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-server", "evil.example"),
            ("front-end-https", "off"),
        ] {
            let shaped = place.send(Ask::get(path).header(name, value)).await;
            let comparable = |answer: &Answer| ticket_less(&answer.everything());
            assert_eq!(comparable(&shaped), comparable(&plain), "{path} with {name}");
        }
        for host in [
            "evil.example",
            "auth.example.com.evil.example",
            "auth.example.com@evil.example",
            "evil.example:443",
        ] {
            let answer = place.send(Ask::get(path).host(host)).await;
            assert!([403, 421].contains(&answer.status), "{path} {host}: {}", answer.status);
            assert!(!answer.everything().contains("evil.example"), "{path} {host}: {}", answer.everything());
        }
        assert_eq!(place.send(Ask::get(path).host("AUTH.example.com")).await.status, plain.status, "{HOST}");
    }
}
