//! Pages and the browsers that show them: headers, cookies, forms from elsewhere, strangers at the door.

use std::time::Duration;

use portcullis_server::admin::Command;
use portcullis_store::Store as _;

use crate::inprocess::browser::ticket;
use crate::inprocess::{
    Answer, Ask, Browser, Fields, Kind, LOOPBACK, PASSWORD, Place, REDIRECT, authorization, encode, stranger,
    with,
};

const SCOPE: &str = "notes:read";

/// Every page there is, by name.
async fn every_page(place: &Place) -> Vec<(&'static str, Answer)> {
    let link = place.administer(Command::SetupLink { reset: None }).await;
    let mut pages = vec![("empty", place.send(Ask::get("/sign-in").header("accept", "text/html")).await)];
    let setup = find_link(&link);
    pages.push(("setup", Browser::new(place).get(&setup).await));
    let user = place.account("alice").await;
    let client = place.client(REDIRECT).await;
    let query = authorization(&client, REDIRECT, "notes:read notes:write notes:delete");
    place.agent(user, &client, SCOPE).await;
    let mut browser = place.signed_in(user).await;
    pages.push(("start", Browser::new(place).get("/").await));
    pages.push(("sign-in", Browser::new(place).get("/sign-in").await));
    pages.push(("sign-in for an app", Browser::new(place).page(&query).await));
    let page = Browser::new(place).get("/sign-in").await;
    pages.push(("stale form", Browser::new(place).sign_in(&page, "alice", PASSWORD).await));
    let mut wrong = Browser::new(place);
    let page = wrong.get("/sign-in").await;
    pages.push(("wrong password", wrong.sign_in(&page, "alice", "not the password").await));
    pages.push(("consent", browser.page(&query).await));
    let page = browser.page(&query).await;
    let ticked_none = [("ticket", ticket(&page, "/consent")), ("answer", "allow".to_owned())];
    let ticked_none: Vec<_> = ticked_none.iter().map(|(n, v)| (*n, v.as_str())).collect();
    pages.push(("consent again", browser.post("/consent", &ticked_none).await));
    pages.push(("account", browser.get("/account").await));
    let unknown = with(query, "client_id", "dcr_AAAAAAAAAAAAAAAAAAAAAA");
    pages.push(("error", browser.ask(&unknown).await));
    pages.push(("missing", browser.get("/nothing/here").await));
    pages.push(("dead link", browser.get("/setup?link=pc_setup_x").await));
    let ticket = ticket(&browser.get("/account").await, "/sign-out");
    pages.push(("signed out", browser.post("/sign-out", &[("ticket", &ticket)]).await));
    place.sluice.break_reads(true);
    pages.push(("unavailable", Browser::new(place).get("/sign-in").await));
    place.sluice.break_reads(false);
    pages
}

fn find_link(rows: &[serde_json::Value]) -> String {
    let text = serde_json::to_string(rows).unwrap();
    let at = text.find("/setup?link=").unwrap();
    text[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn t_headers_every_page_says_how_it_may_be_used() {
    let place = Place::on(Kind::Memory).await;
    for (name, page) in every_page(&place).await {
        assert!(page.header("content-type").starts_with("text/html"), "{name}: {}", page.everything());
        for (header, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(header), value, "{name}: {header}");
        }
        let csp = page.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(csp.contains(part), "{name}: {csp}");
        }
        for part in ["unsafe", "script-src", "*", "data:"] {
            assert!(!csp.contains(part), "{name}: {csp}");
        }
        assert!(page.header("strict-transport-security").contains("max-age="), "{name}");
        assert!(!page.has("access-control-allow-origin"), "{name}");
        assert!(!page.has("server") && !page.has("x-powered-by"), "{name}");
    }
}

#[tokio::test]
async fn t_noscript_login_t_offline_render_pages_hold_no_script_and_nothing_from_elsewhere() {
    let place = Place::on(Kind::Memory).await;
    for (name, page) in every_page(&place).await {
        let html = page.text().to_lowercase();
        for part in [
            "<script",
            "javascript:",
            " onclick",
            " onload",
            "<iframe",
            "<object",
            "<embed",
            "<base",
            "style=\"",
        ] {
            assert!(!html.contains(part), "{name}: {part}");
        }
        for attribute in ["src=\"", "href=\"", "action=\"", "srcset=\"", "poster=\""] {
            for target in html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                let own = target.starts_with('#') || (target.starts_with('/') && !target.starts_with("//"));
                assert!(own, "{name}: {attribute}{target}");
                if attribute != "action=\"" && !target.starts_with('#') {
                    let target = target.split('#').next().unwrap();
                    assert!(place.get(target).await.status < 400, "{name}: {target} is there");
                }
            }
        }
    }
    let home = place.get("/sign-in").await.text();
    let css = home
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|to| to.ends_with(".css"))
        .unwrap();
    let css = place.get(css).await.text();
    assert!(
        !css.contains("http://")
            && !css.contains("https://")
            && !css.contains("@import")
            && !css.contains("//")
    );
}

