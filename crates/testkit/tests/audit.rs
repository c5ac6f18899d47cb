//! The audit trail: every decision leaves its event in its own commit, and what changed nothing leaves none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_guard::Clock as _;
use portcullis_rules::event::{Event, EventKind};
use portcullis_server::admin::Command;
use portcullis_testkit::{Ask, Code, HonestClient, LOOPBACK, PASSWORD, Tokens, World, claims, forge};

/// Reads what was added since the last look, oldest first.
struct Trail<'a> {
    world: &'a World,
    read: usize,
}

impl Trail<'_> {
    async fn next(&mut self) -> Vec<Event> {
        let mut events = self.world.events().await;
        events.reverse();
        let fresh = events.split_off(self.read);
        self.read += fresh.len();
        fresh
    }

    #[track_caller]
    fn same(got: &[Event], expected: &[EventKind]) {
        assert_eq!(got.iter().map(|event| event.kind).collect::<Vec<_>>(), expected);
    }

    /// Exactly this was added, and now.
    async fn is(&mut self, expected: &[EventKind]) -> Vec<Event> {
        let got = self.next().await;
        Self::same(&got, expected);
        assert!(got.iter().all(|event| event.at == self.world.clock.now()));
        got
    }
}

#[tokio::test]
async fn each_decision_of_a_flow_leaves_its_event() {
    let world = World::start().await;
    let mut trail = Trail { world: &world, read: 0 };
    world.person("alice").await;
    trail.is(&[EventKind::UserAdded]).await;
    let mut alice = world.browser();
    // Anybody can fail, so a row is written only where the free failures are used up, and for a known name.
    for (name, events) in [("alice", &[EventKind::SignInRefused][..]), ("nobody", &[])] {
        for _ in 0..4 {
            alice.try_sign_in(name, "wrong wrong wrong").await.is(403);
        }
        trail.is(&[]).await;
        alice.try_sign_in(name, "wrong wrong wrong").await.is(403);
        trail.is(events).await;
    }
    world.advance(Duration::from_secs(30));
    alice.sign_in("alice", PASSWORD).await;
    trail.is(&[EventKind::SignedIn]).await;
    let client = world.client().await;
    trail.is(&[]).await;
    let page = alice.page(&client.request("v", None)).await;
    trail.is(&[]).await;
    alice.deny(&page).await.is(303);
    trail.is(&[EventKind::ConsentDenied]).await;
    let code = client.code(&mut alice, Some("notes:read notes:write")).await;
    let given = trail.is(&[EventKind::ConsentGiven]).await.remove(0);
    assert_eq!(given.scopes.unwrap().to_string(), "notes:read notes:write");
    assert_eq!(given.client.unwrap().to_string(), client.id);
    assert_eq!(given.resource.unwrap().to_string(), world.notes);
    let wrong = Code { verifier: "w".repeat(43), ..code.clone() };
    world.net.token(&client.exchange(&wrong)).await.is(400);
    trail.is(&[]).await;
    world.advance(Duration::from_secs(1));
    let first = client.redeem(&code).await;
    let issued = trail.is(&[EventKind::TokenIssued]).await.remove(0);
    assert_eq!(issued.grant.unwrap().to_string(), first.agent());
    assert_eq!(issued.user.unwrap().to_string(), claims(&first.access)["sub"].as_str().unwrap());
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    trail.is(&[EventKind::TokenRefreshed]).await;
    client.refresh(&first.refresh).await.is(200);
    trail.is(&[EventKind::RefreshRetried]).await;
    client.refresh(&forge::altered(&second.refresh)).await.is(400);
    trail.is(&[]).await;
    client.refresh(&second.refresh).await.is(200);
    client.refresh(&first.refresh).await.is(400);
    let ended = trail.is(&[EventKind::TokenRefreshed, EventKind::GrantEnded]).await;
    assert_eq!(ended[1].reason, Some("refresh_replayed"));
    client.refresh(&first.refresh).await.is(400);
    trail.is(&[]).await;
    let sign_out = alice.open("/account").await.form("/sign-out");
    alice.press(&sign_out, None).await.is(200);
    trail.is(&[EventKind::SignedOut]).await;
}

