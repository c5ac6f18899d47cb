//! Races, retries and replays: one family has one living end, and what was decided before a revocation never
//! commits after it.

use std::future::Future as _;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use portcullis_rules::verdict::Write;
use portcullis_server::admin::Command;
use portcullis_store::Store as _;

use crate::inprocess::browser::ticket;
use crate::inprocess::{
    Answer, Ask, Browser, Kind, PASSWORD, Place, REDIRECT, Tokens, authorization, exchange, refresh,
};

const APPROVED: &str = "notes:read notes:write";

#[tokio::test]
async fn t_grace_each_generation_but_the_last_two_ends_the_grant_when_it_comes_back() {
    const GENERATIONS: usize = 6;
    for replayed in 0..GENERATIONS - 2 {
        let place = Place::on(Kind::Memory).await;
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let mut tokens = vec![place.agent(user, &client, APPROVED).await];
        for n in 1..GENERATIONS {
            let answer = place.refresh(&client, &tokens[n - 1].refresh).await;
            tokens.push(Tokens::of(&answer));
        }
        let last = tokens.last().unwrap();
        assert_eq!(place.call("/mcp", &last.access).await.status, 200);
        let answer = place.refresh(&client, &tokens[replayed].refresh).await;
        assert_eq!(answer.error(), "invalid_grant", "generation {replayed}");
        assert_eq!(place.refresh(&client, &last.refresh).await.error(), "invalid_grant", "the thief's too");
        assert_eq!(place.call("/mcp", &last.access).await.status, 401, "generation {replayed}");
    }
}

#[tokio::test]
async fn t_grace_a_retry_gets_the_same_successor_and_a_late_one_ends_the_grant() {
    for (waited, same) in [(0, true), (59, true), (60, false)] {
        let place = Place::on(Kind::Sqlite).await;
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let first = place.agent(user, &client, APPROVED).await;
        let second = Tokens::of(&place.refresh(&client, &first.refresh).await);
        place.pass(Duration::from_secs(waited));
        let again = place.refresh(&client, &first.refresh).await;
        assert_eq!(again.status == 200, same, "after {waited} s: {}", again.text());
        assert_eq!(Tokens::of(&again).refresh == second.refresh, same);
        let next = place.refresh(&client, &second.refresh).await;
        assert_eq!(next.status == 200, same, "after {waited} s");
    }
}

#[tokio::test]
async fn t_grace_a_successor_that_was_used_is_given_out_no_more() {
    let place = Place::on(Kind::Sqlite).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let first = place.agent(user, &client, APPROVED).await;
    let second = Tokens::of(&place.refresh(&client, &first.refresh).await);
    let third = Tokens::of(&place.refresh(&client, &second.refresh).await);
    assert_eq!(place.refresh(&client, &first.refresh).await.error(), "invalid_grant", "within its minute");
    assert_eq!(place.refresh(&client, &third.refresh).await.error(), "invalid_grant");
}

async fn together(place: &Arc<Place>, racers: usize, form: &[(&str, &str)]) -> Vec<Answer> {
    let start = Arc::new(tokio::sync::Barrier::new(racers));
    let form: Vec<(String, String)> = form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let mut running = Vec::new();
    for _ in 0..racers {
        let (place, start, form) = (Arc::clone(place), Arc::clone(&start), form.clone());
        running.push(tokio::spawn(async move {
            let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            start.wait().await;
            place.token(&form).await
        }));
    }
    let mut answers = Vec::new();
    for racer in running {
        answers.push(racer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_linear_64_redemptions_at_once_are_one_200_and_a_dead_grant() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let place = Arc::new(Place::on(kind).await);
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, APPROVED)).await;
        let answers = together(&place, 64, &exchange(&client, &code)).await;
        let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1, "{kind:?}");
        for answer in &answers {
            assert!(answer.status == 200 || answer.error() == "invalid_grant", "{}", answer.everything());
        }
        let tokens = Tokens::of(good[0]);
        assert_eq!(place.call("/mcp", &tokens.access).await.status, 401, "{kind:?}: a proven second ends it");
        assert_eq!(place.refresh(&client, &tokens.refresh).await.error(), "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_linear_64_refreshes_at_once_log_nobody_out_and_make_one_family() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let place = Arc::new(Place::on(kind).await);
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let first = place.agent(user, &client, APPROVED).await;
        let answers = together(&place, 64, &refresh(&client, &first.refresh)).await;
        let mut successors = Vec::new();
        for answer in &answers {
            assert_eq!(answer.status, 200, "{kind:?}: {}", answer.everything());
            let tokens = Tokens::of(answer);
            assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
            successors.push(tokens.refresh);
        }
        successors.sort();
        successors.dedup();
        assert_eq!(successors.len(), 1, "{kind:?}");
        assert_eq!(place.refresh(&client, &successors[0]).await.status, 200);
    }
}

