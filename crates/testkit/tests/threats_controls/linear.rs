//! Races, retries and replays: one family has one living end, and what was decided before a revocation never
//! commits after it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::verdict::Write;
use portcullis_server::admin::Command;

use crate::inprocess::{Answer, Kind, Place, REDIRECT, Tokens, authorization, exchange, refresh};

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
