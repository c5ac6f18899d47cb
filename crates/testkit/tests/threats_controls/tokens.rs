//! The token endpoint and its neighbours: who may have what, until when, and in which words they are refused.

use std::time::Duration;

use portcullis_server::admin::Command;
use serde_json::json;

use crate::inprocess::machine::{basic, credentials};
use crate::inprocess::{
    Ask, Fields, Kind, LOOPBACK, NOTES, OTHER, Place, REDIRECT, Tokens, authorization, claims, exchange,
    refresh, scopes,
};

const SCOPE: &str = "notes:read notes:write";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A confidential client that registered itself.
async fn confidential(place: &Place, method: &str, redirect: &str) -> (String, String) {
    let body =
        json!({"redirect_uris": [redirect], "token_endpoint_auth_method": method, "client_name": "Web app"});
    let answer = place.send(Ask::post("/register").json(&body)).await;
    assert_eq!(answer.json()["token_endpoint_auth_method"], method, "{}", answer.text());
    credentials(&[answer.json()])
}

#[tokio::test]
async fn t_refresh_auth_a_public_client_that_shows_a_secret_is_refused() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let form = refresh(&client, &tokens.refresh);
    for secret in ["x", "pc_cs_x", ""] {
        let ask = Ask::post("/token").form(&form).header("authorization", &basic(&client, secret));
        let answer = place.send(ask).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_client"), "{secret:?}");
    }
}

#[tokio::test]
async fn t_refresh_auth_t_dcr_echo_a_client_proves_itself_exactly_as_it_registered() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let place = Place::on(Kind::Sqlite).await;
        let user = place.quick_account("alice").await;
        let (client, secret) = confidential(&place, method, REDIRECT).await;
        let (other, others) = confidential(&place, method, "https://other.example/cb").await;
        let by_basic = |ask: Ask, id: &str, secret: &str| ask.header("authorization", &basic(id, secret));
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
        let mut form = exchange(&client, &code);
        let right = if method == "client_secret_post" {
            form.push(("client_secret", &secret));
            Ask::post("/token").form(&form)
        } else {
            by_basic(Ask::post("/token").form(&form), &client, &secret)
        };
        let tokens = Tokens::of(&place.send(right).await);
        let form = refresh(&client, &tokens.refresh);
        let plus = |more: &[(&'static str, &str)]| {
            let mut form: Vec<(String, String)> =
                form.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            form.extend(more.iter().map(|(n, v)| ((*n).into(), (*v).into())));
            Ask::post("/token").form(&form)
        };
        let mut longer = secret.clone();
        longer.push('x');
        for (name, ask) in [
            ("nothing", Ask::post("/token").form(&form)),
            ("a wrong secret", by_basic(Ask::post("/token").form(&form), &client, "pc_cs_wrong")),
            ("an empty secret", by_basic(Ask::post("/token").form(&form), &client, "")),
            ("the other's secret", by_basic(Ask::post("/token").form(&form), &client, &others)),
            ("a longer secret", by_basic(Ask::post("/token").form(&form), &client, &longer)),
            ("both ways", by_basic(plus(&[("client_secret", &secret)]), &client, &secret)),
            (
                "an assertion",
                plus(&[
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", "eyJhbGciOiJub25lIn0.e30."),
                ]),
            ),
        ] {
            let answer = place.send(ask).await;
            assert!([400, 401].contains(&answer.status), "{method}, {name}: {}", answer.text());
            assert!(
                ["invalid_client", "invalid_request"].contains(&answer.error().as_str()),
                "{name}: {}",
                answer.text()
            );
            assert_eq!(answer.has("www-authenticate"), answer.status == 401, "{method}, {name}");
        }
        // The other client, rightly authenticated, with this one's token.
        let mut stolen = refresh(&other, &tokens.refresh);
        stolen.push(("client_secret", &others));
        let stolen = match method {
            "client_secret_post" => Ask::post("/token").form(&stolen),
            _ => by_basic(Ask::post("/token").form(&stolen[..3]), &other, &others),
        };
        assert_eq!(place.send(stolen).await.error(), "invalid_grant", "{method}");
        let right = match method {
            "client_secret_post" => plus(&[("client_secret", &secret)]),
            _ => by_basic(Ask::post("/token").form(&form), &client, &secret),
        };
        assert_eq!(place.send(right).await.status, 200, "{method}: and none of it touched the grant");
    }
}

