//! Revocation under load: what is let through after the server has answered that an agent is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::Outcome;
use crate::clock::now;
use crate::plant::AGENT;
use crate::site::Site;
use crate::wire::{Connection, call, form};

/// Connections that call while an agent is cut off.
const CALLERS: usize = 8;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// Calls let through before.
    pub(crate) before: usize,
    /// Calls let through that were sent after the answer.
    pub(crate) after: usize,
    /// Calls refused that were sent after the answer.
    pub(crate) refused: usize,
    /// The longest from request to answer of a revocation.
    pub(crate) longest: Duration,
}

/// Cuts off the agent of each refresh token, one after the other, while it calls.
pub(crate) async fn run(site: &Site, refresh: &[String]) -> Outcome<Cut> {
    let mut cut = Cut::default();
    let mut own = Connection::open(&site.address).await?;
    for token in refresh {
        let ask = format!("grant_type=refresh_token&refresh_token={token}&client_id={AGENT}");
        let answer = own.ask(&form(&site.address, "/token", "", &ask)).await?;
        let (access, next) = (answer.member("access_token")?, answer.member("refresh_token")?);
        let answered = Arc::new(AtomicBool::new(false));
        let through = Arc::new(AtomicUsize::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            let request = call(&site.address, "/mcp", &access);
            let (answered, through) = (Arc::clone(&answered), Arc::clone(&through));
            let mut connection = Connection::open(&site.address).await?;
            callers.spawn(async move {
                let (mut after, mut refused) = (0, 0);
                while refused < CALLERS {
                    let late = answered.load(Ordering::SeqCst);
                    let let_through = connection.ask(&request).await?.status == 200;
                    match (late, let_through) {
                        (true, true) => after += 1,
                        (true, false) => refused += 1,
                        (false, true) => drop(through.fetch_add(1, Ordering::SeqCst)),
                        (false, false) => {}
                    }
                    if after > CALLERS {
                        break;
                    }
                }
                Outcome::Ok((after, refused))
            });
        }
        while through.load(Ordering::SeqCst) < CALLERS * 4 {
            tokio::task::yield_now().await;
        }
        let begun = now();
        let body = format!("token={next}&client_id={AGENT}");
        let status = own.ask(&form(&site.address, "/revoke", "", &body)).await?.status;
        answered.store(true, Ordering::SeqCst);
        cut.longest = cut.longest.max(begun.elapsed());
        if status != 200 {
            return Err(format!("a revocation was answered with {status}").into());
        }
        while let Some(ended) = callers.join_next().await {
            let (after, refused) = ended??;
            cut.after += after;
            cut.refused += refused;
        }
        cut.before += through.load(Ordering::SeqCst);
    }
    Ok(cut)
}
