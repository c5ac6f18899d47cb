//! Calls that wait for their person: who sees the question, who can answer it, and how often the answer counts
//! (protocol R20).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_guard::Clock as _;
use portcullis_rules::approve::{Asking, Call, Shown, ask as rule, call};
use portcullis_rules::event::EventKind;
use portcullis_rules::refusal::Refusal;
use portcullis_rules::settings::Lifetimes;
use portcullis_rules::tools::NewTools;
use portcullis_server::admin::Command;
use portcullis_store::CommitError;
use portcullis_testkit::{Ask, Browser, HonestClient, PASSWORD, Page, Tokens, World};
use portcullis_wire::id::{ApprovalId, GrantId};
use portcullis_wire::resource::Resource;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const TOOL: &str = "delete_note";
static NUMBERS: AtomicU64 = AtomicU64::new(1000);

async fn world() -> (World, Browser, HonestClient, Tokens) {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    (world, alice, client, tokens)
}

/// What a gateway does before it forwards a call.
async fn asks(world: &World, tokens: &Tokens, arguments: &Value) -> Result<Asking, Refusal> {
    let grant: GrantId = tokens.agent().parse().unwrap();
    let arguments = arguments.as_object().unwrap();
    let (digest, shown) = (call(grant, TOOL, arguments), Shown::of(arguments));
    for _ in 0..10 {
        let now = world.clock.now();
        let facts = world.store.ask_facts(grant, digest, now).await.unwrap();
        let fresh = ApprovalId::from_number(NUMBERS.fetch_add(1, Ordering::Relaxed));
        let verdict =
            rule(Call { tool: TOOL, digest, shown: &shown }, &facts, fresh, &Lifetimes::default(), now);
        if verdict.is_silent() {
            return verdict.outcome;
        }
        match world.store.commit(verdict.expects, verdict.writes).await {
            Ok(_) => return verdict.outcome,
            Err(CommitError::Conflict) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("conflict upon conflict");
}

#[track_caller]
fn open(asking: Result<Asking, Refusal>) -> String {
    match asking {
        Ok(Asking::Open(id)) => format!("/approve?id={id}"),
        other => panic!("{other:?}"),
    }
}

async fn question(world: &World, tokens: &Tokens) -> String {
    open(asks(world, tokens, &json!({ "id": "n_20418", "forever": true })).await)
}

async fn count(world: &World, kind: EventKind) -> usize {
    world.events().await.into_iter().filter(|event| event.kind == kind).count()
}

#[tokio::test]
async fn r20_a_person_sees_the_call_and_lets_it_pass_once() {
    let (world, mut alice, _, tokens) = world().await;
    let address = question(&world, &tokens).await;
    assert_eq!(question(&world, &tokens).await, address, "the same call is one question");
    let page = alice.open(&address).await;
    for part in [
        TOOL,
        "n_20418",
        "forever",
        "Notes",
        "Approve once",
        r#"class="btn arm" name="answer" value="approve""#,
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    let answer = alice.press(&page.form("/approve"), Some("approve")).await;
    assert_eq!(answer.is(303).location(), world.net.url(&address));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(alice.open(&address).await.text().contains("Approved: go back to your app"));
    let other = open(asks(&world, &tokens, &json!({ "id": "n_20419", "forever": true })).await);
    assert_ne!(other, address, "another argument is another question");
    let same = json!({ "forever": true, "id": "n_20418" });
    assert!(matches!(asks(&world, &tokens, &same).await, Ok(Asking::Given(_))), "whatever the order");
    assert!(alice.open(&address).await.text().contains("This approval was used"));
    assert_ne!(question(&world, &tokens).await, address, "once, and the next one is asked anew");
    assert_eq!(count(&world, EventKind::ApprovalSpent).await, 1);
}

#[tokio::test]
async fn r20_what_is_denied_or_too_late_does_not_pass() {
    let (world, mut alice, _, tokens) = world().await;
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    alice.press(&form, Some("deny")).await.is(303);
    assert!(alice.open(&address).await.text().contains("Denied: nothing was done"));
    assert_eq!(asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await, Ok(Asking::Denied));
    // The form cannot be used to think better of it.
    assert_eq!(alice.press(&form, Some("approve")).await.is(303).location(), world.net.url(&address));
    assert_eq!(asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await, Ok(Asking::Denied));
    // Ten minutes after it was asked nobody can answer, not with a form opened before either.
    world.advance(Duration::from_secs(61));
    let late = question(&world, &tokens).await;
    world.advance(Duration::from_secs(300));
    let form = alice.open(&late).await.form("/approve");
    world.advance(Duration::from_secs(300));
    alice.press(&form, Some("approve")).await.is(303);
    assert!(alice.open(&late).await.text().contains("This question is too old"));
    // And a yes that nobody used is over as well.
    let unused = question(&world, &tokens).await;
    assert_ne!(unused, late);
    let form = alice.open(&unused).await.form("/approve");
    alice.press(&form, Some("approve")).await.is(303);
    world.advance(Duration::from_secs(600));
    assert!(alice.open(&unused).await.text().contains("This question is too old"));
    assert_ne!(question(&world, &tokens).await, unused);
    assert_eq!(count(&world, EventKind::ApprovalSpent).await, 0);
}

#[tokio::test]
async fn r20_t_two_jars_nobody_else_sees_or_answers_a_question() {
    let (world, mut alice, client, tokens) = world().await;
    let address = question(&world, &tokens).await;
    let page = alice.open(&address).await;
    let form = page.form("/approve");
    let mut bob = world.signed_in("bob").await;
    let seen = bob.get(&address).await;
    seen.stops(404, "E-QUESTION-UNKNOWN");
    for told in [TOOL, "n_20418", "alice", "Notes"] {
        assert!(!seen.text().contains(told), "{told}");
    }
    // A question that never was is told apart by nothing but its number.
    let strip = |text: String| text.split("<code class").next().unwrap_or_default().to_owned();
    let never = bob.get("/approve?id=apr_0000000000001").await;
    never.stops(404, "E-QUESTION-UNKNOWN");
    assert_eq!(strip(never.text()), strip(seen.text()));
    // Her form in his browser, in another one of hers, and in one that is signed in nowhere.
    let mut alice_too = world.browser();
    alice_too.sign_in("alice", PASSWORD).await;
    for browser in [&mut bob, &mut alice_too, &mut world.browser()] {
        for button in ["approve", "deny"] {
            browser.press(&form, Some(button)).await.stops(400, "E-FORM-STALE");
        }
    }
    // His own form does not answer hers, whatever else he posts.
    let his = client.connect(&mut bob, None).await;
    let theirs = question(&world, &his).await;
    let id = address.split_once('=').unwrap().1;
    let own = bob.open(&theirs).await.form("/approve").fill("id", id).fill("user", "alice");
    bob.press(&own, Some("approve")).await.is(303);
    assert_eq!(question(&world, &tokens).await, address, "hers is as open as before");
    assert_eq!(count(&world, EventKind::ApprovalGiven).await, 1, "his own");
    // Signed out and in again, the old form is worth nothing; the page is.
    alice.press(&alice.clone().open("/account").await.form("/sign-out"), None).await.is(200);
    alice.sign_in("alice", PASSWORD).await;
    alice.press(&form, Some("approve")).await.stops(400, "E-FORM-STALE");
    let fresh = alice.open(&address).await.form("/approve");
    alice.press(&fresh, Some("approve")).await.is(303);
    assert!(matches!(
        asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await,
        Ok(Asking::Given(_))
    ));
}

#[tokio::test]
async fn r20_whoever_is_not_signed_in_signs_in_first_and_comes_back() {
    let (world, _, _, tokens) = world().await;
    world.person("bob").await;
    let address = question(&world, &tokens).await;
    for (who, sees) in [("bob", false), ("alice", true)] {
        let mut browser = world.browser();
        let sign_in = browser.open(&address).await;
        assert!(sign_in.text().contains("A call of an agent waits for an answer"), "{who}");
        assert!(!sign_in.text().contains(TOOL), "{who}");
        let answer = browser.sign_in_at(&sign_in, who, PASSWORD).await;
        assert_eq!(answer.is(303).location(), world.net.url(&address), "{who}");
        let page = browser.open(&address).await;
        assert_eq!(page.text().contains(TOOL), sees, "{who}");
    }
    // The link to sign in belongs to the browser that asked.
    let begun = world.browser().get(&address).await;
    let link = world.net.target(begun.is(303).location());
    world.browser().get(&link).await.stops(400, "E-FORM-STALE");
    // "Not you?" leads through sign-in back to the question.
    let mut browser = world.browser();
    browser.sign_in("alice", PASSWORD).await;
    let page = browser.open(&address).await;
    let answer = browser.press(&page.form("/sign-out"), None).await;
    let sign_in = browser.open(&world.net.target(answer.is(303).location())).await;
    let answer = browser.sign_in_at(&sign_in, "alice", PASSWORD).await;
    assert_eq!(answer.is(303).location(), world.net.url(&address));
    // What names no question at all is no reason to sign in.
    for target in
        ["/approve", "/approve?id=", "/approve?id=x", "/approve?id=agt_0000000000001", "/approve?id=a&id=b"]
    {
        world.browser().get(target).await.stops(404, "E-QUESTION-UNKNOWN");
        browser.get(target).await.stops(404, "E-QUESTION-UNKNOWN");
    }
}

#[tokio::test]
async fn r20_t_csrf_the_form_of_a_question_is_taken_from_our_own_page_alone() {
    let (world, mut alice, _, tokens) = world().await;
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    let pairs = form.pairs(Some("approve"));
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
    ] {
        alice.send(Ask::post("/approve").form(&pairs).header(name, value)).await.stops(403, "E-FORM-FOREIGN");
    }
    let account = alice.open("/account").await.form("/sign-out");
    for ticket in ["", "x", account.value("ticket").unwrap()] {
        let forged = form.clone().fill("ticket", ticket);
        alice.press(&forged, Some("approve")).await.stops(400, "E-FORM-STALE");
    }
    alice.post("/approve", &[("ticket", form.value("ticket").unwrap())]).await.stops(400, "E-FORM-STALE");
    alice
        .post("/account/stop", &[("ticket", form.value("ticket").unwrap())])
        .await
        .stops(400, "E-FORM-STALE");
    alice
        .send(Ask::post("/approve").json(&json!({ "answer": "approve" })))
        .await
        .stops(415, "E-FORM-UNREADABLE");
    alice.get(&format!("{address}&answer=approve")).await.is(200);
    assert_eq!(question(&world, &tokens).await, address);
    assert_eq!(count(&world, EventKind::ApprovalGiven).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_once_r20_many_presses_are_one_approval_and_many_calls_are_one_call() {
    let (world, mut alice, _, tokens) = world().await;
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    let mut running = JoinSet::new();
    for _ in 0..16 {
        let (mut browser, form) = (alice.clone(), form.clone());
        running.spawn(async move { browser.press(&form, Some("approve")).await });
    }
    for answer in running.join_all().await {
        assert_eq!(answer.is(303).location(), world.net.url(&address));
    }
    assert_eq!(count(&world, EventKind::ApprovalGiven).await, 1);
    let world = std::sync::Arc::new(world);
    let mut running = JoinSet::new();
    for _ in 0..16 {
        let (world, tokens) = (std::sync::Arc::clone(&world), tokens.clone());
        running
            .spawn(async move { asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await });
    }
    let given = running.join_all().await.into_iter().filter(|asked| matches!(asked, Ok(Asking::Given(_))));
    assert_eq!(given.count(), 1);
    assert_eq!(count(&world, EventKind::ApprovalSpent).await, 1);
}

#[tokio::test]
async fn t_disable_r20_with_the_agent_or_the_person_the_question_is_over() {
    let (world, mut alice, _, tokens) = world().await;
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    world.administer(Command::AgentRevoke { id: tokens.agent() }).await;
    alice.press(&form, Some("approve")).await.is(303);
    assert!(alice.open(&address).await.text().contains("This agent was stopped"));
    assert_eq!(
        asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await,
        Err(Refusal::GrantEnded)
    );
    let client = world.client().await;
    let tokens = client.connect(&mut alice, None).await;
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    world.administer(Command::UserDisable { name: "alice".to_owned() }).await;
    assert_ne!(alice.press(&form, Some("approve")).await.status, 200);
    assert!(!alice.open(&address).await.text().contains(TOOL));
    assert_eq!(count(&world, EventKind::ApprovalGiven).await, 0);
}

#[tokio::test]
async fn r20_the_answer_is_heard_by_the_call_that_waits_for_it() {
    let (world, mut alice, _, tokens) = world().await;
    let resource = Resource::parse(&world.notes).unwrap();
    let ports = world.app.ports(&resource, NewTools::Allow).await.unwrap();
    let address = question(&world, &tokens).await;
    let form = alice.open(&address).await.form("/approve");
    let id = address.split_once('=').unwrap().1;
    let waiting = ports.approvals.answered(id, Duration::from_secs(3600));
    let answering = async {
        tokio::task::yield_now().await;
        alice.press(&form, Some("approve")).await.is(303);
    };
    let both = async { tokio::join!(waiting, answering) };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert!(matches!(
        asks(&world, &tokens, &json!({ "id": "n_20418", "forever": true })).await,
        Ok(Asking::Given(_))
    ));
}

#[tokio::test]
async fn r20_a_person_finds_the_questions_among_their_agents() {
    let (world, mut alice, _, tokens) = world().await;
    assert!(!alice.open("/account").await.text().contains("/approve?id="));
    let first = question(&world, &tokens).await;
    world.advance(Duration::from_secs(1));
    let second = open(asks(&world, &tokens, &json!({ "id": "n_2" })).await);
    let text = alice.open("/account").await.text();
    assert!(text.contains("2 calls wait for your answer"));
    let at =
        |address: &str| text.find(&format!(r#"href="{address}""#)).unwrap_or_else(|| panic!("{address}"));
    assert!(at(&first) < at(&second), "oldest first");
    let mut bob = world.signed_in("bob").await;
    assert!(!bob.open("/account").await.text().contains("/approve?id="));
    alice.press(&alice.clone().open(&first).await.form("/approve"), Some("deny")).await.is(303);
    assert!(alice.open(&first).await.text().contains("One more call waits for you."));
    let text = alice.open("/account").await.text();
    assert!(text.contains("A call waits for your answer") && !text.contains(&first));
    world.advance(Duration::from_secs(600));
    assert!(!alice.open("/account").await.text().contains("/approve?id="));
}

#[tokio::test]
async fn t_client_text_r20_what_a_call_says_stays_text_and_is_shown_letter_by_letter() {
    let (world, mut alice, _, tokens) = world().await;
    let arguments = json!({
        "<script>alert(1)</script>": "\u{202e}gnp.exe\u{2066}", "note": "\"><img src=x onerror=alert(2)>",
        "deep": { "x": ["\u{200b}", null, 1.5] },
    });
    let address = open(asks(&world, &tokens, &arguments).await);
    let Page { answer } = alice.open(&address).await;
    let text = answer.is(200).text();
    for raw in ["<script", "<img src=x", "\u{202e}", "\u{2066}", "\u{200b}"] {
        assert!(!text.contains(raw), "{raw}");
    }
    for shown in [r"\u202e", r"\u200b", "alert(1)", "1.5"] {
        assert!(text.contains(shown), "{shown}");
    }
    let csp = answer.header("content-security-policy").unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
    assert_eq!(
        (answer.header("x-frame-options"), answer.header("cache-control")),
        (Some("DENY"), Some("no-store"))
    );
}

#[tokio::test]
async fn what_is_kept_of_a_person_is_told_whole_and_rows_of_decisions_name_them() {
    let (world, _alice, _client, tokens) = world().await;
    asks(&world, &tokens, &json!({ "id": "n-17" })).await.unwrap();
    let rows =
        world.app.administer(Command::UserExport { name: "alice".to_owned(), after: 0 }).await.unwrap();
    let about = |what: &str| rows.iter().filter(|row| row["about"] == what).collect::<Vec<_>>();
    assert_eq!(about("account").len(), 1);
    assert_eq!(about("agent").len(), 1);
    let [asked] = about("approval")[..] else { panic!("{rows:?}") };
    assert_eq!((&asked["tool"], &asked["arguments"]), (&json!(TOOL), &json!(r#"{"id":"n-17"}"#)));
    let events = about("event");
    assert!(!events.is_empty() && events.iter().all(|row| row["person"] == "alice"), "{events:?}");
}