#[tokio::test]
async fn t_clickjack_allow_cannot_be_pressed_at_once() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let page = place.signed_in(user).await.page(&authorization(&client, REDIRECT, SCOPE)).await.text();
    assert!(page.contains("class=\"btn arm\" name=\"answer\" value=\"allow\""));
    let css = page
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|to| to.ends_with(".css"))
        .unwrap();
    assert!(place.get(css).await.text().contains(".arm"), "the style that holds the button back");
}

#[tokio::test]
async fn t_303_after_a_post_a_browser_goes_on_with_a_get() {
    let place = Place::on(Kind::Memory).await;
    let user = place.account("alice").await;
    let client = place.client(LOOPBACK).await;
    let query = authorization(&client, LOOPBACK, SCOPE);
    let mut browser = Browser::new(&place);
    let page = browser.page(&query).await;
    let mut answers = vec![("sign in", browser.sign_in(&page, "alice", PASSWORD).await)];
    let mut browser = place.signed_in(user).await;
    for press in ["allow", "deny"] {
        let page = browser.page(&query).await;
        answers.push((press, browser.consent(&page, press, &[]).await));
    }
    answers.push(("authorize", browser.send(Ask::post("/authorize").form(&query)).await));
    let bad = with(query, "scope", "nonsense");
    answers.push(("authorize, wrongly", browser.send(Ask::post("/authorize").form(&bad)).await));
    for (name, answer) in answers {
        assert_eq!(answer.status, 303, "{name}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{name}");
    }
}

#[tokio::test]
async fn t_csrf_a_form_from_elsewhere_or_without_its_own_ticket_does_nothing() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.account("alice").await;
    let client = place.client(REDIRECT).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let mut browser = place.signed_in(user).await;
    let account = browser.get("/account").await;
    let consent = browser.page(&authorization(&client, REDIRECT, "notes:read notes:write")).await;
    let (own, of_consent) = (ticket(&account, "/account/revoke"), ticket(&consent, "/consent"));
    let sign_in = ticket(&browser.get("/sign-in").await, "/sign-in");
    let grant = tokens.grant();
    let password = [("current", PASSWORD), ("new", "another-long-password")];
    let forms: Vec<(&str, &str, Fields<'_>)> = vec![
        ("/account/revoke", &own, vec![("agent", &grant)]),
        ("/account/rename", &own, vec![("agent", &grant), ("label", "mine")]),
        ("/account/wanted", &own, vec![("agent", &grant), ("scope", "notes:admin"), ("answer", "allow")]),
        ("/approve", &own, vec![("answer", "approve")]),
        ("/account/stop", &own, vec![]),
        ("/account/password", &own, password.to_vec()),
        ("/sign-out", &own, vec![]),
        ("/consent", &of_consent, vec![("answer", "allow"), ("scope", "notes:write")]),
        ("/sign-in", &sign_in, vec![("name", "alice"), ("password", PASSWORD)]),
    ];
    for (path, good, form) in &forms {
        let commits = place.sluice.commits();
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "http://auth.example.com"),
            ("origin", "https://auth.example.com.evil.example"),
        ] {
            let mut form = form.clone();
            form.push(("ticket", good));
            let answer = browser.send(Ask::post(path).form(&form).header(name, value)).await;
            assert_eq!((answer.status, answer.location()), (403, ""), "{path}, {name}: {value}");
        }
        let other_purpose = if *path == "/consent" { &own } else { &of_consent };
        for bad in ["", "AAAA", other_purpose.as_str()] {
            if *path == "/sign-out" && bad == other_purpose {
                continue; // "Not you?" on the consent page signs out, too.
            }
            let mut form = form.clone();
            form.push(("ticket", bad));
            let answer = browser.post(path, &form).await;
            assert_eq!((answer.status, answer.location()), (400, ""), "{path} with {bad:?}");
        }
        assert_eq!(place.sluice.commits(), commits, "{path} wrote nothing");
    }
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
}

