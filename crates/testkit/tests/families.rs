//! Families of tokens: whatever is done to a grant, in whatever order, by whomever and at the same time, there is
//! one living end of it or none, and what ended stays ended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod inprocess;

use std::sync::Arc;
use std::time::Duration;

use inprocess::{Answer, Kind, LOOPBACK, Place, REDIRECT, Tokens, authorization, exchange, refresh, scopes};
use portcullis_rules::model::GrantState;
use portcullis_rules::verdict::Write;
use portcullis_server::admin::Command;
use portcullis_store::Store as _;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use proptest::prelude::*;

const DAY: u64 = 24 * 60 * 60;
const APPROVED: &str = "notes:read notes:write";

/// What can happen to a grant.
#[derive(Clone, Debug)]
enum Deed {
    Redeem,
    RedeemByAnother,
    RedeemWithWrongVerifier,
    RefreshTip,
    RefreshByAnother,
    RetryPrevious,
    Replay(usize),
    Narrow,
    Beyond,
    Forge,
    RevokeByClient,
    RevokeByStranger,
    RevokeByPerson,
    RevokeByAdmin,
    Disable,
    Enable,
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => Just(Deed::Redeem),
        1 => Just(Deed::RedeemByAnother),
        1 => Just(Deed::RedeemWithWrongVerifier),
        12 => Just(Deed::RefreshTip),
        1 => Just(Deed::RefreshByAnother),
        5 => Just(Deed::RetryPrevious),
        2 => (0_usize..6).prop_map(Deed::Replay),
        2 => Just(Deed::Narrow),
        1 => Just(Deed::Beyond),
        2 => Just(Deed::Forge),
        1 => Just(Deed::RevokeByClient),
        1 => Just(Deed::RevokeByStranger),
        1 => Just(Deed::RevokeByPerson),
        1 => Just(Deed::RevokeByAdmin),
        1 => Just(Deed::Disable),
        3 => Just(Deed::Enable),
        6 => prop_oneof![Just(1_u64), Just(30), Just(61), Just(700), Just(10 * DAY), Just(31 * DAY)]
            .prop_map(Deed::Wait),
    ]
}

/// What must be so: told by the rules of design.md, without a look at the code that holds them.
struct Family<'a> {
    place: &'a Place,
    user: UserId,
    client: String,
    other: String,
    code: String,
    code_dies: u64,
    now: u64,
    enabled: bool,
    /// Every refresh token of the family, oldest first; the last one is the tip.
    generations: Vec<String>,
    /// Every access token given out, with the number of cuts of its person it has seen.
    given: Vec<(String, u64)>,
    rotated_at: u64,
    used_at: u64,
    born_at: u64,
    redeemed: bool,
    live: bool,
    disabled_times: u64,
}