/// Each way to take a grant back, while a refresh stands between its decision and its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_linear_a_refresh_decided_before_a_revocation_never_commits_after_it() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        for way in ["client", "admin", "person", "account", "removed client", "replay"] {
            let place = Arc::new(Place::on(kind).await);
            let user = place.quick_account("alice").await;
            let client = place.client(REDIRECT).await;
            let zeroth = place.agent(user, &client, APPROVED).await;
            let first = Tokens::of(&place.refresh(&client, &zeroth.refresh).await);
            let second = Tokens::of(&place.refresh(&client, &first.refresh).await);
            place.sluice.hold(|writes| writes.iter().any(|write| matches!(write, Write::Advance { .. })));
            let refreshing = tokio::spawn({
                let (place, client) = (Arc::clone(&place), client.clone());
                async move { place.refresh(&client, &second.refresh).await }
            });
            place.sluice.arrival().await;
            let name = "alice".to_owned();
            match way {
                "client" => {
                    let form = [("client_id", client.as_str()), ("token", first.refresh.as_str())];
                    assert_eq!(place.post("/revoke", &form).await.status, 200);
                }
                "admin" => drop(place.administer(Command::AgentRevoke { id: first.grant() }).await),
                "person" => drop(place.administer(Command::UserDisable { name }).await),
                "account" => drop(place.administer(Command::UserRemove { name }).await),
                "removed client" => {
                    drop(place.administer(Command::ClientRemove { client_id: client.clone() }).await);
                }
                _ => assert_eq!(place.refresh(&client, &zeroth.refresh).await.error(), "invalid_grant"),
            }
            place.sluice.release();
            let answer = refreshing.await.unwrap();
            assert!([400, 401].contains(&answer.status), "{kind:?} {way}: {}", answer.everything());
            assert!(!answer.text().contains("access_token"), "{kind:?} {way}");
            assert_eq!(place.call("/mcp", &first.access).await.status, 401, "{kind:?} {way}");
        }
    }
}

/// The same for a code: who lost access while it was redeemed gets nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_linear_a_redemption_decided_before_a_revocation_never_commits_after_it() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        for way in ["disabled", "password reset", "client removed"] {
            let place = Arc::new(Place::on(kind).await);
            let user = place.quick_account("alice").await;
            let client = place.client(REDIRECT).await;
            let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, APPROVED)).await;
            place.sluice.hold(|writes| writes.iter().any(|write| matches!(write, Write::SpendCode(..))));
            let redeeming = tokio::spawn({
                let (place, client) = (Arc::clone(&place), client.clone());
                async move { place.token(&exchange(&client, &code)).await }
            });
            place.sluice.arrival().await;
            let name = "alice".to_owned();
            let command = match way {
                "disabled" => Command::UserDisable { name },
                "client removed" => Command::ClientRemove { client_id: client.clone() },
                _ => Command::UserPassword { name, password: "another-long-password".to_owned() },
            };
            place.administer(command).await;
            place.sluice.release();
            let error = redeeming.await.unwrap().error();
            let words = if way == "client removed" { "invalid_client" } else { "invalid_grant" };
            assert_eq!(error, words, "{kind:?} {way}");
        }
    }
}

