//! The trail of what agents do: gathered for a moment and committed together, or on disk before the call where the owner
//! wants that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_gateway::door::{AgentKey, agent_key};
use portcullis_gateway::ports::{BoxFuture, Call, Ending, Journal, Unavailable};
use portcullis_guard::{Agent, Clock};
use portcullis_rules::event::{CallFacts, Event, EventKind, Personal};
use portcullis_rules::verdict::Write;
use portcullis_store::{CommitError, Store, StoreError};
use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use tokio::sync::Notify;

use super::fold::Folds;
use crate::settings::{AuditSettings, Calls, WhenFull};

/// How long rows are gathered before they are committed. With the time of a commit this is what a crash may lose, of
/// calls alone: decisions are in their own commits.
const GATHER: Duration = Duration::from_millis(20);
/// Rows of one commit.
const BATCH: usize = 1024;
/// Rows that wait at the most, about half a kilobyte each, when the disk does not take them.
const WAITING: usize = 32 * 1024;
/// Refused scopes that wait to be noted; those beyond are noted at their next refusal.
const WANTED: usize = 4096;
/// Reasons and resources that refusals are counted by in one minute; those beyond count as one.
const REFUSALS: usize = 1024;
/// How long a commit that failed waits for its next try.
const AGAIN: Duration = Duration::from_millis(500);
/// People whose names are remembered between rows.
const NAMES: usize = 4096;
/// How long a remembered name counts.
const NAME_LIFE: Duration = Duration::from_secs(60);

/// Scopes that an agent was refused for lack of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) grant: GrantId,
    pub(crate) client: ClientId,
    pub(crate) scopes: Scopes,
}

#[derive(Default)]
struct Gathered {
    rows: Vec<(Event, Option<UserId>)>,
    wants: Vec<Want>,
    /// Refusals with nobody proven behind them, in the minute that is not over.
    refusals: HashMap<(Option<Resource>, &'static str), u32>,
    /// Which rows of agents stood by themselves in that minute, and how many more there were.
    folds: Folds,
    minute: i64,
    names: HashMap<UserId, (Option<String>, UnixTime)>,
}

/// Rows on their way to the store. What is left of them goes back to its place when this is dropped.
struct Batch<'a> {
    trail: &'a Trail,
    rows: Vec<(Event, Option<UserId>)>,
}

impl<'a> Batch<'a> {
    fn take(trail: &'a Trail) -> Self {
        let mut gathered = trail.gathered();
        let some = gathered.rows.len().min(BATCH);
        Self { trail, rows: gathered.rows.drain(..some).collect() }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let mut gathered = self.trail.gathered();
        let newer = std::mem::replace(&mut gathered.rows, std::mem::take(&mut self.rows));
        let room = WAITING.saturating_sub(gathered.rows.len());
        let lost = newer.len().saturating_sub(room);
        gathered.rows.extend(newer.into_iter().take(room));
        drop(gathered);
        self.trail.lost.fetch_add(lost as u64, Ordering::Relaxed);
    }
}

/// Rows that are counted when this is dropped: also where the caller went away before it heard of the commit.
pub(crate) struct Folded<'a> {
    trail: &'a Trail,
    rows: Vec<(AgentKey, Event)>,
}

impl Folded<'_> {
    /// Nothing was committed.
    pub(crate) fn forget(mut self) {
        self.rows.clear();
    }
}

impl Drop for Folded<'_> {
    fn drop(&mut self) {
        for (agent, row) in self.rows.drain(..) {
            self.trail.gathered().folds.count(&agent, row);
        }
    }
}

/// Gathers rows, and writes them.
pub(crate) struct Trail {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: AuditSettings,
    gathered: Mutex<Gathered>,
    /// Held by whoever takes rows to the store: one batch after the other, so that whoever waits for it finds written
    /// what was gathered before.
    writing: tokio::sync::Mutex<()>,
    /// Held for writing while a person is erased: no row is on its way with a name that was read before.
    erasing: tokio::sync::RwLock<()>,
    /// Rows are there to be written.
    wake: Notify,
    /// The last commit of rows failed.
    failing: AtomicBool,
    /// Rows that found no place.
    lost: AtomicU64,
}

