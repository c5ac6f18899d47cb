//! What the gateway costs beside a plain relay of the same traffic, on the same core in the same run.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::load::{Came, repeat, run as load};
use crate::measure::{machine_tokens, median};
use crate::plant::AGENT;
use crate::process::{LOAD_CORE, Loaded as _, SERVER_CORE, resident};
use crate::relay::{self, Side};
use crate::report::{Report, goal};
use crate::site::{Site, TOLD};
use crate::stream::{drain, first_event, open};
use crate::wire::{Connection, call, form, post};
use crate::{Outcome, Plan, upstream};

/// First events timed.
const FIRSTS: usize = 300;
/// Streams of one agent.
const EACH: usize = 16;

/// Measures it all.
pub(crate) fn measure(plan: &Plan, runtime: &Runtime, report: &mut Report) -> Outcome<()> {
    let behind = Side::start(LOAD_CORE, &[upstream::WORD])?;
    let relay = Side::start(SERVER_CORE, &[relay::WORD, behind.address()])?;
    let dir = tempfile::tempdir_in(&plan.dir)?;
    let site = Site::start(dir.path(), (0, TOLD, 0), Some(behind.address()))?;
    runtime.block_on(async {
        let token = machine_tokens(&site).await?.into_iter().next().ok_or("no token")?;
        calls(plan, &site, &relay, &token, report).await?;
        streams(plan, &site, &relay, &token, report).await?;
        idle(plan, &site, report).await
    })
}

/// Calls through the relay, the bare hop, and the door with and without its trail.
async fn calls(plan: &Plan, site: &Site, relay: &Side, token: &str, report: &mut Report) -> Outcome<()> {
    let own = |path| [call(&site.address, path, token)];
    let plain = [call(relay.address(), "/mcp", token)];
    let (mut relays, mut hops, mut doors, mut mutes) = (vec![], vec![], vec![], vec![]);
    for _ in 0..plan.rounds {
        relays.push(load(relay, plan.seconds, 200, repeat(&plain)).await?);
        hops.push(load(site, plan.seconds, 200, repeat(&own("/hop"))).await?);
        mutes.push(load(site, plan.seconds, 200, repeat(&own("/mute"))).await?);
        doors.push(load(site, plan.seconds, 200, repeat(&own("/door"))).await?);
    }
    let (relay, hop, mute, door) = (median(relays), median(hops), median(mutes), median(doors));
    let beside = |came: &Came, other: &Came| came.cost() / other.cost().max(1e-9);
    report.load("plain TCP relay", &relay, "");
    let ratio = beside(&hop, &relay);
    let note = format!("{ratio:.2} of the relay's CPU time, {}", goal(ratio <= 1.9, "≤ 1.9"));
    report.load("gateway, the hop alone", &hop, &note);
    report.load(
        "gateway, judged, nothing kept",
        &mute,
        &format!("{:.2} of the relay", beside(&mute, &relay)),
    );
    let more = (beside(&door, &mute) - 1.0) * 100.0;
    let note = format!("{more:+.1} % for the trail, {}", goal(more <= 8.0, "≤ +8 %"));
    report.load("gateway, judged and recorded", &door, &note);
    Ok(())
}

fn streaming(address: &str, path: &str, token: &str, events: usize) -> Vec<u8> {
    let accept = format!("accept: application/json, text/event-stream\r\nauthorization: Bearer {token}\r\n");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"stream","arguments":{{"events":{events}}}}}}}"#
    );
    post(address, path, "application/json", &accept, &body)
}

/// The first event, and long streams.
async fn streams(plan: &Plan, site: &Site, relay: &Side, token: &str, report: &mut Report) -> Outcome<()> {
    let ways = [
        ("relay", relay.address(), "/mcp"),
        ("hop", site.address.as_str(), "/hop"),
        ("door", site.address.as_str(), "/door"),
    ];
    let mut firsts = Vec::new();
    for (_, address, path) in ways {
        let request = streaming(address, path, token, 1);
        let mut took = Vec::new();
        for _ in 0..FIRSTS.min(plan.events) {
            took.push(first_event(address, &request).await?);
        }
        took.sort_unstable();
        firsts.push(took.get(took.len() / 2).copied().unwrap_or_default());
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    if let [relay, hop, door] = firsts[..] {
        let more = micros(door) - micros(relay);
        let text = format!(
            "{:.0} µs by relay, {:.0} µs by hop, {:.0} µs by door: {more:+.0} µs, {}",
            micros(relay),
            micros(hop),
            micros(door),
            goal(more <= 200.0, "≤ +200 µs")
        );
        report.figure("first event of a stream, median", &text, true);
    }
    let mut told = Vec::new();
    for (name, address, path) in ways {
        let (took, bytes) = drain(address, &streaming(address, path, token, plan.events)).await?;
        told.push(format!("{:.0} MB/s by {name}", bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9)));
    }
    report.figure("a long stream of small events", &told.join(", "), true);
    Ok(())
}

/// Streams that are open while nothing flows.
async fn idle(plan: &Plan, site: &Site, report: &mut Report) -> Outcome<()> {
    let mut connection = Connection::open(&site.address).await?;
    let mut tokens = Vec::new();
    for refresh in site.planted.refresh.iter().take(plan.idle.div_ceil(EACH)) {
        let ask = format!("grant_type=refresh_token&refresh_token={refresh}&client_id={AGENT}");
        let answer = connection.ask(&form(&site.address, "/token", "", &ask)).await?;
        tokens.push(answer.member("access_token")?);
    }
    let before = resident(site.id())?;
    let mut open_streams = Vec::with_capacity(plan.idle);
    for at in 0..plan.idle {
        let token = tokens.get(at / EACH).ok_or("too few agents for so many streams")?;
        let address = &site.address;
        let request = format!(
            "GET /door HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        open_streams.push(open(address, request.as_bytes()).await?);
    }
    let each = (resident(site.id())? - before) * 1024.0 / plan.idle.max(1) as f64;
    let text = format!("{each:.1} KiB each, {}", goal(each <= 16.0, "≤ 16 KiB"));
    report.figure(&format!("{} idle streams", open_streams.len()), &text, true);
    Ok(())
}
