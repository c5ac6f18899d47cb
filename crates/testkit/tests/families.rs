//! Families of tokens: whatever is done to a grant, in whatever order, by whomever and at the same time, there is
//! one living end of it or none, and what ended stays ended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod inprocess;

use std::time::Duration;

use inprocess::{Answer, Kind, LOOPBACK, Place, REDIRECT, Tokens, authorization, exchange, refresh, scopes};
use portcullis_rules::model::GrantState;
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
        // One that is over by itself is in no list any more, whatever its row says.
        if !self.enabled || !self.live || self.is_over() {
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
