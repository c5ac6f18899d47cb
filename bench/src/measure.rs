//! The measurements, in order.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_wire::base64url;

use crate::clock::now;
use crate::load::{Came, IN_FLIGHT, Script, once, repeat, run as load};
use crate::plant::{AGENT, MACHINE, READER, VERIFIER};
use crate::process::{Loaded as _, pin_self, resident};
use crate::report::{Report, goal};
use crate::site::{Site, TOLD};
use crate::wire::{Answer, Connection, call, form, post};
use crate::{Outcome, Plan, binary, hop, revoke};

/// Commits timed alone.
const SYNCS: u32 = 50;

/// Measures everything; whether every measurement could be made.
pub(crate) fn run(plan: &Plan) -> Outcome<bool> {
    pin_self()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    if plan.smoke {
        println!("a smoke: every measurement is made, and the figures say nothing about speed");
    }
    let dir = tempfile::tempdir_in(&plan.dir)?;
    println!("a durable write of 4 KiB in {}: {:.0} µs\n", plan.dir.display(), sync_us(dir.path())?);
    if plan.gateway {
        report.begin();
        hop::measure(plan, &runtime, &mut report)?;
        return Ok(report.end());
    }
    let site = Site::start(dir.path(), (plan.codes, TOLD, plan.first), None)?;
    report.begin();
    runtime.block_on(async {
        routes(plan, &site, &mut report).await?;
        endpoints(plan, &site, &mut report).await?;
        cut(plan, &site, &mut report).await
    })?;
    drop(site);
    starts(plan, &mut report)?;
    let large = tempfile::tempdir_in(&plan.dir)?;
    let site = Site::start(large.path(), (0, plan.grants, 0), None)?;
    let came = runtime.block_on(refresh(plan, &site))?;
    let held = resident(site.id())?;
    report.load(&format!("refresh, {} grants", plan.grants), &came, &format!("{held:.1} MiB held then"));
    drop(site);
    hop::measure(plan, &runtime, &mut report)?;
    Ok(report.end())
}

/// The bare route, the guarded one, and the guarded one with tokens never seen.
async fn routes(plan: &Plan, site: &Site, report: &mut Report) -> Outcome<()> {
    let tokens = machine_tokens(site).await?;
    // The same requests, token and all: what is compared is what the guard does, not what a longer request costs.
    let bare: Vec<_> = tokens.iter().map(|token| call(&site.address, "/bare", token)).collect();
    let guarded: Vec<_> = tokens.iter().map(|token| call(&site.address, "/mcp", token)).collect();
    let mut unseen: Vec<_> = site.first.iter().map(|token| call(&site.address, "/first", token)).collect();
    let (mut bares, mut seens, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        bares.push(load(site, plan.seconds, 200, repeat(&bare)).await?);
        seens.push(load(site, plan.seconds, 200, repeat(&guarded)).await?);
        let share = unseen.split_off(unseen.len() - unseen.len() / (plan.rounds - round));
        firsts.push(load(site, plan.seconds, 200, once(share)).await?);
    }
    let (bare, seen, first) = (median(bares), median(seens), median(firsts));
    report.load("bare route", &bare, "");
    let ratio = bare.cost() / seen.cost().max(1e-9);
    let note = format!("{ratio:.3} of its throughput by CPU time, {}", goal(ratio >= 0.95, "≥ 0.95"));
    report.load("guarded, token seen before", &seen, &note);
    let floor = bare.cost() + site.verification_us;
    let ratio = first.cost() / floor.max(1e-9);
    let note = format!(
        "{ratio:.2} × (bare + one verification of {:.0} µs), {}",
        site.verification_us,
        goal(ratio <= 1.2, "≤ 1.2")
    );
    report.load("guarded, ES256 token never seen", &first, &note);
    Ok(())
}

/// The endpoints.
async fn endpoints(plan: &Plan, site: &Site, report: &mut Report) -> Outcome<()> {
    let came = refresh(plan, site).await?;
    let note = goal(came.rate() >= 10_000.0, "≥ 10,000 a second where a durable write is cheap");
    report.load("refresh, durable, 64 in flight", &came, &note);
    let address = &site.address;
    let redeem = |code: &String| {
        let body =
            format!("grant_type=authorization_code&code={code}&client_id={AGENT}&code_verifier={VERIFIER}");
        form(address, "/token", "", &body)
    };
    let codes = once(site.planted.codes.iter().map(redeem).collect());
    report.load("code redeemed", &load(site, plan.seconds, 200, codes).await?, "");
    let machine = [form(address, "/token", &basic(MACHINE, &site.planted.machine_secret), MACHINE_BODY)];
    report.load("client_credentials", &load(site, plan.seconds, 200, repeat(&machine)).await?, "");
    let reader = basic(READER, &site.planted.reader_secret);
    let tokens = machine_tokens(site).await?;
    let ask = |token: &String| form(address, "/introspect", &reader, &format!("token={token}"));
    let asked: Vec<_> = tokens.iter().map(ask).collect();
    report.load("introspection", &load(site, plan.seconds, 200, repeat(&asked)).await?, "");
    report.load(
        "registration, each its own",
        &load(site, plan.seconds, 201, registrations(address)).await?,
        "",
    );
    Ok(())
}