/// Every form and link that works once works once, however many press it together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_once_a_form_and_a_link_are_used_once_by_many_at_once() {
    const RACERS: usize = 32;
    for kind in [Kind::Memory, Kind::Sqlite] {
        let place = Arc::new(Place::on(kind).await);
        let link =
            serde_json::to_string(&place.administer(Command::SetupLink { reset: None }).await).unwrap();
        let link = link.split("link=").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let mut pages = Vec::new();
        for _ in 0..RACERS {
            let mut browser = Browser::new(&place);
            let page = browser.get(&format!("/setup?link={link}")).await;
            pages.push((ticket(&page, "/setup"), browser.cookie()));
        }
        let asks = pages.iter().enumerate().map(|(n, (ticket, cookie))| {
            let name = format!("person {n}");
            let form = [("ticket", ticket.as_str()), ("name", &name), ("password", PASSWORD)];
            Ask::post("/setup").form(&form).header("cookie", cookie)
        });
        let answers = all(&place, asks.collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1, "{kind:?}: one account");
        assert_eq!(place.sluice.users().await.unwrap().len(), 1, "{kind:?}");

        let user = place.sluice.users().await.unwrap()[0].id;
        let client = place.client(REDIRECT).await;
        let mut browser = place.signed_in(user).await;
        let page = browser.page(&authorization(&client, REDIRECT, "notes:read")).await;
        let (ticket, cookie) = (ticket(&page, "/consent"), browser.cookie());
        let form = [("ticket", ticket.as_str()), ("answer", "allow"), ("scope", "notes:read")];
        let ask = Ask::post("/consent").form(&form).header("cookie", &cookie);
        let answers = all(&place, vec![ask; RACERS]).await;
        let codes: Vec<String> = answers.iter().filter_map(|answer| answer.landed("code")).collect();
        assert_eq!(codes.len(), 1, "{kind:?}: one code");
        for answer in answers {
            assert!(answer.status == 303 || answer.status == 400, "{kind:?}: {}", answer.status);
        }
    }
}

async fn all(place: &Arc<Place>, asks: Vec<Ask>) -> Vec<Answer> {
    let start = Arc::new(tokio::sync::Barrier::new(asks.len()));
    let running: Vec<_> = asks
        .into_iter()
        .map(|ask| {
            let (place, start) = (Arc::clone(place), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                place.send(ask).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in running {
        answers.push(racer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_crosstalk_many_people_with_the_same_message_ids_are_never_confused() {
    let place = Arc::new(Place::on(Kind::Memory).await);
    let client = place.client(REDIRECT).await;
    let mut people = Vec::new();
    for n in 0..40 {
        let user = place.quick_account(&format!("person {n}")).await;
        people.push((user.to_string(), place.agent(user, &client, "notes:read").await.access));
    }
    let calls =
        (0..10).flat_map(|_| people.iter().map(|(_, access)| Ask::tool("/mcp", "read_note").bearer(access)));
    let answers = all(&place, calls.collect()).await;
    for (answer, (subject, _)) in answers.iter().zip(people.iter().cycle()) {
        assert_eq!((answer.status, answer.header("x-subject")), (200, subject.as_str()));
    }
}

/// Who hangs up while a revocation is written has revoked all the same, and the guard knows.
#[tokio::test]
async fn t_linear_a_caller_that_goes_away_takes_no_revocation_with_it() {
    for way in ["revoke", "replay"] {
        let place = Place::on(Kind::Sqlite).await;
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let first = place.agent(user, &client, APPROVED).await;
        let second = Tokens::of(&place.refresh(&client, &first.refresh).await);
        let third = Tokens::of(&place.refresh(&client, &second.refresh).await);
        let ask = match way {
            "revoke" => Ask::post("/revoke").form(&[("client_id", &client), ("token", &third.refresh)]),
            _ => Ask::post("/token").form(&refresh(&client, &first.refresh)),
        };
        let before = place.sluice.commits();
        {
            let mut asking = std::pin::pin!(place.send(ask));
            while place.sluice.commits() == before {
                let polled = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
                if polled.is_ready() {
                    break; // The writer was quicker than the caller's leaving.
                }
            }
        }
        // The writer takes what waits in order: when this is written, that is.
        place.quick_account("bob").await;
        assert_eq!(place.call("/mcp", &third.access).await.status, 401, "{way}");
        assert_eq!(place.refresh(&client, &third.refresh).await.error(), "invalid_grant", "{way}");
    }
}