#[tokio::test]
async fn each_way_to_end_an_agent_is_told_with_its_reason() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let mut trail = Trail { world: &world, read: 0 };
    for reason in ["revoked_by_client", "revoked_by_person", "revoked_by_admin", "code_replayed"] {
        let code = client.code(&mut alice, None).await;
        let tokens = client.redeem(&code).await;
        trail.next().await;
        match reason {
            "revoked_by_client" => drop(client.revoke(&tokens.refresh).await.is(200)),
            "revoked_by_person" => {
                let form = alice.open("/account").await.form("/account/revoke");
                alice.press(&form, None).await.is(200);
            }
            "revoked_by_admin" => drop(world.administer(Command::AgentRevoke { id: tokens.agent() }).await),
            _ => drop(world.net.token(&client.exchange(&code)).await.is(400)),
        }
        let ended = trail.is(&[EventKind::GrantEnded]).await.remove(0);
        assert_eq!(ended.reason, Some(reason));
        assert_eq!(ended.grant.unwrap().to_string(), tokens.agent(), "{reason}");
    }
    let old = client.connect(&mut alice, None).await;
    let verifier = HonestClient::verifier();
    let page = alice.page(&client.request(&verifier, None)).await;
    let form =
        page.form("/consent").tick_all("scope").tick_all("started").tick("replaces", &old.agent(), true);
    let code = alice.press(&form, Some("allow")).await.landed("code").unwrap();
    let new = client.redeem(&Code { code, verifier, redirect: LOOPBACK.to_owned() }).await;
    trail.next().await;
    client.refresh(&new.refresh).await.is(200);
    let events = trail.next().await;
    assert_eq!(world.state(&old.agent()).await, "ended: replaced");
    let ended = events.iter().find(|event| event.kind == EventKind::GrantEnded);
    assert!(ended.is_some_and(|event| event.grant.unwrap().to_string() == old.agent()), "{events:?}");
}

#[tokio::test]
async fn each_act_of_administration_leaves_its_event() {
    let world = World::start().await;
    let mut trail = Trail { world: &world, read: 0 };
    let name = || "alice".to_owned();
    world.administer(Command::SetupLink { reset: None }).await;
    trail.is(&[EventKind::SetupLinkMade]).await;
    world.person("alice").await;
    trail.is(&[EventKind::UserAdded]).await;
    world.administer(Command::UserDisable { name: name() }).await;
    trail.is(&[EventKind::UserDisabled]).await;
    world.administer(Command::UserEnable { name: name() }).await;
    trail.is(&[EventKind::UserEnabled]).await;
    world.administer(Command::UserPassword { name: name(), password: PASSWORD.to_owned() }).await;
    trail.is(&[EventKind::PasswordChanged]).await;
    let (id, secret) = world.machine("notes:read").await;
    trail.is(&[EventKind::ClientAdded]).await;
    let ask = Ask::post("/token").basic(&id, &secret).form(&[("grant_type", "client_credentials")]);
    let tokens = Tokens::of(&world.send(ask).await);
    trail.is(&[EventKind::MachineTokenIssued]).await;
    world.administer(Command::AgentRevoke { id: tokens.agent() }).await;
    trail.is(&[EventKind::AgentSuspended]).await;
    world.administer(Command::AgentRestore { id: tokens.agent() }).await;
    trail.is(&[EventKind::AgentRestored]).await;
    world.administer(Command::KeyRotate).await;
    trail.is(&[EventKind::KeyRotated]).await;
    world.administer(Command::ClientRemove { client_id: id }).await;
    trail.is(&[EventKind::ClientRemoved]).await;
    world.administer(Command::UserRemove { name: name() }).await;
    trail.is(&[EventKind::UserRemoved]).await;
    for command in
        [Command::UserList, Command::ClientList, Command::KeyList, Command::AgentList { all: true }]
    {
        world.administer(command).await;
    }
    trail.is(&[]).await;
}

#[tokio::test]
async fn s18_t_canary_events_name_no_secret() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let code = client.code(&mut alice, None).await;
    let tokens = client.redeem(&code).await;
    client.refresh(&tokens.refresh).await.is(200);
    let form = alice.open("/account").await.form("/account/rename").fill("label", "my secret label");
    alice.press(&form, None).await.is(200);
    let events = format!("{:?}", world.events().await);
    assert!(events.contains("AgentRenamed"));
    for secret in
        [&*code.code, &*code.verifier, &*tokens.access, &*tokens.refresh, PASSWORD, "my secret label"]
    {
        assert!(!events.contains(secret));
    }
}
