//! Scopes an agent was refused: its person allows or denies them, for that one agent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use portcullis_guard::Clock as _;
use portcullis_rules::catalog::{Catalog, Effect, ResourceEntry, ScopeEntry};
use portcullis_rules::event::EventKind;
use portcullis_rules::groups::People;
use portcullis_rules::want;
use portcullis_server::admin::Command;
use portcullis_testkit::{Ask, Browser, Form, HonestClient, Tokens, World};
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::{Scope, Scopes};

async fn world() -> (World, Browser, HonestClient, Tokens) {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, Some("notes:read")).await;
    (world, alice, client, tokens)
}

/// What the resource at `/mcp` offers.
fn catalog(world: &World) -> Catalog {
    let scope = |name: &str| ScopeEntry {
        scope: Scope::parse(name).unwrap(),
        title: String::new(),
        effect: Effect::Reads,
        tools: Vec::new(),
        default: false,
        people: People::Everyone,
    };
    let entry = ResourceEntry {
        resource: Resource::parse(&world.notes).unwrap(),
        name: String::new(),
        scopes: ["notes:read", "notes:write", "notes:admin"].map(scope).to_vec(),
        rs256: false,
        people: People::Everyone,
    };
    Catalog::new(vec![entry]).unwrap()
}

/// What a gateway notes when it refuses a call for lack of scopes.
async fn refused(world: &World, client: &HonestClient, tokens: &Tokens, scopes: &str) {
    let grant: GrantId = tokens.agent().parse().unwrap();
    let facts = world.store.grant_facts(grant, ClientId::parse(&client.id), None).await.unwrap();
    let scopes = Scopes::parse(scopes).unwrap();
    let verdict = want::note(&scopes, &facts, &catalog(world), world.clock.now());
    verdict.outcome.unwrap();
    world.store.commit(verdict.expects, verdict.writes).await.unwrap();
}

fn wanted(html: &str) -> Vec<Form> {
    Form::all(html).into_iter().filter(|form| form.action == "/account/wanted").collect()
}

async fn scope(client: &HonestClient, tokens: &Tokens) -> (Tokens, String) {
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    let scope = next.scope.clone();
    (next, scope)
}

#[tokio::test]
async fn what_an_agent_was_refused_is_allowed_for_that_agent_alone_and_a_plain_refresh_brings_it() {
    let (world, mut alice, client, tokens) = world().await;
    let other = client.connect(&mut alice, Some("notes:read")).await;
    refused(&world, &client, &tokens, "notes:write notes:admin offline_access unheard:of").await;
    let html = alice.open("/account").await.text();
    assert!(html.contains("Write and change notes") && html.contains("just now"));
    let forms = wanted(&html);
    assert_eq!(forms.len(), 2, "what it may not have is not offered");
    assert!(forms.iter().all(|form| form.value("agent") == Some(tokens.agent().as_str())));
    let write = forms.iter().find(|form| form.value("scope") == Some("notes:write")).unwrap();
    let answer = alice.press(write, Some("allow")).await;
    assert!(answer.is(200).text().contains("Allowed, for this agent alone"));
    assert_eq!(wanted(&answer.text()).len(), 1);
    client.call("write_note", &tokens.access).await.is_challenged(403, Some("insufficient_scope"));
    let (next, held) = scope(&client, &tokens).await;
    assert_eq!(held, "notes:read notes:write");
    client.call("write_note", &next.access).await.is(200);
    let (_, held) = scope(&client, &other).await;
    assert_eq!(held, "notes:read", "another install has what it had");
    let allowed = world.events().await.into_iter().filter(|event| event.kind == EventKind::ScopeAllowed);
    assert_eq!(allowed.count(), 1);
    // The same form again finds nothing that is wanted.
    alice.press(write, Some("allow")).await.is(404);
}

#[tokio::test]
async fn what_is_denied_is_not_shown_again_for_a_day() {
    let (world, mut alice, client, tokens) = world().await;
    refused(&world, &client, &tokens, "notes:write").await;
    let form = wanted(&alice.open("/account").await.text()).remove(0);
    let answer = alice.press(&form, Some("deny")).await;
    assert!(wanted(&answer.is(200).text()).is_empty());
    world.advance(Duration::from_secs(2 * 60 * 60));
    refused(&world, &client, &tokens, "notes:write").await;
    assert!(wanted(&alice.open("/account").await.text()).is_empty());
    let page = alice.page(&client.request(&HonestClient::verifier(), None)).await;
    assert!(!page.text().contains("It was refused these lately"));
    let (_, held) = scope(&client, &tokens).await;
    assert_eq!(held, "notes:read");
}

