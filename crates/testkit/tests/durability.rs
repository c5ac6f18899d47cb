//! What was answered is kept: through a kill in the middle of the work, a restart, and a full disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]
#![allow(clippy::print_stdout, reason = "the child that is killed tells its answers through a pipe")]

mod inprocess;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use inprocess::{BEGIN, Kind, NOTES, Place, REDIRECT, Tokens, authorization, exchange, open, settings};
use portcullis_rules::model::Cut;
use portcullis_server::admin::Command;
use portcullis_store::Store as _;
use serde_json::json;

const SCOPE: &str = "notes:read notes:write";
const ROUNDS: u64 = 20;
const WORKERS: usize = 4;
/// How many agents one worker makes at the most: a child that nobody kills ends by itself.
const AGENTS: usize = 200;
/// Numbers that no two rounds share.
const APART: u64 = 1_000_000_000;
/// Says that this process is the one to be killed: the directory, the client and the round.
const CHILD: &str = "PORTCULLIS_TEST_CHILD";

/// Something that was answered with 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Redeemed { code: String, refresh: String },
    Refreshed { old: String, new: String },
    Revoked { refresh: String, access: String },
}

impl Told {
    fn line(&self) -> String {
        match self {
            Self::Redeemed { code, refresh } => format!("told redeemed {code} {refresh}"),
            Self::Refreshed { old, new } => format!("told refreshed {old} {new}"),
            Self::Revoked { refresh, access } => format!("told revoked {refresh} {access}"),
        }
    }

    fn read(line: &str) -> Option<Self> {
        // The harness of the child may have written the beginning of a line of its own before ours.
        let words: Vec<String> = line[line.find("told ")?..].split_whitespace().map(str::to_owned).collect();
        let [_, what, first, second] = <[String; 4]>::try_from(words).ok()?;
        match what.as_str() {
            "redeemed" => Some(Self::Redeemed { code: first, refresh: second }),
            "refreshed" => Some(Self::Refreshed { old: first, new: second }),
            "revoked" => Some(Self::Revoked { refresh: first, access: second }),
            _ => None,
        }
    }
}

async fn server(directory: &Path, millis: i64, seed: u64) -> Place {
    Place::over(open(directory, None), None, settings(), millis, seed).await
}

/// Works until it is killed, and tells each answer as soon as it has it.
async fn work(place: Arc<Place>, client: String, worker: usize) {
    let user = place.sluice.user_by_key("alice".to_owned()).await.unwrap().unwrap().id;
    for n in 0..AGENTS {
        place.pass(Duration::from_millis(1));
        let code = place.signed_in(user).await.code(&authorization(&client, REDIRECT, SCOPE)).await;
        let mut tokens = place.redeem(&client, &code).await;
        println!("{}", Told::Redeemed { code, refresh: tokens.refresh.clone() }.line());
        for _ in 0..(n + worker) % 4 {
            let next = Tokens::of(&place.refresh(&client, &tokens.refresh).await);
            println!("{}", Told::Refreshed { old: tokens.refresh, new: next.refresh.clone() }.line());
            tokens = next;
        }
        if (n + worker).is_multiple_of(3) {
            let form = [("client_id", client.as_str()), ("token", tokens.refresh.as_str())];
            assert_eq!(place.post("/revoke", &form).await.status, 200);
            println!("{}", Told::Revoked { refresh: tokens.refresh, access: tokens.access }.line());
        }
    }
}

async fn child(orders: &str) {
    let [directory, client, round] = <[&str; 3]>::try_from(orders.split('|').collect::<Vec<_>>()).unwrap();
    let round: u64 = round.parse().unwrap();
    let millis = BEGIN + i64::try_from(round).unwrap();
    let place = Arc::new(server(Path::new(directory), millis, round * APART).await);
    let working: Vec<_> =
        (0..WORKERS).map(|n| tokio::spawn(work(Arc::clone(&place), client.to_owned(), n))).collect();
    for worker in working {
        worker.await.unwrap();
    }
}