impl Trail {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: AuditSettings) -> Self {
        Self {
            store,
            clock,
            settings,
            gathered: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            erasing: tokio::sync::RwLock::default(),
            wake: Notify::new(),
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gather(&self, event: Event) {
        let mut gathered = self.gathered();
        if gathered.rows.len() >= WAITING {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let user = event.user;
        gathered.rows.push((event, user));
        let first = gathered.rows.len() == 1;
        drop(gathered);
        if first {
            self.wake.notify_one();
        }
    }

    /// Writes rows as they come, until it is dropped.
    pub(crate) async fn keep(&self) {
        loop {
            self.wake.notified().await;
            tokio::time::sleep(GATHER).await;
            while !self.write().await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Writes all that was gathered; whether it could. What could not be written waits for the next time, also if this
    /// is dropped half-way.
    pub(crate) async fn write(&self) -> bool {
        let _turn = self.writing.lock().await;
        self.write_in_turn().await
    }

    async fn write_in_turn(&self) -> bool {
        loop {
            let mut batch = Batch::take(self);
            if batch.rows.is_empty() {
                return true;
            }
            let mut writes = Vec::with_capacity(batch.rows.len());
            for (event, user) in &batch.rows {
                match self.named(event.clone(), *user).await {
                    Ok(event) => writes.push(Write::Audit(event)),
                    Err(error) => {
                        self.fail(&error.into());
                        return false;
                    }
                }
            }
            // Sent by this very call: from here on it is the store that has the rows.
            let commit = self.store.commit(Vec::new(), writes);
            let rows = std::mem::take(&mut batch.rows);
            match commit.await {
                Ok(_) => self.recover(),
                Err(error) => {
                    self.fail(&error);
                    batch.rows = rows;
                    return false;
                }
            }
        }
    }

    /// Does what erases a person, with every row of before written, and none on its way that still tells of them.
    ///
    /// # Errors
    /// [`Unavailable`](crate::app::Unavailable) if what was gathered cannot be written, and those of `erase`.
    pub(crate) async fn erasing<T, E: From<crate::app::Unavailable>>(
        &self,
        user: UserId,
        erase: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let _turn = self.writing.lock().await;
        let _alone = self.erasing.write().await;
        if !self.write_in_turn().await {
            return Err(crate::app::Unavailable.into());
        }
        let erased = erase.await;
        self.gathered().names.remove(&user);
        erased
    }

    fn fail(&self, error: &CommitError) {
        if !self.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the audit trail cannot be written");
        }
    }

    fn recover(&self) {
        if self.failing.swap(false, Ordering::AcqRel) {
            tracing::info!("the audit trail can be written again");
        }
        let lost = self.lost.swap(0, Ordering::AcqRel);
        if lost > 0 {
            tracing::error!(lost, "rows of the audit trail found no place while it could not be written");
        }
    }

    /// The row with the name of its person, as it is now; of a person who is gone nothing personal is written.
    async fn named(&self, event: Event, user: Option<UserId>) -> Result<Event, StoreError> {
        let Some(user) = user else { return Ok(event) };
        let now = self.clock.now();
        let known = self.gathered().names.get(&user).filter(|(_, at)| now < *at + NAME_LIFE).cloned();
        let name = match known {
            Some((name, _)) => name,
            None => {
                let name = self.store.user(user).await?.map(|user| user.name);
                let mut gathered = self.gathered();
                if gathered.names.len() >= NAMES {
                    gathered.names.clear();
                }
                gathered.names.insert(user, (name.clone(), now));
                name
            }
        };
        let person = match name {
            Some(name) => {
                Personal { name: Some(name), ..event.person.as_deref().cloned().unwrap_or_default() }
            }
            None => Personal::default(),
        };
        Ok(event.person(person))
    }

    /// The scopes that were refused since this was last asked.
    pub(crate) fn take_wants(&self) -> Vec<Want> {
        std::mem::take(&mut self.gathered().wants)
    }

    /// Turns the refusals of minutes that are over into rows; of every minute, if `all`.
    pub(crate) fn count_refusals(&self, all: bool) {
        let now = self.clock.now();
        let minute = now.seconds().div_euclid(60);
        let mut gathered = self.gathered();
        if gathered.minute == minute && !all {
            return;
        }
        gathered.minute = minute;
        let counted = std::mem::take(&mut gathered.refusals);
        let folded = gathered.folds.take(now);
        drop(gathered);
        folded.for_each(|event| self.gather(event));
        for ((resource, reason), count) in counted {
            let mut event = Event::new(EventKind::RefusedUnproven, now).reason(reason).count(count);
            event.resource = resource;
            self.gather(event);
        }
    }

    fn row(&self, call: &Call, kind: EventKind, ending: Option<Ending>, latency: Option<Duration>) -> Event {
        let agent = &call.agent;
        let mut event = Event::new(kind, self.clock.now())
            .client(&agent.client)
            .access(&agent.resource, &call.scopes)
            .call(CallFacts {
                request: Some(call.request.clone()),
                trace: call.trace.clone(),
                method: call.method.clone().into_owned(),
                name: call.name.clone(),
                decision: call.decision.as_str().into(),
                rule: Some(call.rule.clone().into_owned()),
                latency,
                ending: ending.map(word),
            })
            .person(Personal { name: None, arguments: call.arguments, values: call.values.clone() });
        event.grant = agent.grant;
        event.user = agent.subject.parse().ok();
        event
    }

    /// Tells or counts a call that was not forwarded, and so cost the agent nothing.
    fn gather_some(&self, agent: &AgentKey, row: Event) {
        match self.tells(agent, &row) {
            true => self.gather(row),
            false => self.gathered().folds.count(agent, row),
        }
    }

    /// Takes out of what a decision writes the rows that do not stand by themselves.
    pub(crate) fn fold(&self, writes: &mut Vec<Write>) -> Folded<'_> {
        let mut rows = Vec::new();
        writes.retain(|write| {
            let Write::Audit(row) = write else { return true };
            let Some(grant) = row.grant.filter(|_| Folds::folds(row.kind)) else { return true };
            let agent = AgentKey(grant.to_string().into());
            let tells = self.tells(&agent, row);
            if !tells {
                rows.push((agent, row.clone()));
            }
            tells
        });
        Folded { trail: self, rows }
    }

    /// Whether a row of this agent stands by itself. Where there are too many agents to tell them apart, the minute of all
    /// is over.
    fn tells(&self, agent: &AgentKey, row: &Event) -> bool {
        let mut gathered = self.gathered();
        if gathered.folds.is_full() {
            let folded = gathered.folds.take(row.at);
            drop(gathered);
            folded.for_each(|event| self.gather(event));
            gathered = self.gathered();
        }
        gathered.folds.tells(agent, row)
    }

    fn may_go(&self) -> Result<(), Unavailable> {
        let full = self.failing.load(Ordering::Acquire) || self.gathered().rows.len() >= WAITING;
        if full && self.settings.when_full == WhenFull::Stop { Err(Unavailable) } else { Ok(()) }
    }
}

fn word(ending: Ending) -> std::borrow::Cow<'static, str> {
    match ending {
        Ending::Answered => "answered".into(),
        Ending::ToolError => "tool_error".into(),
        Ending::Error(code) => format!("error {code}").into(),
        Ending::Upstream(status) => format!("upstream {status}").into(),
        Ending::Left => "left".into(),
        Ending::Cut => "cut".into(),
    }
}

impl Journal for Trail {
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(async move {
            if self.settings.calls == Calls::Batched {
                return self.may_go();
            }
            let event = self.row(call, EventKind::of_method(&call.method), None, None);
            let _unerased = self.erasing.read().await;
            let committed = match self.named(event.clone(), event.user).await {
                Ok(row) => self.store.commit(Vec::new(), vec![Write::Audit(row)]).await.map(drop),
                Err(error) => Err(error.into()),
            };
            match committed {
                Ok(()) => {
                    self.recover();
                    Ok(())
                }
                Err(error) => {
                    self.fail(&error);
                    if self.settings.when_full == WhenFull::Stop {
                        return Err(Unavailable);
                    }
                    // The call goes all the same, and its row is written when the store takes rows again.
                    self.gather(event);
                    Ok(())
                }
            }
        })
    }

    fn note(&self, call: Call, ending: Option<Ending>, latency: Duration) {
        // A call that was forwarded has its first row already where calls are written down before.
        let kind = match (self.settings.calls, ending) {
            (Calls::Before, Some(_)) => EventKind::ToolAnswered,
            _ => EventKind::of_method(&call.method),
        };
        let row = self.row(&call, kind, ending, Some(latency));
        match ending {
            Some(_) => self.gather(row),
            None => self.gather_some(&agent_key(&call.agent), row),
        }
    }

    fn unproven(&self, resource: &Resource, reason: &'static str) {
        let mut gathered = self.gathered();
        let key = (Some(resource.clone()), reason);
        let key = if gathered.refusals.len() >= REFUSALS && !gathered.refusals.contains_key(&key) {
            (None, "other")
        } else {
            key
        };
        let count = gathered.refusals.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    fn wanted(&self, agent: &Agent, scopes: &Scopes) {
        let Some(grant) = agent.grant else { return };
        let want = Want { grant, client: agent.client.clone(), scopes: scopes.clone() };
        let mut gathered = self.gathered();
        if gathered.wants.len() < WANTED && !gathered.wants.contains(&want) {
            gathered.wants.push(want);
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
