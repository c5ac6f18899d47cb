//! What a code, a form and a token are bound to: each binding is broken alone, and nothing comes of it.

use std::time::Duration;

use portcullis_server::admin::Command;

use crate::inprocess::browser::ticket;
use crate::inprocess::{
    Ask, Browser, ISSUER, Kind, LOOPBACK, NOTES, OTHER, Place, REDIRECT, Tokens, VERIFIER, authorization,
    challenge, exchange, refresh, with,
};

const SCOPE: &str = "notes:read";
/// Of neither challenge.
const THIRD: &str = "third-verifier-dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const WRONG: &str = "wrong-verifier-dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[tokio::test]
async fn t_pkce_16_one_cell_of_sixteen_passes() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(LOOPBACK).await;
    let mut passed = Vec::new();
    for (given, challenge) in [
        ("absent", None),
        ("empty", Some(String::new())),
        ("wrong", Some(challenge(WRONG))),
        ("right", Some(challenge(VERIFIER))),
    ] {
        for (shown, verifier) in
            [("absent", None), ("empty", Some("")), ("wrong", Some(THIRD)), ("right", Some(VERIFIER))]
        {
            let mut query = with(authorization(&client, LOOPBACK, SCOPE), "code_challenge", "");
            query.extend(challenge.clone().map(|text| ("code_challenge".to_owned(), text)));
            let mut browser = place.signed_in(user).await;
            let answer = browser.ask(&query).await;
            if challenge.as_deref().unwrap_or_default().is_empty() {
                assert_eq!(answer.landed("error").as_deref(), Some("invalid_request"), "{given}");
                continue;
            }
            let code = browser.code(&query).await;
            let mut form = exchange(&client, &code);
            form.retain(|(name, _)| *name != "code_verifier");
            form.extend(verifier.map(|text| ("code_verifier", text)));
            let answer = place.token(&form).await;
            match answer.status {
                200 => passed.push((given, shown)),
                // A verifier that is not there, or is none, makes the request itself incomplete.
                _ => assert_eq!(
                    answer.error(),
                    if ["absent", "empty"].contains(&shown) { "invalid_request" } else { "invalid_grant" },
                    "{given} {shown}: {}",
                    answer.text()
                ),
            }
        }
    }
    assert_eq!(passed, [("right", "right")]);
    for method in ["plain", "", "s256", "S512"] {
        let query = with(authorization(&client, LOOPBACK, SCOPE), "code_challenge_method", method);
        let answer = Browser::new(&place).ask(&query).await;
        assert_eq!(answer.landed("error").as_deref(), Some("invalid_request"), "{method}");
    }
}

#[tokio::test]
async fn t_code_binding_each_of_five_bindings_counts_and_none_burns_the_code() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let (client, other) = (place.client(REDIRECT).await, place.client(LOOPBACK).await);
    let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
    let good = exchange(&client, &code);
    let put = |name: &'static str, value: &'static str| {
        let mut form: Vec<_> = good.iter().copied().filter(|(known, _)| *known != name).collect();
        form.push((name, value));
        form
    };
    let mut of_other = put("x", "y");
    of_other[1].1 = &other;
    for (name, form, error) in [
        ("client", of_other, "invalid_grant"),
        ("redirect", put("redirect_uri", "https://client.example/other"), "invalid_grant"),
        ("verifier", put("code_verifier", WRONG), "invalid_grant"),
        ("resource", put("resource", OTHER), "invalid_target"),
        ("unknown resource", put("resource", "https://evil.example/mcp"), "invalid_target"),
    ] {
        let answer = place.token(&form).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{name}");
    }
    place.pass(Duration::from_secs(59));
    let tokens = place.redeem(&client, &code).await;
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);

    let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
    place.pass(Duration::from_secs(60));
    assert_eq!(place.token(&exchange(&client, &code)).await.error(), "invalid_grant", "a minute is over");
}