/// Runs this very test in a process of its own, kills it after `most` answers, and returns all it had told.
fn killed(directory: &Path, client: &str, round: u64, most: usize) -> Vec<Told> {
    let name = "t_restart_revoked_a_kill_loses_nothing_that_was_answered_and_no_code_is_redeemed_twice";
    let mut process = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, format!("{}|{client}|{round}", directory.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let mut alive = true;
    let mut reader = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    // What stands in the pipe after the kill was answered before it. A line without its end was not told.
    while reader.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
        told.extend(Told::read(&line));
        line.clear();
        if alive && told.len() >= most {
            process.kill().unwrap(); // SIGKILL: no handler, no flush, no farewell
            alive = false;
        }
    }
    let status = process.wait().unwrap();
    assert!(!alive && !status.success(), "killed in the middle of the work: {status}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_restart_revoked_a_kill_loses_nothing_that_was_answered_and_no_code_is_redeemed_twice() {
    if let Ok(orders) = std::env::var(CHILD) {
        return child(&orders).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let place = server(directory.path(), BEGIN, APART * (ROUNDS + 1)).await;
    place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    drop(place);
    let mut revoked: Vec<(String, String)> = Vec::new();
    let mut redeemed = 0;
    for round in 1..=ROUNDS {
        let most = 5 + usize::try_from(round * 13 % 47).unwrap();
        let told = killed(directory.path(), &client, round, most);
        assert!(told.len() >= most);
        let place = server(directory.path(), BEGIN + 5_000, APART * (ROUNDS + 1 + round)).await;
        let mut tips: HashMap<String, String> = HashMap::new();
        for answer in &told {
            match answer {
                Told::Redeemed { code, refresh } => drop(tips.insert(refresh.clone(), code.clone())),
                Told::Refreshed { old, new } => {
                    let code = tips.remove(old).unwrap();
                    tips.insert(new.clone(), code);
                }
                Told::Revoked { refresh, access } => {
                    tips.remove(refresh);
                    revoked.push((refresh.clone(), access.clone()));
                }
            }
        }
        // The last one told of is the tip, or its unheard successor is given again; unless a revocation that was
        // under way was written and not told.
        let mut ended = 0;
        for tip in tips.keys() {
            let answer = place.refresh(&client, tip).await;
            ended += usize::from(answer.status != 200);
            assert!(answer.status == 200 || answer.error() == "invalid_grant", "{}", answer.everything());
        }
        assert!(ended <= WORKERS, "round {round}: {ended} agents were lost");
        for (refresh, access) in &revoked {
            assert_eq!(place.refresh(&client, refresh).await.error(), "invalid_grant", "round {round}");
            assert_eq!(place.call("/mcp", access).await.status, 401, "round {round}: revoked stays revoked");
        }
        for answer in &told {
            if let Told::Redeemed { code, .. } = answer {
                redeemed += 1;
                assert_eq!(
                    place.token(&exchange(&client, code)).await.error(),
                    "invalid_grant",
                    "round {round}"
                );
            }
        }
    }
    assert!(redeemed > 50 && revoked.len() > 20, "{redeemed} {}", revoked.len());
}

#[tokio::test]
async fn t_restart_revoked_every_kind_of_cut_is_there_before_the_first_request() {
    let place = Place::on(Kind::Sqlite).await;
    let client = place.client(REDIRECT).await;
    let mut given = Vec::new();
    for name in ["agent", "person", "removed", "lives"] {
        let user = place.quick_account(name).await;
        given.push((name, place.agent(user, &client, SCOPE).await));
    }
    let (other, machine) =
        (place.client("https://other.example/cb").await, place.machine("notes:read").await);
    let user = place.quick_account("of the other client").await;
    let query = authorization(&other, "https://other.example/cb", SCOPE);
    let code = place.signed_in(user).await.code(&query).await;
    given.push(("client", place.redeem(&other, &code).await));
    given.push(("machine", Tokens::of(&place.machine_token(&machine, "").await)));
    let grant = |what: &str| given.iter().find(|(name, _)| *name == what).unwrap().1.grant();
    place.administer(Command::AgentRevoke { id: grant("agent") }).await;
    place.administer(Command::AgentRevoke { id: grant("machine") }).await;
    place.administer(Command::UserDisable { name: "person".to_owned() }).await;
    place.administer(Command::UserRemove { name: "removed".to_owned() }).await;
    place.administer(Command::ClientRemove { client_id: other.clone() }).await;
    let (before, cuts): (u64, Vec<Cut>) = place.sluice.cuts(place.now()).await.unwrap();
    assert!(before >= 5 && cuts.len() >= 5, "{before} {}", cuts.len());
    let place = place.restart().await;
    for (name, tokens) in &given {
        let status = if *name == "lives" { 200 } else { 401 };
        assert_eq!(place.call("/mcp", &tokens.access).await.status, status, "{name}");
        if *name != "machine" {
            let owner = if *name == "client" { &other } else { &client };
            assert_eq!(place.refresh(owner, &tokens.refresh).await.status == 200, *name == "lives", "{name}");
        }
    }
    assert_eq!(place.machine_token(&machine, "").await.error(), "unauthorized_client");
    // Signed in before, signed in after; and the keys are the same, or "lives" would not.
    assert_eq!(
        place.sluice.cuts(place.now() - Duration::from_secs(60)).await.unwrap().0,
        before,
        "no number twice"
    );
}

#[tokio::test]
async fn t_full_a_full_disk_is_503_while_reads_and_the_guard_go_on_and_room_heals_it() {
    const PAGES: u32 = 110;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Some(PAGES));
    let place = Place::over(store, Some(directory), settings(), BEGIN, 0).await;
    let user = place.quick_account("alice").await;
    let client = place.client(REDIRECT).await;
    let asker = place.asker(NOTES).await;
    let tokens = place.agent(user, &client, SCOPE).await;
    let mut browser = place.signed_in(user).await;
    let register = |n: usize| {
        let body = json!({
            "redirect_uris": [format!("https://client.example/{n}")], "token_endpoint_auth_method": "none",
            "client_name": "n".repeat(80),
        });
        inprocess::Ask::post("/register").json(&body)
    };
    let mut kept = Vec::new();
    let full = loop {
        let answer = place.send(register(kept.len())).await;
        if answer.status != 201 {
            break answer;
        }
        kept.push(answer.json()["client_id"].as_str().unwrap().to_owned());
        assert!(kept.len() < 5_000, "the disk was never full");
    };
    assert_eq!(full.status, 503, "{}", full.everything());
    assert!(full.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(full.error(), "temporarily_unavailable");
    // Reads and the guard go on.
    assert_eq!(place.call("/mcp", &tokens.access).await.status, 200);
    assert_eq!(place.call("/mcp", "x").await.status, 401);
    assert_eq!(place.introspect(&asker, &tokens.access).await.json()["active"], true);
    assert_eq!(browser.get("/account").await.status, 200);
    let last = kept.last().unwrap();
    let page = browser
        .page(&authorization(last, &format!("https://client.example/{}", kept.len() - 1), SCOPE))
        .await;
    assert_eq!(page.status, 200, "the last client that was told 201 is there");
    // What cannot be written is not answered with 2xx, and is not half done.
    for n in 0..20 {
        let answer = place.send(register(10_000 + n)).await;
        assert!([201, 503].contains(&answer.status), "{}", answer.everything());
    }
    // Time passes, the unused registrations are forgotten, and that is room.
    place.pass(Duration::from_secs(25 * 60 * 60));
    for _ in 0..10 {
        place.app.sweep().await;
    }
    let answer = place.send(register(20_000)).await;
    assert_eq!(answer.status, 201, "it recovers by itself: {}", answer.everything());
    assert_eq!(place.refresh(&client, &tokens.refresh).await.status, 200);
}