const MACHINE_BODY: &str = "grant_type=client_credentials";

/// Each connection refreshes one grant again and again.
async fn refresh(plan: &Plan, site: &Site) -> Outcome<Came> {
    let script = |first: &String| {
        let (mut token, address) = (first.clone(), site.address.clone());
        let script: Script = Box::new(move |last: Option<&Answer>| {
            if let Some(last) = last {
                token = last.member("refresh_token").ok()?;
            }
            let body = format!("grant_type=refresh_token&refresh_token={token}&client_id={AGENT}");
            Some(form(&address, "/token", "", &body))
        });
        script
    };
    let scripts = site.planted.refresh.iter().take(IN_FLIGHT).map(script).collect();
    load(site, plan.seconds, 200, scripts).await
}

fn registrations(address: &str) -> Vec<Script> {
    let number = Arc::new(AtomicUsize::new(0));
    let script = |_| {
        let (number, address) = (Arc::clone(&number), address.to_owned());
        let script: Script = Box::new(move |_| {
            let own = number.fetch_add(1, Ordering::Relaxed);
            let body =
                format!(r#"{{"redirect_uris":["https://client.example/{own}"],"client_name":"Bench"}}"#);
            Some(post(&address, "/register", "application/json", "", &body))
        });
        script
    };
    (0..IN_FLIGHT).map(script).collect()
}

/// Revocation: what is let through after the answer.
async fn cut(plan: &Plan, site: &Site, report: &mut Report) -> Outcome<()> {
    let own = site.planted.refresh.get(IN_FLIGHT..).unwrap_or_default();
    let own = own.get(..plan.revocations.min(own.len())).unwrap_or_default();
    let cut = revoke::run(site, own).await?;
    let text = format!(
        "{} calls let through after the answer ({} before, {} refused), answered in at most {:.1} ms, {}",
        cut.after,
        cut.before,
        cut.refused,
        cut.longest.as_secs_f64() * 1e3,
        goal(cut.after == 0, "0")
    );
    report.figure(
        &format!("revocation of {} agents under load", own.len()),
        &text,
        cut.after == 0 && cut.refused > 0,
    );
    Ok(())
}

/// Starts of the real binary: the first makes its keys, the second finds them.
fn starts(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let dir = tempfile::tempdir_in(&plan.dir)?;
    let binary = binary::place()?;
    for name in ["first start to first answer", "later start to first answer"] {
        let start = binary::start(&binary, dir.path())?;
        let took = start.first_answer.as_secs_f64() * 1e3;
        let text = format!(
            "{took:.0} ms, {}; {:.1} MiB held, {}",
            goal(took <= 50.0, "≤ 50 ms"),
            start.resident,
            goal(start.resident <= 20.0, "≤ 20 MiB")
        );
        report.figure(name, &text, true);
    }
    Ok(())
}

/// As many access tokens as there are connections.
pub(crate) async fn machine_tokens(site: &Site) -> Outcome<Vec<String>> {
    let mut connection = Connection::open(&site.address).await?;
    let request = form(&site.address, "/token", &basic(MACHINE, &site.planted.machine_secret), MACHINE_BODY);
    let mut tokens = Vec::new();
    for _ in 0..IN_FLIGHT {
        tokens.push(connection.ask(&request).await?.member("access_token")?);
    }
    Ok(tokens)
}

fn basic(id: &str, secret: &str) -> String {
    let text = base64url::encode(format!("{id}:{secret}").as_bytes()).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    format!("authorization: Basic {text}{padding}\r\n")
}

/// The one in the middle by CPU time.
pub(crate) fn median(mut came: Vec<Came>) -> Came {
    came.sort_by(|a, b| a.cost().total_cmp(&b.cost()));
    let middle = came.len() / 2;
    came.into_iter().nth(middle).unwrap_or_default()
}

/// What a small durable write costs there, in µs.
fn sync_us(dir: &std::path::Path) -> Outcome<f64> {
    let mut file = std::fs::File::create(dir.join("sync"))?;
    let begun = now();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(SYNCS))
}