#[tokio::test]
async fn t_no_burn_what_is_refused_for_resource_or_scope_uses_nothing_up() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let mut tokens = place.agent(user, &client, "notes:read notes:write").await;
    for (name, value, error) in [
        ("scope", "notes:delete", "invalid_scope"),
        ("scope", "notes:read notes:delete", "invalid_scope"),
        ("scope", "\"", "invalid_scope"),
        ("resource", OTHER, "invalid_target"),
        ("resource", "nonsense", "invalid_target"),
    ] {
        let mut form = refresh(&client, &tokens.refresh);
        form.push((name, value));
        let answer = place.token(&form).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{name}={value}");
        place.pass(Duration::from_secs(61));
        let next = place.refresh(&client, &tokens.refresh).await;
        assert_eq!(next.status, 200, "after {name}={value}: {}", next.text());
        tokens = Tokens::of(&next);
    }
}

#[tokio::test]
async fn t_forged_code_the_right_number_with_another_secret_ends_nothing() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
    let tokens = place.redeem(&client, &code).await;
    for at in 10..code.len() {
        let letter = if code.as_bytes()[at] == b'A' { "B" } else { "A" };
        let forged = format!("{}{letter}{}", &code[..at], &code[at + 1..]);
        assert_eq!(place.token(&exchange(&client, &forged)).await.error(), "invalid_grant", "{at}");
    }
    // Made with our own keys for the same row: authentic, and still not the one.
    let number = place.mint.read::<portcullis_jose::mint::Code>(&code).unwrap().number;
    let forged = place.mint.mint::<portcullis_jose::mint::Code>(number, [7; 32]);
    assert_eq!(place.token(&exchange(&client, forged.expose())).await.error(), "invalid_grant");
    // And the right one in the wrong hands, or without its verifier, is no proven second either.
    let other = place.client(LOOPBACK).await;
    assert_eq!(place.token(&exchange(&other, &code)).await.error(), "invalid_grant");
    let mut form = exchange(&client, &code);
    form[3].1 = WRONG;
    assert_eq!(place.token(&form).await.error(), "invalid_grant");
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200, "the grant lives");
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn t_two_jars_what_one_browser_was_shown_no_other_can_answer() {
    let place = Place::on(Kind::Sqlite).await;
    let (alice, mallory) = (place.quick_account("alice").await, place.quick_account("mallory").await);
    let client = place.client(REDIRECT).await;
    let query = authorization(&client, REDIRECT, SCOPE);
    let mut jar_a = place.signed_in(mallory).await;
    let page = jar_a.page(&query).await;
    let started = jar_a.ask(&query).await.location().to_owned();
    let form =
        [("ticket", ticket(&page, "/consent")), ("answer", "allow".to_owned()), ("scope", SCOPE.to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let commits = place.sluice.commits();
    for mut jar_b in [place.signed_in(alice).await, place.signed_in(mallory).await, Browser::new(&place)] {
        let commits = place.sluice.commits();
        let answer = jar_b.post("/consent", &form).await;
        assert_eq!((answer.status, answer.location()), (400, ""), "{}", answer.text());
        let carried = jar_b.get(&started).await;
        assert_eq!(carried.status, 400, "nor is its link good anywhere else");
        assert_eq!(place.sluice.commits(), commits, "no code, no row");
    }
    assert!(place.sluice.commits() > commits, "the sessions of the other jars were written");
    // The same browser, signed in as another person meanwhile.
    let mut swapped = place.signed_in(alice).await;
    let session = swapped.jar["__Host-portcullis-session"].clone();
    swapped.jar = jar_a.jar.clone();
    swapped.jar.insert("__Host-portcullis-session".to_owned(), session);
    assert_eq!(swapped.post("/consent", &form).await.status, 400);
    let answer = jar_a.post("/consent", &form).await;
    assert!(answer.landed("code").is_some(), "{}", answer.text());
    let again = jar_a.post("/consent", &form).await;
    assert_eq!((again.status, again.location()), (400, ""), "a form is answered once");
}

#[tokio::test]
async fn t_silent_consent_is_shown_every_time_however_well_a_client_is_known() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let query = authorization(&client, REDIRECT, SCOPE);
    let mut browser = place.signed_in(user).await;
    for _ in 0..3 {
        let answer = browser.ask(&query).await;
        assert!(answer.location().starts_with(&format!("{ISSUER}/consent?")), "{}", answer.location());
        for site in ["cross-site", "same-site", "none"] {
            let to = answer.location().to_owned();
            let page = browser.send(Ask::get(&to).header("sec-fetch-site", site)).await;
            assert_eq!((page.status, page.location()), (200, ""), "{site}");
        }
        let code = browser.code(&query).await;
        place.redeem(&client, &code).await;
    }
}

#[tokio::test]
async fn t_public_consent_a_program_on_this_computer_is_allowed_only_by_who_started_it() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    for redirect in [LOOPBACK, "cursor://anysphere.cursor/cb"] {
        let client = place.client(redirect).await;
        let query = authorization(&client, redirect, SCOPE);
        let mut browser = place.signed_in(user).await;
        let page = browser.page(&query).await;
        assert!(page.text().contains("name=\"started\""), "{redirect}: the page asks");
        let form =
            [("ticket", ticket(&page, "/consent")), ("answer", "allow".into()), ("scope", SCOPE.into())];
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v): &(&str, String)| (*n, v.as_str())).collect();
        let answer = browser.post("/consent", &form).await;
        assert_eq!((answer.status, answer.location()), (400, ""), "{redirect}");
        let answer = browser.consent(&answer, "allow", &[]).await;
        assert!(answer.landed("code").is_some(), "{redirect}: {}", answer.text());
    }
}

