//! The runner: one process that keeps all servers. It reads frames, starts and ends children, and holds no secret but
//! what their owner gave to them.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::child::{Order, Plan, to_die};
use crate::frame::{Closed, End, Frame, Hello, Kind, Number, Open, malformed};
use crate::limits;
use crate::link::{Arriving, Outbox, Receiving, Sending};
use crate::sandbox::{self, SandboxReport};
use crate::spec::Spec;

/// What the command `runner` does: keeps servers until the front, on our standard input, is gone. To be called
/// without a runtime.
///
/// # Errors
/// When standard input is no socket of ours, or the front makes no sense.
pub fn run() -> io::Result<()> {
    let socket = StdStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.local_addr().map_err(|_| io::Error::other("this command is for portcullis itself"))?;
    socket.set_nonblocking(true)?;
    // One thread: servers end with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let (mut read, write) = UnixStream::from_std(socket)?.into_split();
        let spec = Frame::read(&mut read).await?.filter(|frame| frame.kind == Kind::Spec);
        let spec: Spec = spec.ok_or_else(|| malformed("the first frame"))?.told_of()?;
        let (out, writing) = Outbox::new(write);
        let writing = tokio::spawn(writing);
        let report = sandbox::report(spec.sandbox);
        let refused = refused(&spec, &report);
        out.tell(Frame::told(Kind::Hello, 0, &Hello { report: report.clone(), refused: refused.clone() })?);
        if refused.is_some() {
            drop(out);
            writing.await.unwrap_or_default();
            return Ok(());
        }
        let (ended, mut endings) = mpsc::unbounded_channel();
        let mut children = Children {
            spec: Arc::new(spec),
            report,
            out,
            ended,
            living: HashMap::new(),
            failing: Failing::default(),
        };
        let result = children.serve(&mut read, &mut endings).await;
        children.end_all(&mut endings).await;
        result
    })
}

/// What cannot be run as it is said; told before anything runs.
fn refused(spec: &Spec, report: &SandboxReport) -> Option<String> {
    let refused = spec.servers.iter().find_map(|(name, _)| {
        let plan = Plan::new(spec, report, name, "start", 0);
        plan.err().map(|error| format!("the server `{name}` cannot be started: {error}"))
    });
    crate::child::sweep(spec);
    refused
}

struct Children {
    spec: Arc<Spec>,
    report: SandboxReport,
    out: Outbox,
    ended: mpsc::UnboundedSender<Number>,
    living: HashMap<Number, Living>,
    failing: Failing,
}

struct Living {
    whose: Open,
    /// None once the front has let go of it.
    arriving: Option<Arriving>,
    sending: Sending,
    order: watch::Sender<Order>,
    used: Used,
}

/// When a child was last used.
#[derive(Clone)]
pub(crate) struct Used(Arc<Mutex<Instant>>);