#[tokio::test]
async fn t_scope_ceiling_t_csrf_only_the_agents_own_person_allows_and_only_what_is_wanted() {
    let (world, mut alice, client, tokens) = world().await;
    refused(&world, &client, &tokens, "notes:write").await;
    let good = wanted(&alice.open("/account").await.text()).remove(0);
    // Somebody else, with their own ticket and with hers.
    let mut bob = world.signed_in("bob").await;
    let his = bob.open("/account").await.form("/sign-out");
    let posed = good.clone().fill("ticket", his.value("ticket").unwrap());
    for button in ["allow", "deny"] {
        bob.press(&posed, Some(button)).await.is(404);
        bob.press(&good, Some(button)).await.stops(400, "E-FORM-STALE");
    }
    let pairs = good.pairs(Some("allow"));
    let foreign = Ask::post("/account/wanted").form(&pairs).header("sec-fetch-site", "cross-site");
    alice.send(foreign).await.stops(403, "E-FORM-FOREIGN");
    for (name, form, status) in [
        ("not wanted", good.clone().fill("scope", "notes:admin"), 404),
        ("of another resource", good.clone().fill("scope", "other:use"), 404),
        ("no scope", good.clone().fill("scope", "\u{e9}"), 400),
        ("several", good.clone().fill("scope", "notes:write notes:admin"), 400),
        ("another agent", good.clone().fill("agent", "agt_0000000000001"), 404),
        ("no agent", good.clone().fill("agent", "x"), 404),
    ] {
        assert_eq!(alice.press(&form, Some("allow")).await.status, status, "{name}");
    }
    alice.post("/account/wanted", &good.pairs(None)).await.stops(400, "E-FORM-STALE");
    let (next, held) = scope(&client, &tokens).await;
    assert_eq!(held, "notes:read");
    // Not for an agent that has ended, nor after a day.
    world.advance(Duration::from_secs(24 * 60 * 60));
    alice.sign_in("alice", portcullis_testkit::PASSWORD).await;
    assert!(wanted(&alice.open("/account").await.text()).is_empty());
    refused(&world, &client, &next, "notes:write").await;
    let late = wanted(&alice.open("/account").await.text()).remove(0);
    world.administer(Command::AgentRevoke { id: tokens.agent() }).await;
    alice.press(&late, Some("allow")).await.is(404);
}

#[tokio::test]
async fn t_scope_ceiling_the_next_consent_page_offers_it_unticked_for_the_new_agent_alone() {
    let (world, mut alice, client, tokens) = world().await;
    refused(&world, &client, &tokens, "notes:write").await;
    let ask = client.request(&HonestClient::verifier(), Some("notes:read"));
    let page = alice.page(&ask).await;
    assert!(page.text().contains("It was refused these lately"));
    let form = page.form("/consent");
    let boxes: Vec<_> = form.fields.iter().filter(|field| field.name == "scope").collect();
    let write = boxes.iter().find(|field| field.value == "notes:write").unwrap();
    assert!(!write.ticked && write.kind == "checkbox");
    // Not ticked, it is not given; never more than asked and wanted, whatever is posted.
    let verifier = HonestClient::verifier();
    let connect = async |alice: &mut Browser, scopes: &[&str]| {
        let page = alice.page(&client.request(&verifier, Some("notes:read"))).await;
        let form = page.form("/consent").tick_all("started");
        let mut pairs: Vec<_> =
            form.pairs(Some("allow")).into_iter().filter(|(name, _)| name != "scope").collect();
        pairs.extend(scopes.iter().map(|scope| ("scope".to_owned(), (*scope).to_owned())));
        let code = alice.post("/consent", &pairs).await.landed("code").unwrap();
        let code =
            portcullis_testkit::Code { code, verifier: verifier.clone(), redirect: client.redirect.clone() };
        client.redeem(&code).await
    };
    let plain = connect(&mut alice, &["notes:read"]).await;
    assert_eq!(plain.scope, "notes:read");
    let more = connect(&mut alice, &["notes:read", "notes:write", "notes:admin", "other:use"]).await;
    assert_eq!(more.scope, "notes:read notes:write");
    let (_, held) = scope(&client, &tokens).await;
    assert_eq!(held, "notes:read", "the one that was refused has what it had");
    // Another person's page knows nothing of it.
    let mut bob = world.signed_in("bob").await;
    assert!(!bob.page(&ask).await.text().contains("It was refused these lately"));
}