#[tokio::test]
async fn t_tamper_no_byte_a_browser_holds_is_trusted() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let query = authorization(&client, REDIRECT, SCOPE);
    let mut browser = place.signed_in(user).await;
    let link = browser.ask(&query).await.location().to_owned();
    let page = browser.get(&link).await;
    let good = ticket(&page, "/consent");
    let flip = |text: &str, at: usize| {
        let letter = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{letter}{}", &text[..at], &text[at + 1..])
    };
    let begins = link.find("request=").unwrap() + "request=".len();
    for at in (begins..link.len()).step_by(3) {
        assert_eq!(browser.get(&flip(&link, at)).await.status, 400, "byte {at} of the link");
    }
    for at in (0..good.len()).step_by(3) {
        let form = [("ticket", flip(&good, at)), ("answer", "allow".into()), ("scope", SCOPE.into())];
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v): &(&str, String)| (*n, v.as_str())).collect();
        assert_eq!(browser.post("/consent", &form).await.status, 400, "byte {at} of the ticket");
    }
    for name in ["__Host-portcullis-session", "__Host-portcullis-browser"] {
        let value = browser.jar[name].clone();
        for at in (0..value.len()).step_by(5) {
            let mut other = Browser { place: &place, jar: browser.jar.clone() };
            other.jar.insert(name.to_owned(), flip(&value, at));
            let answer = other.consent(&page, "allow", &[]).await;
            assert!(answer.landed("code").is_none(), "byte {at} of {name}");
        }
    }
    // What the form adds beside its ticket widens nothing.
    let more = [("scope", "notes:delete"), ("redirect_uri", "https://evil.example/"), ("resource", OTHER)];
    let answer = browser.consent(&page, "allow", &more).await;
    assert!(answer.location().starts_with(REDIRECT), "{}", answer.location());
    let tokens = place.redeem(&client, &answer.landed("code").unwrap()).await;
    assert_eq!(
        (tokens.scope.as_str(), crate::inprocess::claims(&tokens.access)["aud"].as_str()),
        (SCOPE, Some(NOTES))
    );
}

#[tokio::test]
async fn t_install_two_installs_of_one_client_are_two_agents() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let (client, same) = (place.client(REDIRECT).await, place.client(REDIRECT).await);
    assert_eq!(client, same, "identical registrations do not pile up");
    let laptop = place.agent(user, &client, SCOPE).await;
    let phone = place.agent(user, &client, SCOPE).await;
    assert_ne!(laptop.grant(), phone.grant());
    place.administer(Command::AgentRevoke { id: laptop.grant() }).await;
    assert_eq!(place.call("/mcp", &laptop.access).await.status, 401);
    assert_eq!(place.call("/mcp", &phone.access).await.status, 200);
    assert_eq!(place.refresh(&client, &laptop.refresh).await.error(), "invalid_grant");
    let phone = Tokens::of(&place.refresh(&client, &phone.refresh).await);
    let form = [("client_id", client.as_str()), ("token", phone.access.as_str())];
    let tablet = place.agent(user, &client, SCOPE).await;
    assert_eq!(place.post("/revoke", &form).await.status, 200);
    assert_eq!(place.call("/mcp", &phone.access).await.status, 401);
    assert_eq!(place.call("/mcp", &tablet.access).await.status, 200);
}