#[tokio::test]
async fn t_scope_ceiling_no_way_leads_to_more_than_was_approved_or_is_offered() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let machine = place.machine("notes:read notes:write").await;
    let every = ["notes:read", "notes:write", "notes:delete", "other:use", "mcp:admin", "offline_access"];
    for bits in 1..64_u32 {
        let asked: Vec<&str> =
            every.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, s)| *s).collect();
        // Asking for `offline_access` alone is asking for no right by name: the default ones are offered.
        let named = asked.iter().any(|scope| *scope != "offline_access");
        let asked = if named { asked.join(" ") } else { "notes:read offline_access".to_owned() };
        let mut browser = place.signed_in(user).await;
        let answer = browser.ask(&authorization(&client, REDIRECT, &asked)).await;
        if answer.status == 303 {
            let tokens = place.agent(user, &client, &asked).await;
            assert!(scopes(&asked).covers(&scopes(&tokens.scope)), "{asked} gave {}", tokens.scope);
            assert!(
                scopes("notes:read notes:write notes:delete").covers(&scopes(&tokens.scope)),
                "{}",
                tokens.scope
            );
            let mut form = refresh(&client, &tokens.refresh);
            form.push(("scope", "notes:read notes:write notes:delete"));
            let wider = place.token(&form).await;
            assert!(
                wider.status == 400 || scopes(&tokens.scope) == scopes("notes:read notes:write notes:delete")
            );
            assert!(wider.status == 400 || asked.contains("delete"), "{asked}");
        }
        let answer = place.machine_token(&machine, &asked).await;
        if answer.status == 200 {
            let got = scopes(&Tokens::of(&answer).scope);
            assert!(
                scopes("notes:read notes:write").covers(&got) && scopes(&asked).covers(&got),
                "{asked}: {got}"
            );
        } else {
            assert_eq!(answer.error(), "invalid_scope", "{asked}");
        }
    }
}

#[tokio::test]
async fn t_disable_every_way_to_lose_access_closes_every_path_at_the_next_use() {
    let ways = [
        "person disabled",
        "person removed",
        "client removed",
        "agent revoked by admin",
        "agent revoked by person",
        "agent revoked by client",
        "password reset",
        "stop everything",
        "idle",
        "expired",
    ];
    for way in ways {
        let place = Place::on(Kind::Sqlite).await;
        let user = place.account("alice").await;
        let client = place.client(REDIRECT).await;
        let asker = place.asker(NOTES).await;
        let mut tokens = place.agent(user, &client, SCOPE).await;
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
        assert_eq!(place.introspect(&asker, &tokens.access).await.json()["active"], true, "{way}");
        let name = "alice".to_owned();
        match way {
            "person disabled" => drop(place.administer(Command::UserDisable { name }).await),
            "person removed" => drop(place.administer(Command::UserRemove { name }).await),
            "client removed" => {
                drop(place.administer(Command::ClientRemove { client_id: client.clone() }).await)
            }
            "agent revoked by admin" => {
                drop(place.administer(Command::AgentRevoke { id: tokens.grant() }).await)
            }
            "agent revoked by client" => {
                drop(place.post("/revoke", &[("client_id", &client), ("token", &tokens.refresh)]).await);
            }
            "password reset" => {
                let password = "another-long-password".to_owned();
                place.administer(Command::UserPassword { name, password }).await;
            }
            "idle" => place.pass(30 * DAY),
            "expired" => {
                for _ in 0..14 {
                    place.pass(26 * DAY);
                    tokens = Tokens::of(&place.refresh(&client, &tokens.refresh).await);
                }
                place.pass(DAY);
            }
            _ => {
                let mut browser = place.signed_in(user).await;
                let action = if way == "stop everything" { "/account/stop" } else { "/account/revoke" };
                let ticket = crate::inprocess::browser::ticket(&browser.get("/account").await, action);
                let grant = tokens.grant();
                let answer = browser.post(action, &[("ticket", &ticket), ("agent", &grant)]).await;
                assert_eq!(answer.status, 200, "{way}");
            }
        }
        assert_eq!(place.call("/mcp", &tokens.access).await.status, 401, "{way}: at the guard");
        assert_eq!(place.introspect(&asker, &tokens.access).await.json(), json!({"active": false}), "{way}");
        let answer = place.refresh(&client, &tokens.refresh).await;
        let words = if way == "client removed" { "invalid_client" } else { "invalid_grant" };
        assert_eq!(answer.error(), words, "{way}: {}", answer.text());
        if !way.starts_with("agent") {
            assert_eq!(
                place.token(&exchange(&client, &code)).await.error(),
                words,
                "{way}: a code under way"
            );
        }
    }
}

