//! What must outlive every token: cuts and retired keys, whatever the settings were before.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::Arc;
use std::time::Duration;

use portcullis_fetch::Fetcher;
use portcullis_guard::Guard;
use portcullis_jose::master::MasterKey;
use portcullis_mcp::ToolTable;
use portcullis_rules::catalog::{Catalog, Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::model::KeyState;
use portcullis_rules::settings::LONGEST_ACCESS_TOKEN;
use portcullis_rules::verdict::Write;
use portcullis_server::admin::{AdminError, Command};
use portcullis_server::{App, Clock as _, Parts, Settings, StartError};
use portcullis_testkit::{Seeded, World};
use portcullis_wire::resource::{Issuer, Resource};
use portcullis_wire::scope::Scope;

const HOUR: Duration = Duration::from_secs(3600);

async fn published(world: &World) -> usize {
    let jwks = world.get("/.well-known/jwks.json").await.is(200).json();
    jwks["keys"].as_array().unwrap().len()
}

/// The same server after a restart, with tokens of another life.
async fn again(world: &World, access_token: Duration) -> Result<Arc<App>, StartError> {
    let scope = ScopeEntry {
        scope: Scope::parse("notes:read").unwrap(),
        title: "Read".to_owned(),
        effect: Effect::Reads,
        tools: Vec::new(),
        default: true,
        people: portcullis_rules::groups::People::Everyone,
    };
    let entry = ResourceEntry {
        resource: Resource::parse(&world.notes).unwrap(),
        name: "Notes".to_owned(),
        scopes: vec![scope],
        rs256: false,
        people: portcullis_rules::groups::People::Everyone,
    };
    let issuer = Issuer::parse(world.issuer()).unwrap();
    let mut settings = Settings::new(issuer, Catalog::new(vec![entry]).unwrap());
    settings.lifetimes.access_token = access_token;
    App::start(Parts {
        store: Arc::clone(&world.store),
        clock: Arc::clone(&world.clock) as _,
        entropy: Arc::new(Seeded::new(2)),
        master: MasterKey::new([7; 32]),
        fetcher: Fetcher::new(portcullis_fetch::Settings::default()).unwrap(),
        settings,
    })
    .await
}

fn guard(world: &World, app: &Arc<App>) -> Guard {
    app.guard(&Resource::parse(&world.notes).unwrap(), ToolTable::default()).unwrap()
}

#[tokio::test]
async fn t_revoke_a_shorter_token_life_and_a_restart_revive_nothing() {
    let world =
        World::builder().settings(|settings| settings.lifetimes.access_token = 2 * HOUR).start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let other = client.connect(&mut alice, None).await;
    client.revoke(&tokens.access).await.is(200);
    world.administer(Command::KeyRotate).await;
    world.advance(HOUR);
    world.app.sweep().await;
    let app = again(&world, Duration::from_secs(60)).await.unwrap();
    app.sweep().await;
    let guard = guard(&world, &app);
    assert!(guard.verify_token(&tokens.access, world.clock.now()).is_err(), "it was revoked");
    assert!(guard.verify_token(&other.access, world.clock.now()).is_ok(), "its key is retired, and it lives");
}

#[tokio::test]
async fn t_revoke_no_token_may_live_longer_than_revocations_are_remembered() {
    let world = World::start().await;
    assert!(again(&world, LONGEST_ACCESS_TOKEN).await.is_ok());
    let refused = again(&world, LONGEST_ACCESS_TOKEN + Duration::from_secs(1)).await;
    assert!(matches!(refused, Err(StartError::AccessTokenLife)));
}

#[tokio::test]
async fn x28_a_retired_key_leaves_by_itself() {
    let world = World::start().await;
    world.administer(Command::KeyRotate).await;
    assert_eq!(published(&world).await, 3);
    world.advance(LONGEST_ACCESS_TOKEN + Duration::from_secs(60));
    world.app.sweep().await;
    assert_eq!(published(&world).await, 2);
}

#[tokio::test]
async fn x28_a_rotation_that_was_cut_short_is_finished_by_the_next_sweep() {
    let world = World::start().await;
    let keys = world.store.keys().await.unwrap();
    let kid = |state| keys.iter().find(|key| key.state == state).unwrap().kid.clone();
    let (active, next, at) = (kid(KeyState::Active), kid(KeyState::Next), world.clock.now());
    // The commit of a rotation whose caller went away right after it.
    let writes = vec![
        Write::MoveKey { kid: active.clone(), from: KeyState::Active, to: KeyState::Retired, at },
        Write::MoveKey { kid: next.clone(), from: KeyState::Next, to: KeyState::Active, at },
    ];
    world.store.commit(Vec::new(), writes).await.unwrap();
    world.app.sweep().await;
    let mut alice = world.signed_in("alice").await;
    let tokens = world.client().await.connect(&mut alice, None).await;
    let header = tokens.access.split('.').next().unwrap();
    let header = portcullis_wire::base64url::decode(header).unwrap();
    assert!(String::from_utf8(header).unwrap().contains(&next), "the new key signs");
}

#[tokio::test]
async fn x28_rotations_keep_clear_of_verifiers_and_of_the_room_for_keys() {
    let world = World::start().await;
    world.administer(Command::KeyRotate).await;
    world.advance(Duration::from_secs(1));
    world.administer(Command::KeyRotate).await;
    world.advance(Duration::from_secs(1));
    let refused = world.app.administer(Command::KeyRotate).await;
    assert!(matches!(refused, Err(AdminError::Invalid(_))), "its next key was published a second ago");
    let mut done = 2;
    while done < 40 {
        world.advance(Duration::from_secs(300));
        match world.app.administer(Command::KeyRotate).await {
            Ok(_) => done += 1,
            Err(AdminError::Invalid(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 8);
    assert_eq!(published(&world).await, 10);
    assert!(again(&world, HOUR).await.is_ok(), "and it starts");
}