impl Used {
    pub(crate) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Children {
    async fn serve(
        &mut self,
        socket: &mut OwnedReadHalf,
        endings: &mut mpsc::UnboundedReceiver<Number>,
    ) -> io::Result<()> {
        // Reading a frame must not be broken off, so it has a task's place of its own.
        let (frames, mut arrived) = mpsc::channel(1);
        let reading = async {
            while let Some(frame) = Frame::read(socket).await? {
                if frames.send(frame).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        tokio::pin!(reading);
        loop {
            tokio::select! {
                biased;
                Some(number) = endings.recv() => { self.living.remove(&number); }
                Some(frame) = arrived.recv() => self.take(&frame)?,
                result = &mut reading => return result,
            }
        }
    }

    fn take(&mut self, frame: &Frame) -> io::Result<()> {
        match frame.kind {
            Kind::Open => self.open(frame.channel, frame.told_of()?),
            Kind::End => {
                self.end(&frame.told_of()?);
                Ok(())
            }
            Kind::Line | Kind::Credit | Kind::Close => {
                // What ended by itself may still be spoken to.
                let Some(living) = self.living.get_mut(&frame.channel) else { return Ok(()) };
                living.used.now();
                match (frame.kind, &living.arriving) {
                    (Kind::Line, Some(arriving)) => arriving.put(frame.payload.clone()),
                    (Kind::Credit, _) => {
                        living.sending.credit(frame.credited()?);
                        Ok(())
                    }
                    _ => {
                        living.arriving = None;
                        living.sending.window.close(); // Nobody reads any more.
                        Ok(())
                    }
                }
            }
            Kind::Spec | Kind::Hello => Err(malformed("a frame")),
        }
    }

    fn open(&mut self, number: Number, whose: Open) -> io::Result<()> {
        if self.living.contains_key(&number) {
            return Err(malformed("a channel"));
        }
        let own = self.living.values().filter(|living| living.whose == whose).count();
        if self.living.len() >= self.spec.children || own >= limits::CHILDREN_EACH {
            self.out.tell(Frame::told(Kind::Close, number, &Closed::TooMany)?);
            return Ok(());
        }
        let (arriving, receiving) = Receiving::new(number, self.out.clone());
        let sending = Sending::new(number, self.out.clone());
        let (order, orders) = watch::channel(Order::Stay);
        let used = Used(Arc::new(Mutex::new(Instant::now())));
        let life = Life {
            number,
            whose: whose.clone(),
            spec: Arc::clone(&self.spec),
            report: self.report.clone(),
            failing: self.failing.clone(),
        };
        let (out, ended) = (self.out.clone(), self.ended.clone());
        let (own, own_used) = (sending.clone(), used.clone());
        tokio::spawn(async move {
            let why = life.live(receiving, own, orders, own_used).await;
            if let Ok(frame) = Frame::told(Kind::Close, number, &why) {
                out.tell(frame);
            }
            ended.send(number).unwrap_or_default();
        });
        self.living.insert(number, Living { whose, arriving: Some(arriving), sending, order, used });
        Ok(())
    }

    fn end(&mut self, end: &End) {
        let meant = |whose: &Open| {
            whose.agent == end.agent
                && end.resource.as_ref().is_none_or(|resource| *resource == whose.resource)
        };
        for living in self.living.values().filter(|living| meant(&living.whose)) {
            living.order.send_replace(Order::Die);
        }
    }

    async fn end_all(&mut self, endings: &mut mpsc::UnboundedReceiver<Number>) {
        for living in self.living.values() {
            living.order.send_replace(Order::Die);
            living.sending.window.close();
        }
        let all = async {
            while !self.living.is_empty() {
                let Some(number) = endings.recv().await else { break };
                self.living.remove(&number);
            }
        };
        tokio::time::timeout(limits::FAREWELL, all).await.unwrap_or_default();
    }
}

/// One child from its first line to its end.
struct Life {
    number: Number,
    whose: Open,
    spec: Arc<Spec>,
    report: SandboxReport,
    failing: Failing,
}

impl Life {
    async fn live(
        &self,
        mut receiving: Receiving,
        sending: Sending,
        mut orders: watch::Receiver<Order>,
        used: Used,
    ) -> Closed {
        let first = tokio::select! {
            first = receiving.recv() => first,
            () = to_die(&mut orders) => return Closed::CutOff,
            () = idle(&used, self.spec.idle()) => return Closed::Idle,
        };
        let Some(first) = first else { return Closed::Gone };
        let wait = self.failing.wait(&self.whose);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = to_die(&mut orders) => return Closed::CutOff,
        }
        let plan = Plan::new(&self.spec, &self.report, &self.whose.resource, &self.whose.agent, self.number);
        let begun = Instant::now();
        let why = match plan {
            Ok(plan) => plan.run(first, receiving, sending, orders, used, self.spec.idle()).await,
            Err(error) => Closed::NotStarted(error.to_string()),
        };
        let failed = matches!(why, Closed::Died(_) | Closed::NotStarted(_) | Closed::TooLong);
        self.failing.note(&self.whose, failed && begun.elapsed() < limits::SETTLED);
        tracing::info!(resource = self.whose.resource, reason = %why, "a server ended");
        why
    }
}

/// Resolves when nothing was used for `patience`.
pub(crate) async fn idle(used: &Used, patience: Duration) {
    loop {
        let until = used.last() + patience;
        tokio::time::sleep_until(until).await;
        if used.last() + patience <= Instant::now() {
            return;
        }
    }
}

/// Whose servers fail, so that a broken one is not started over and over. One agent's failures delay nobody else.
#[derive(Clone, Default)]
struct Failing(Arc<Mutex<HashMap<Whose, (u32, Instant)>>>);

/// Resource and agent.
type Whose = (String, String);

impl Failing {
    fn wait(&self, whose: &Open) -> Duration {
        let key = (whose.resource.clone(), whose.agent.clone());
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get(&key).map_or(Duration::ZERO, |(_, until)| until.saturating_duration_since(Instant::now()))
    }

    fn note(&self, whose: &Open, failed: bool) {
        let key = (whose.resource.clone(), whose.agent.clone());
        let now = Instant::now();
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            let times = failing.get(&key).map_or(0, |(times, _)| *times);
            failing.insert(key, (times.saturating_add(1), now + backoff(times)));
        } else {
            failing.remove(&key);
        }
        // What failed long ago is forgotten.
        failing.retain(|_, (_, until)| *until + limits::BACKOFF_MOST > now);
    }
}

/// How long to wait after so many failures before this one.
fn backoff(times: u32) -> Duration {
    limits::BACKOFF.saturating_mul(1 << times.min(16)).min(limits::BACKOFF_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_each_time_and_not_for_ever() {
        assert_eq!(backoff(0), limits::BACKOFF);
        assert_eq!(backoff(1), limits::BACKOFF * 2);
        assert_eq!(backoff(u32::MAX), limits::BACKOFF_MOST);
    }

    #[tokio::test]
    async fn one_agent_s_failures_delay_nobody_else() {
        let failing = Failing::default();
        let whose = |agent: &str| Open { resource: "r".into(), agent: agent.into() };
        failing.note(&whose("a"), true);
        assert!(failing.wait(&whose("a")) > Duration::ZERO);
        assert_eq!(failing.wait(&whose("b")), Duration::ZERO);
        failing.note(&whose("a"), false);
        assert_eq!(failing.wait(&whose("a")), Duration::ZERO);
    }
}
