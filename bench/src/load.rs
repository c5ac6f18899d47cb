//! The load: many connections, each with a script that makes the next request from the last answer.

use std::time::Duration;

use crate::Outcome;
use crate::clock::now;
use crate::process::{Loaded, cpu};
use crate::wire::{Answer, Connection};

/// Requests in flight.
pub(crate) const IN_FLIGHT: usize = 64;

/// Makes the next request, from the last answer; none ends the script.
pub(crate) type Script = Box<dyn FnMut(Option<&Answer>) -> Option<Vec<u8>> + Send>;

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Came {
    /// Answers as expected.
    pub(crate) answered: usize,
    /// Other answers, and what the first of them was.
    pub(crate) other: Option<(usize, String)>,
    /// Time on the wall.
    pub(crate) took: Duration,
    /// CPU time of the server.
    pub(crate) cpu: Duration,
}

impl Came {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// CPU time of the server a request, in µs.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answered.max(1) as f64
    }
}

/// Runs one script a connection until the time is over or all have ended. `expected` is the status that counts.
pub(crate) async fn run(
    site: &impl Loaded,
    seconds: u64,
    expected: u16,
    scripts: Vec<Script>,
) -> Outcome<Came> {
    let mut connections = Vec::with_capacity(scripts.len());
    for _ in &scripts {
        connections.push(Connection::open(site.address()).await?);
    }
    let before = cpu(site.id())?;
    let begun = now();
    let until = begun + Duration::from_secs(seconds);
    let mut running = tokio::task::JoinSet::new();
    for (mut connection, mut script) in connections.into_iter().zip(scripts) {
        running.spawn(async move {
            let (mut answered, mut other): (usize, Option<(usize, String)>) = (0, None);
            let mut last: Option<Answer> = None;
            while now() < until
                && let Some(request) = script(last.as_ref())
            {
                let answer = connection.ask(&request).await?;
                if answer.status == expected {
                    answered += 1;
                } else {
                    let (count, _) = other.get_or_insert_with(|| {
                        (0, format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
                    });
                    *count += 1;
                }
                last = Some(answer);
            }
            Outcome::Ok((answered, other))
        });
    }
    let mut came = Came::default();
    while let Some(ended) = running.join_next().await {
        let (answered, other) = ended??;
        came.answered += answered;
        if let Some((count, first)) = other {
            let (known, _) = came.other.get_or_insert((0, first));
            *known += count;
        }
    }
    came.took = begun.elapsed();
    came.cpu = cpu(site.id())?.saturating_sub(before);
    Ok(came)
}

/// The same request again and again, one a connection in turn.
pub(crate) fn repeat(requests: &[Vec<u8>]) -> Vec<Script> {
    (0..IN_FLIGHT)
        .map(|at| {
            let request = requests.get(at % requests.len().max(1)).cloned();
            let script: Script = Box::new(move |_| request.clone());
            script
        })
        .collect()
}

/// Each request once, shared out among the connections.
pub(crate) fn once(requests: Vec<Vec<u8>>) -> Vec<Script> {
    let mut shares: Vec<Vec<Vec<u8>>> = vec![Vec::new(); IN_FLIGHT];
    for (at, request) in requests.into_iter().enumerate() {
        shares[at % IN_FLIGHT].push(request);
    }
    let script = |mut share: Vec<Vec<u8>>| {
        let script: Script = Box::new(move |_| share.pop());
        script
    };
    shares.into_iter().map(script).collect()
}