#[tokio::test]
async fn t_disable_a_machine_that_was_revoked_mints_nothing_until_it_is_restored() {
    let place = Place::on(Kind::Sqlite).await;
    let machine = place.machine("notes:read").await;
    let tokens = Tokens::of(&place.machine_token(&machine, "").await);
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
    place.administer(Command::AgentRevoke { id: tokens.grant() }).await;
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 401);
    assert_eq!(place.machine_token(&machine, "").await.error(), "unauthorized_client");
    place.administer(Command::AgentRestore { id: tokens.grant() }).await;
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 401, "what was cut stays cut");
    let again = Tokens::of(&place.machine_token(&machine, "").await);
    assert_eq!(place.call("/mcp", &again.access).await.status, 200);
    place.administer(Command::ClientRemove { client_id: machine.0.clone() }).await;
    assert_eq!(place.call("/mcp", &again.access).await.status, 401);
    assert_eq!(place.machine_token(&machine, "").await.error(), "invalid_client");
}

#[tokio::test]
async fn t_idle_a_grant_ends_unused_after_30_days_and_used_after_a_year() {
    for (steps, lives) in [(vec![29], true), (vec![30], false), (vec![29; 12], true), (vec![29; 13], false)] {
        let place = Place::on(Kind::Memory).await;
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let mut tokens = place.agent(user, &client, SCOPE).await;
        let mut last = 0;
        for days in &steps {
            place.pass(DAY * *days);
            let answer = place.refresh(&client, &tokens.refresh).await;
            last = answer.status;
            tokens = Tokens::of(&answer);
        }
        assert_eq!(last == 200, lives, "{steps:?}");
    }
}

/// Every artefact there is, at every place that takes one.
#[tokio::test]
async fn t_token_types_nothing_is_taken_for_something_else() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let asker = place.asker(NOTES).await;
    let query = authorization(&client, REDIRECT, SCOPE);
    let tokens = place.agent(user, &client, SCOPE).await;
    let mut browser = place.signed_in(user).await;
    let page = browser.page(&query).await;
    let link = serde_json::to_string(
        &place.administer(Command::SetupLink { reset: Some("alice".to_owned()) }).await,
    );
    let link = link.unwrap().split("link=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let artefacts = [
        ("access", tokens.access.clone()),
        ("refresh", tokens.refresh.clone()),
        ("code", browser.code(&query).await),
        ("secret", asker.1.clone()),
        ("session", browser.jar["__Host-portcullis-session"].clone()),
        ("browser", browser.jar["__Host-portcullis-browser"].clone()),
        ("ticket", crate::inprocess::browser::ticket(&page, "/consent")),
        ("link", link),
        ("client", client.clone()),
        ("grant", tokens.grant()),
    ];
    for (kind, artefact) in &artefacts {
        if *kind != "access" {
            assert_eq!(place.call("/mcp", artefact).await.status, 401, "{kind} as an access token");
            assert_eq!(place.introspect(&asker, artefact).await.json(), json!({"active": false}), "{kind}");
        }
        if *kind != "refresh" {
            assert_eq!(
                place.refresh(&client, artefact).await.error(),
                "invalid_grant",
                "{kind} as a refresh token"
            );
        }
        if *kind != "code" {
            assert_eq!(
                place.token(&exchange(&client, artefact)).await.error(),
                "invalid_grant",
                "{kind} as a code"
            );
        }
        if !["access", "refresh"].contains(kind) {
            assert_eq!(
                place.post("/revoke", &[("client_id", &client), ("token", artefact)]).await.status,
                200,
                "{kind}"
            );
        }
        for cookie in ["session", "browser"] {
            if *kind != cookie {
                let mut jar = browser.jar.clone();
                jar.insert(format!("__Host-portcullis-{cookie}"), artefact.clone());
                let mut other = crate::inprocess::Browser { place: &place, jar };
                assert!(
                    other.consent(&page, "allow", &[]).await.landed("code").is_none(),
                    "{kind} as {cookie}"
                );
            }
        }
        if *kind != "link" {
            assert_eq!(place.get(&format!("/setup?link={artefact}")).await.status, 410, "{kind} as a link");
        }
        let asker = (asker.0.clone(), artefact.clone());
        if *kind != "secret" {
            assert_eq!(place.introspect(&asker, &tokens.access).await.status, 401, "{kind} as a secret");
        }
    }
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200, "none of it ended the grant");
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn t_sub_collision_no_client_is_ever_spelled_like_a_person() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let machine = place.machine("notes:read").await;
    let person = claims(&tokens.access)["sub"].as_str().unwrap().to_owned();
    let robot = claims(&Tokens::of(&place.machine_token(&machine, "").await).access);
    assert_eq!(robot["sub"], robot["client_id"]);
    assert!(person.starts_with("usr_") && !robot["sub"].as_str().unwrap().starts_with("usr_"));
    // A registration cannot choose its id.
    let body =
        json!({"redirect_uris": [LOOPBACK], "client_id": person, "token_endpoint_auth_method": "none"});
    let answer = place.send(Ask::post("/register").json(&body)).await.json();
    assert!(answer["client_id"].as_str().unwrap().starts_with("dcr_"), "{answer}");
}