#[tokio::test]
async fn t_cookie_names_and_attributes_hold_them_to_this_host() {
    let place = Place::on(Kind::Memory).await;
    place.account("alice").await;
    let mut browser = Browser::new(&place);
    let page = browser.get("/sign-in").await;
    let entered = browser.sign_in(&page, "alice", PASSWORD).await;
    let cookies: Vec<String> = [page.cookies(), entered.cookies()].concat();
    assert_eq!(cookies.len(), 3, "browser, session, known");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-portcullis-"), "{cookie}");
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
    }
    // Two of one name come from a neighbour that set its own: neither counts.
    let session = browser.jar["__Host-portcullis-session"].clone();
    let twice = format!("{}; __Host-portcullis-session={session}x", browser.cookie());
    let answer = place.send(Ask::get("/account").header("cookie", &twice)).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn t_fixation_a_session_id_that_was_there_before_sign_in_is_worth_nothing() {
    let place = Place::on(Kind::Memory).await;
    let mallory = place.quick_account("mallory").await;
    place.account("alice").await;
    let planted = place.signed_in(mallory).await.jar["__Host-portcullis-session"].clone();
    let mut browser = Browser::new(&place);
    browser.jar.insert("__Host-portcullis-session".to_owned(), planted.clone());
    browser.enter("alice").await;
    assert_ne!(browser.jar["__Host-portcullis-session"], planted, "the id changes at sign-in");
    let mut thief = Browser::new(&place);
    thief.jar.insert("__Host-portcullis-session".to_owned(), planted);
    assert!(!thief.get("/account").await.text().contains("alice"));
    // And signing out ends the session itself, not only the cookie.
    let kept = browser.jar.clone();
    let ticket = ticket(&browser.get("/account").await, "/sign-out");
    assert_eq!(browser.post("/sign-out", &[("ticket", &ticket)]).await.status, 200);
    let mut again = Browser { place: &place, jar: kept };
    assert_eq!(again.get("/account").await.status, 303);
}

#[tokio::test]
async fn t_enum_nobody_learns_which_accounts_exist() {
    let place = Place::on(Kind::Memory).await;
    place.account("alice").await;
    let mut shown = Vec::new();
    for name in ["alice", "nobody"] {
        let mut statuses = Vec::new();
        for n in 0..8 {
            let mut browser = Browser::new(&place);
            let page = browser.get("/sign-in").await;
            let ticket = ticket(&page, "/sign-in");
            let form = [("ticket", ticket.as_str()), ("name", name), ("password", "wrong-wrong-wrong")];
            let ask = Ask::post("/sign-in").form(&form).from(stranger(if name == "alice" { 1 } else { 2 }));
            let answer = browser.send(ask).await;
            let text = crate::inprocess::ticket_less(&answer.text()).replace(name, "NAME");
            statuses.push((n, answer.status, answer.header("retry-after").to_owned(), text));
        }
        shown.push(statuses);
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0][0].1, 403);
    assert_eq!(shown[0][7].1, 429, "growing waits for both");
}

#[tokio::test]
async fn r20_strangers_lock_nobody_out() {
    let place = Place::on(Kind::Memory).await;
    place.account("alice").await;
    let mut known = Browser::new(&place);
    known.enter("alice").await;
    for n in 0..20 {
        let mut browser = Browser::new(&place);
        let page = browser.get("/sign-in").await;
        let ticket = ticket(&page, "/sign-in");
        let form = [("ticket", ticket.as_str()), ("name", "alice"), ("password", "wrong-wrong-wrong")];
        for from in [stranger(n / 4), [198, 51, 100, 7].into()] {
            let answer = browser.send(Ask::post("/sign-in").form(&form).from(from)).await;
            assert!([400, 403, 429].contains(&answer.status), "{}", answer.status);
        }
    }
    // From the strangers' own address, even: a browser that signed in here before is not slowed.
    known.jar.remove("__Host-portcullis-session");
    known.enter("alice").await;
    // And somebody elsewhere, with a new browser, is not either.
    let mut elsewhere = Browser::new(&place);
    let page = elsewhere.get("/sign-in").await;
    let ticket = ticket(&page, "/sign-in");
    let form = [("ticket", ticket.as_str()), ("name", "alice"), ("password", PASSWORD)];
    let answer = elsewhere.send(Ask::post("/sign-in").form(&form).from(stranger(200))).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    // The strangers' own address must wait, and not for ever.
    place.pass(Duration::from_secs(24 * 60 * 60));
    Browser::new(&place).enter("alice").await;
}