/// A client that connects again is asked about what it asks, and gets that: what it held before, and what is new.
#[tokio::test]
async fn t_install_connecting_again_needs_no_more_than_the_button() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    for (asked, gets) in [
        ("notes:read", "notes:read"),
        ("notes:read", "notes:read"),
        ("notes:read notes:write", "notes:read notes:write"),
        ("notes:read notes:write", "notes:read notes:write"),
        ("notes:write", "notes:write"),
    ] {
        assert_eq!(place.agent(user, &client, asked).await.scope, gets, "asked for {asked}");
    }
    // And what is not ticked stays closed, also when the client held it in another grant.
    let mut browser = place.signed_in(user).await;
    let page = browser.page(&authorization(&client, REDIRECT, "notes:read notes:write")).await;
    let ticket = ticket(&page, "/consent");
    let form = [("ticket", ticket.as_str()), ("answer", "allow"), ("scope", "notes:read")];
    let code = browser.post("/consent", &form).await.landed("code").unwrap();
    assert_eq!(place.redeem(&client, &code).await.scope, "notes:read");
}

/// Identical registrations share an id; what an administrator removed does not come back with the next one.
#[tokio::test]
async fn t_disable_a_client_that_was_removed_and_registers_again_begins_anew() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let place = Place::on(kind).await;
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let tokens = place.agent(user, &client, SCOPE).await;
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
        place.administer(Command::ClientRemove { client_id: client.clone() }).await;
        assert_eq!(place.client(REDIRECT).await, client);
        assert_eq!(place.token(&exchange(&client, &code)).await.error(), "invalid_grant", "{kind:?}");
        assert_eq!(place.refresh(&client, &tokens.refresh).await.error(), "invalid_grant", "{kind:?}");
        assert_eq!(place.call("/mcp", &tokens.access).await.status, 401, "{kind:?}");
        let again = place.agent(user, &client, SCOPE).await;
        assert_eq!(place.call("/mcp", &again.access).await.status, 200, "{kind:?}");
    }
}

/// The agent that a new one replaces ends when the new one is first used, and not before; and nobody can name
/// somebody else's, or another client's, to be replaced.
#[tokio::test]
async fn t_install_a_replaced_agent_ends_when_the_new_one_is_first_used() {
    for first_use in ["refresh", "call"] {
        let place = Place::on(Kind::Sqlite).await;
        let (user, mallory) = (place.quick_account("alice").await, place.quick_account("mallory").await);
        let (client, other) = (place.client(REDIRECT).await, place.client(LOOPBACK).await);
        let query = authorization(&client, REDIRECT, SCOPE);
        let old = place.agent(user, &client, SCOPE).await;
        let grant = old.grant();
        // Another person, and another client, name it: they get an agent of their own, and it lives on.
        let code = place.signed_in(mallory).await.code_with(&query, &[("replaces", &grant)]).await;
        let his = place.redeem(&client, &code).await;
        let foreign = authorization(&other, LOOPBACK, SCOPE);
        let code = place.signed_in(user).await.code_with(&foreign, &[("replaces", &grant)]).await;
        let others = place.redeem(&other, &code).await;
        for (owner, tokens) in [(&client, &his), (&other, &others)] {
            assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
            assert_eq!(place.refresh(owner, &tokens.refresh).await.status, 200);
        }
        place.app.flush().await;
        assert_eq!(place.call("/mcp", &old.access).await.status, 200, "{first_use}");

        let code = place.signed_in(user).await.code_with(&query, &[("replaces", &grant)]).await;
        let new = place.redeem(&client, &code).await;
        place.app.flush().await;
        assert_eq!(place.call("/mcp", &old.access).await.status, 200, "{first_use}: not used yet");
        match first_use {
            "refresh" => assert_eq!(place.refresh(&client, &new.refresh).await.status, 200),
            _ => {
                assert_eq!(place.call("/mcp", &new.access).await.status, 200);
                place.app.flush().await;
            }
        }
        assert_eq!(place.call("/mcp", &old.access).await.status, 401, "{first_use}");
        assert_eq!(place.refresh(&client, &old.refresh).await.error(), "invalid_grant", "{first_use}");
        assert_eq!(place.call("/mcp", &new.access).await.status, 200, "{first_use}");
    }
}