#[tokio::test]
async fn t_error_table_bad_input_is_answered_in_the_words_of_the_rfc_and_never_500() {
    let place = Place::on(Kind::Memory).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let id = ("client_id", client.as_str());
    let long = "x".repeat(5_000);
    let cases: Vec<(&str, Fields<'_>, u16, &str)> = vec![
        ("nothing", vec![], 400, "invalid_request"),
        ("no grant type", vec![id], 400, "invalid_request"),
        ("unknown grant type", vec![id, ("grant_type", "password")], 400, "unsupported_grant_type"),
        ("implicit", vec![id, ("grant_type", "implicit")], 400, "unsupported_grant_type"),
        (
            "device",
            vec![id, ("grant_type", "urn:ietf:params:oauth:grant-type:device_code")],
            400,
            "unsupported_grant_type",
        ),
        ("no client", vec![("grant_type", "refresh_token"), ("refresh_token", "x")], 401, "invalid_client"),
        ("unknown client", refresh("dcr_nobody", "x"), 401, "invalid_client"),
        ("no code", vec![id, ("grant_type", "authorization_code")], 400, "invalid_request"),
        ("no token", vec![id, ("grant_type", "refresh_token")], 400, "invalid_request"),
        ("wrong code", exchange(&client, "x"), 400, "invalid_grant"),
        ("long code", exchange(&client, &long), 400, "invalid_grant"),
        ("wrong token", refresh(&client, "x"), 400, "invalid_grant"),
        ("long token", refresh(&client, &long), 400, "invalid_grant"),
        ("machine without right", vec![id, ("grant_type", "client_credentials")], 400, "unauthorized_client"),
        ("twice", [refresh(&client, &tokens.refresh), vec![id]].concat(), 400, "invalid_request"),
        (
            "foreign resource",
            [refresh(&client, &tokens.refresh), vec![("resource", OTHER)]].concat(),
            400,
            "invalid_target",
        ),
        (
            "wide scope",
            [refresh(&client, &tokens.refresh), vec![("scope", "notes:delete")]].concat(),
            400,
            "invalid_scope",
        ),
    ];
    for (name, form, status, error) in cases {
        let answer = place.token(&form).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{name}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        assert!(answer.header("content-type").starts_with("application/json"), "{name}");
    }
    for (name, ask, status) in [
        ("JSON", Ask::post("/token").json(&json!({"grant_type": "refresh_token"})), 415),
        ("no media type", Ask::post("/token"), 415),
        ("GET", Ask::get("/token?grant_type=refresh_token"), 405),
        ("PUT", Ask::new("PUT", "/token"), 405),
        ("not UTF-8", Ask::post("/token").body(b"a=%ff".to_vec(), "application/x-www-form-urlencoded"), 400),
        ("large", Ask::post("/token").body(vec![b'a'; 20_000], "application/x-www-form-urlencoded"), 413),
        (
            "two headers",
            Ask::post("/token")
                .form(&[id])
                .header("authorization", "Basic x")
                .header("authorization", "Basic y"),
            400,
        ),
        (
            "bad Basic",
            Ask::post("/token").form(&refresh(&client, "x")).header("authorization", "Basic !"),
            401,
        ),
    ] {
        assert_eq!(place.send(ask).await.status, status, "{name}");
    }
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200, "nothing was used up");
}