#[tokio::test]
async fn t_rebind_foreign_hosts_and_origins_are_refused_on_every_path() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let browser = place.signed_in(user).await;
    let authorize = format!("/authorize?{}", encode(&authorization(&client, REDIRECT, SCOPE)));
    for path in [
        "/",
        "/token",
        "/register",
        "/register/x",
        "/account",
        "/approve?id=apr_0000000000001",
        "/.well-known/jwks.json",
        "/mcp",
        "/nothing",
        &authorize,
    ] {
        for host in [
            "evil.example",
            "127.0.0.1:8414",
            "localhost",
            "[::1]:8414",
            "auth.example.com:1",
            "",
            "auth.example.com.",
        ] {
            if path == "/mcp" && crate::inprocess::is_loopback_name(host) {
                continue; // A guard may stand behind a proxy of its own machine; no page can have such a name.
            }
            for method in ["GET", "POST"] {
                let ask = Ask::new(method, path)
                    .host(host)
                    .header("cookie", &browser.cookie())
                    .bearer(&tokens.access);
                let answer = place.send(ask).await;
                assert!(
                    [400, 403, 421].contains(&answer.status),
                    "{method} {path} {host:?}: {}",
                    answer.everything()
                );
                assert!(!answer.has("location") && !answer.has("set-cookie"), "{method} {path} {host:?}");
            }
        }
    }
    let ask = Ask::tool("/mcp", "read_note").bearer(&tokens.access).header("origin", "https://evil.example");
    assert_eq!(place.send(ask).await.status, 403);
}

#[tokio::test]
async fn t_route_matrix_t_identity_source_nobody_acts_for_another() {
    let place = Place::on(Kind::Sqlite).await;
    let (alice, mallory) = (place.account("alice").await, place.account("mallory").await);
    let client = place.client(REDIRECT).await;
    let of_alice = place.agent(alice, &client, SCOPE).await;
    let mut hers = place.signed_in(alice).await;
    let mut his = place.signed_in(mallory).await;
    let her_ticket = ticket(&hers.get("/account").await, "/account/password");
    let his_ticket = ticket(&his.get("/account").await, "/account/password");
    let (grant, id) = (of_alice.grant(), alice.to_string());
    let foreign = [
        ("agent", grant.as_str()),
        ("user", &id),
        ("userId", &id),
        ("sub", &id),
        ("name", "alice"),
        ("label", "his"),
    ];
    let paths = [
        "/account/revoke",
        "/account/rename",
        "/account/wanted",
        "/account/stop",
        "/account/password",
        "/sign-out",
        "/consent",
        "/approve",
    ];
    for path in paths {
        // Nobody, with her ticket; and he, with her ticket.
        for browser in [&mut Browser::new(&place), &mut his] {
            let mut form = foreign.to_vec();
            form.extend([
                ("ticket", her_ticket.as_str()),
                ("current", PASSWORD),
                ("new", "another-long-password"),
            ]);
            let answer = browser.post(&format!("{path}?user={id}"), &form).await;
            assert_eq!((answer.status, answer.location()), (400, ""), "{path}: {}", answer.text());
        }
    }
    for path in ["/account/revoke", "/account/rename"] {
        let mut form = foreign.to_vec();
        form.push(("ticket", &his_ticket));
        let ask = Ask::post(&format!("{path}?user={id}"))
            .form(&form)
            .header("x-user", &id)
            .header("sec-fetch-site", "same-origin");
        assert_eq!(his.send(ask).await.status, 404, "{path}");
    }
    let mut form = foreign.to_vec();
    form.push(("ticket", &his_ticket));
    assert_eq!(his.post("/account/stop", &form).await.status, 200, "stops his own, which are none");
    assert_eq!(place.call("/mcp", &of_alice.access).await.status, 200);
    assert!(hers.get("/account").await.text().contains(&grant), "hers is there, and has no label of his");
    assert!(!hers.get("/account").await.text().contains(">his<"));
    for path in ["/account", "/consent", "/approve?id=apr_0000000000001"] {
        let answer = place.get(path).await;
        assert!([303, 400].contains(&answer.status) && !answer.text().contains("alice"), "{path}");
    }
    // No path of administration is reachable by HTTP, for nobody.
    for path in ["/console", "/metrics", "/livez", "/readyz", "/admin", "/users", "/clients", "/keys", "/api"]
    {
        assert_eq!(hers.get(path).await.status, 404, "{path}");
    }
    assert!(place.sluice.user(alice).await.unwrap().unwrap().enabled);
}
