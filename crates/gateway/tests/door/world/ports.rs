//! The ports, in memory and in the open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_gateway::ports::{
    Approval, Approvals, BoxFuture, Budgets, Call, Decision, Ending, Journal, Named, Ports, Seals, Spent,
    ToolBook, Unavailable,
};
use portcullis_guard::Agent;
use portcullis_policy::{KnownTools, NewTools, canonical, definition_digest};
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use serde_json::{Map, Value};

/// One row of the trail.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) call: Call,
    pub(crate) ending: Option<Ending>,
}

pub(crate) struct Fake {
    pub(crate) rows: Mutex<Vec<Row>>,
    pub(crate) admitted: AtomicUsize,
    pub(crate) disk_full: AtomicBool,
    pub(crate) unproven: Mutex<Vec<&'static str>>,
    pub(crate) wanted: Mutex<Vec<Scopes>>,
    /// What people said, by agent, tool and arguments: some once more, or no.
    pub(crate) words: Mutex<HashMap<String, bool>>,
    pub(crate) asked: AtomicUsize,
    pub(crate) answered: Arc<tokio::sync::Notify>,
    pub(crate) budget: AtomicUsize,
    pub(crate) taken: Mutex<Vec<Option<String>>>,
    known: Mutex<Arc<KnownTools>>,
    pub(crate) lists: Mutex<Vec<(Vec<String>, bool)>>,
    fresh: AtomicU64,
}

fn key(agent: &Agent, tool: &str, arguments: &Map<String, Value>) -> String {
    format!("{}|{tool}|{}", agent.subject, canonical(&Value::Object(arguments.clone())))
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            admitted: 0.into(),
            disk_full: false.into(),
            unproven: Mutex::default(),
            wanted: Mutex::default(),
            words: Mutex::default(),
            asked: 0.into(),
            answered: Arc::default(),
            budget: usize::MAX.into(),
            taken: Mutex::default(),
            known: Mutex::new(Arc::new(KnownTools::new(NewTools::Hold))),
            lists: Mutex::default(),
            fresh: 0.into(),
        })
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            journal: Arc::clone(self) as _,
            approvals: Arc::clone(self) as _,
            budgets: Arc::clone(self) as _,
            tools: Arc::clone(self) as _,
            seals: Arc::clone(self) as _,
        }
    }

    /// The person of `agent` says a word on a call.
    pub(crate) fn says(&self, agent: &str, tool: &str, arguments: &Value, yes: bool) {
        let key = format!("usr_{agent}|{tool}|{}", canonical(arguments));
        self.words.lock().unwrap().insert(key, yes);
        self.answered.notify_waiters();
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Row {
        self.rows().pop().expect("a row")
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.rows().iter().map(|row| row.call.decision).collect()
    }
}

impl Journal for Fake {
    fn admit<'a>(&'a self, _: &'a Call) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.admitted.fetch_add(1, Ordering::SeqCst);
        let full = self.disk_full.load(Ordering::SeqCst);
        Box::pin(std::future::ready(if full { Err(Unavailable) } else { Ok(()) }))
    }
    fn note(&self, call: Call, ending: Option<Ending>, _: Duration) {
        self.rows.lock().unwrap().push(Row { call, ending });
    }
    fn unproven(&self, _: &Resource, reason: &'static str) {
        self.unproven.lock().unwrap().push(reason);
    }
    fn wanted(&self, _: &Agent, scopes: &Scopes) {
        self.wanted.lock().unwrap().push(scopes.clone());
    }
}

impl Approvals for Fake {
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        tool: &'a str,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Approval, Unavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let key = key(agent, tool, arguments);
        let mut words = self.words.lock().unwrap();
        let approval = match words.get(&key) {
            Some(true) => {
                words.remove(&key);
                Approval::Given
            }
            Some(false) => Approval::Denied,
            None if agent.subject == "usr_nobody" => Approval::NoPerson,
            None => {
                let id = base64url::encode(&Digest::of(key.as_bytes()).as_bytes()[..8]);
                Approval::Open { url: format!("https://auth.example.com/approve/{id}"), id }
            }
        };
        Box::pin(std::future::ready(Ok(approval)))
    }
    fn answered<'a>(&'a self, _: &'a str, patience: Duration) -> BoxFuture<'a, ()> {
        let answered = Arc::clone(&self.answered).notified_owned();
        let waits = self.words.lock().unwrap().is_empty();
        Box::pin(async move {
            if waits {
                let _ = tokio::time::timeout(patience, answered).await;
            }
        })
    }
}

impl Budgets for Fake {
    fn take(&self, _: &Agent, tool: Option<Named<'_>>) -> Result<(), Spent> {
        let left = self.budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => {
                self.taken.lock().unwrap().push(tool.map(|tool| tool.name.to_owned()));
                Ok(())
            }
            Err(_) => {
                Err(Spent { retry_after: Duration::from_millis(11_500), rule: "2 calls a minute".to_owned() })
            }
        }
    }
}

impl ToolBook for Fake {
    fn known(&self) -> Arc<KnownTools> {
        Arc::clone(&self.known.lock().unwrap())
    }
    /// The first whole list is accepted; what comes later is held.
    fn listed<'a>(
        &'a self,
        tools: &'a [(String, Value)],
        whole: bool,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        let names = tools.iter().map(|(name, _)| name.clone()).collect();
        self.lists.lock().unwrap().push((names, whole));
        let mut known = self.known.lock().unwrap();
        let mut next = KnownTools::clone(&known);
        for (name, tool) in tools {
            let digest = definition_digest(tool);
            next = next.listed(name, digest);
            if whole && !known.is_complete() {
                next = next.accepted(name, digest);
            }
        }
        *known = Arc::new(next.complete(whole || known.is_complete()));
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Seals for Fake {
    fn seal(&self, purpose: &'static str, holder: &[u8], plain: &[u8]) -> String {
        let nonce = self.fresh();
        let tag = Digest::of(&[b"key", purpose.as_bytes(), holder, nonce.as_bytes(), plain].join(&b'|'));
        format!("{nonce}.{}.{}", base64url::encode(plain), base64url::encode(&tag.as_bytes()[..16]))
    }
    fn open(&self, purpose: &'static str, holder: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_once('.')?;
        let (plain, tag) = rest.split_once('.')?;
        let plain = base64url::decode(plain)?;
        let own = Digest::of(&[b"key", purpose.as_bytes(), holder, nonce.as_bytes(), &plain].join(&b'|'));
        (base64url::encode(&own.as_bytes()[..16]) == tag).then_some(plain)
    }
    fn fresh(&self) -> String {
        format!("fresh{}", self.fresh.fetch_add(1, Ordering::SeqCst))
    }
}