impl<'a> Family<'a> {
    async fn begin(place: &'a Place) -> Self {
        let user = place.quick_account("alice").await;
        let client = place.client(REDIRECT).await;
        let other = place.client(LOOPBACK).await;
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, APPROVED)).await;
        Self {
            place,
            user,
            client,
            other,
            code,
            code_dies: 60,
            now: 0,
            enabled: true,
            generations: Vec::new(),
            given: Vec::new(),
            rotated_at: 0,
            used_at: 0,
            born_at: 0,
            redeemed: false,
            live: false,
            disabled_times: 0,
        }
    }

    fn grant(&self) -> Option<GrantId> {
        let (access, _) = self.given.first()?;
        inprocess::claims(access)["grant"].as_str()?.parse().ok()
    }

    fn tip(&self) -> String {
        self.generations.last().cloned().unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.now >= self.born_at + 365 * DAY || self.now >= self.used_at + 30 * DAY
    }

    fn took(&mut self, answer: &Answer) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tokens = Tokens::of(answer);
        assert!(scopes(APPROVED).covers(&scopes(&tokens.scope)), "never more than was approved");
        assert!(!self.generations.contains(&tokens.refresh), "a new generation is new");
        self.generations.push(tokens.refresh);
        self.given.push((tokens.access, self.disabled_times));
        (self.rotated_at, self.used_at) = (self.now, self.now);
    }

    async fn redeem(&mut self) {
        let answer = self.place.token(&exchange(&self.client, &self.code)).await;
        if self.redeemed {
            assert_eq!(answer.error(), "invalid_grant");
            self.live = false;
        } else if self.enabled && self.now < self.code_dies {
            self.took(&answer);
            (self.redeemed, self.live, self.born_at) = (true, true, self.now);
        } else {
            assert_eq!(answer.error(), "invalid_grant");
        }
    }

    /// Whether a refresh with an unspent token succeeds; what it does to the grant if it does not.
    fn may_refresh(&mut self) -> bool {
        if self.live && self.is_over() {
            self.live = false;
        }
        self.live && self.enabled
    }

    async fn refresh_tip(&mut self, scope: Option<&str>) {
        let tip = self.tip();
        let mut form = refresh(&self.client, &tip);
        form.extend(scope.map(|scope| ("scope", scope)));
        let answer = self.place.token(&form).await;
        if !self.may_refresh() {
            assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"), "{}", answer.text());
        } else if scope == Some("notes:delete") {
            assert_eq!(answer.error(), "invalid_scope");
        } else {
            assert_eq!(Tokens::of(&answer).scope, scope.unwrap_or(APPROVED));
            self.took(&answer);
        }
    }

    async fn retry_previous(&mut self) {
        let Some(previous) = self.generations.iter().rev().nth(1).cloned() else { return };
        let answer = self.place.refresh(&self.client, &previous).await;
        if self.live && self.now >= self.rotated_at + 60 {
            self.live = false;
        }
        if self.may_refresh() {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let tokens = Tokens::of(&answer);
            assert_eq!(tokens.refresh, self.tip(), "a retry gets the very same successor");
            self.given.push((tokens.access, self.disabled_times));
        } else {
            assert_eq!(answer.error(), "invalid_grant");
        }
    }

    async fn replay(&mut self, k: usize) {
        let superseded = self.generations.len().saturating_sub(2);
        let Some(token) = self.generations[..superseded].get(k).cloned() else { return };
        let answer = self.place.refresh(&self.client, &token).await;
        assert_eq!(answer.error(), "invalid_grant");
        self.live = false;
    }

    async fn refused(&self, form: &[(&str, &str)]) {
        let answer = self.place.token(form).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"), "{}", answer.text());
    }

    async fn revoke(&self, client: &str) {
        let answer = self.place.post("/revoke", &[("client_id", client), ("token", &self.tip())]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Redeem => self.redeem().await,
            Deed::RedeemByAnother => self.refused(&exchange(&self.other, &self.code)).await,
            Deed::RedeemWithWrongVerifier => {
                let mut form = exchange(&self.client, &self.code);
                form[3].1 = "another-verifier-dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
                self.refused(&form).await;
            }
            Deed::Wait(seconds) => {
                self.now += seconds;
                self.place.pass(Duration::from_secs(*seconds));
            }
            Deed::Disable => {
                self.place.administer(Command::UserDisable { name: "alice".to_owned() }).await;
                self.enabled = false;
                self.disabled_times += 1;
            }
            Deed::Enable => {
                self.place.administer(Command::UserEnable { name: "alice".to_owned() }).await;
                self.enabled = true;
            }
            _ if self.grant().is_none() => {}
            Deed::RefreshTip => self.refresh_tip(None).await,
            Deed::Narrow => self.refresh_tip(Some("notes:read")).await,
            Deed::Beyond => self.refresh_tip(Some("notes:delete")).await,
            Deed::RefreshByAnother => self.refused(&refresh(&self.other, &self.tip())).await,
            Deed::Forge => self.refused(&refresh(&self.client, &forged(&self.tip()))).await,
            Deed::RetryPrevious => self.retry_previous().await,
            Deed::Replay(k) => self.replay(*k).await,
            Deed::RevokeByStranger => self.revoke(&self.other).await,
            Deed::RevokeByClient => {
                self.revoke(&self.client).await;
                self.live = false;
            }
            Deed::RevokeByPerson => self.revoke_by_person().await,
            Deed::RevokeByAdmin => {
                let id = self.grant().unwrap().to_string();
                self.place.administer(Command::AgentRevoke { id }).await;
                self.live = false;
            }
        }
    }

    async fn revoke_by_person(&mut self) {
        if !self.enabled || !self.live {
            return;
        }
        let mut browser = self.place.signed_in(self.user).await;
        let page = browser.get("/account").await;
        let ticket = inprocess::browser::ticket(&page, "/account/revoke");
        let id = self.grant().unwrap().to_string();
        let answer = browser.post("/account/revoke", &[("ticket", &ticket), ("agent", &id)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.live = false;
    }

    /// The rows and the guard say what the model says.
    async fn holds(&self) {
        let Some(grant) = self.grant() else { return };
        let client = ClientId::parse(&self.client);
        let row = self.place.sluice.grant_facts(grant, client, None).await.unwrap().grant.unwrap();
        assert_eq!(row.state == GrantState::Live, self.live, "{:?}", row.state);
        assert_eq!(row.scopes, scopes(APPROVED));
        let tip = row.tip.unwrap();
        assert!(
            tip.current.matches(&Digest::of(self.tip().as_bytes())),
            "one living end, and it is the last"
        );
        for (access, disabled) in &self.given {
            let answer = self.place.call("/mcp", access).await;
            let fresh = inprocess::claims(access)["exp"].as_i64().unwrap() > self.place.now().seconds();
            let good = self.live && fresh && *disabled == self.disabled_times;
            assert_eq!(answer.status, if good { 200 } else { 401 }, "{}", answer.text());
        }
    }
}

/// The right number, another secret, and a checksum that fits: all that can be made without our keys.
fn forged(token: &str) -> String {
    let prefix = "pc_rt_";
    let mut body = base64url::decode(&token[prefix.len()..token.len() - 6]).unwrap();
    body[20] ^= 1;
    let text = format!("{prefix}{}", base64url::encode(&body));
    let sum = !text.bytes().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    });
    format!("{text}{}", base64url::encode(&sum.to_be_bytes()))
}

fn run(kind: Kind, deeds: &[Deed]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = Place::on(kind).await;
        let mut family = Family::begin(&place).await;
        for deed in deeds {
            family.does(deed).await;
            family.holds().await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn t_linear_any_order_of_deeds_leaves_one_living_end_or_none(deeds in prop::collection::vec(deed(), 1..40)) {
        run(Kind::Memory, &deeds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn t_linear_any_order_of_deeds_is_the_same_on_sqlite(deeds in prop::collection::vec(deed(), 1..40)) {
        run(Kind::Sqlite, &deeds);
    }
}

#[tokio::test]
async fn each_generation_but_the_last_two_ends_the_grant_when_it_comes_back() {
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
async fn a_refresh_decided_before_a_revocation_never_commits_after_it() {
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

/// The same for a code: who lost their account while it was redeemed gets nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redemption_decided_before_its_person_was_disabled_never_commits_after_it() {
    for kind in [Kind::Memory, Kind::Sqlite] {
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
        place.administer(Command::UserDisable { name: "alice".to_owned() }).await;
        place.sluice.release();
        assert_eq!(redeeming.await.unwrap().error(), "invalid_grant", "{kind:?}");
    }
}
