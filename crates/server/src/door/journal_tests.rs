//! The trail, in front of a store in memory.

use std::task::Poll;

use portcullis_gateway::ports::Decision;
use portcullis_rules::audit::{AuditQuery, Entry};
use portcullis_rules::model::{PasswordHash, User};
use portcullis_store::memory;

use super::*;
use crate::app;
use crate::door::fold::FOLDS;

struct Frozen;
impl Clock for Frozen {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(1_800_000_000)
    }
}

fn ann() -> User {
    let hash = PasswordHash::new("$argon2id$".to_owned());
    User::new(UserId::from_number(7), "Ann".to_owned(), Some(hash), Frozen.now())
}

async fn trail() -> Trail {
    let store = Arc::new(memory());
    store.commit(Vec::new(), vec![Write::AddUser(ann())]).await.unwrap();
    Trail::new(store, Arc::new(Frozen), AuditSettings::default())
}

fn called(values: &str) -> Event {
    Event::new(EventKind::ToolCalled, Frozen.now()).user(ann().id).person(Personal {
        name: None,
        arguments: None,
        values: Some(values.to_owned()),
    })
}

async fn rows(trail: &Trail) -> Vec<(String, Option<Personal>)> {
    let query = AuditQuery { most: 100, newest_first: false, ..AuditQuery::default() };
    let rows = trail.store.audit(query).await.unwrap();
    rows.into_iter().map(|row| (row.entry.kind, row.person.map(|side| side.person))).collect()
}

async fn erase(trail: &Trail) -> Result<(), app::Unavailable> {
    let writes = vec![Write::RemoveUser(ann().id), Write::ErasePerson(ann().id)];
    let erase =
        async { trail.store.commit(Vec::new(), writes).await.map(drop).map_err(|_| app::Unavailable) };
    trail.erasing(ann().id, erase).await
}

#[tokio::test]
async fn t_audit_a_call_that_ends_after_its_person_was_erased_tells_nothing_of_them() {
    let trail = trail().await;
    trail.gather(called("before"));
    assert!(trail.write().await);
    let named = Some(Personal { name: Some("Ann".into()), arguments: None, values: Some("before".into()) });
    assert_eq!(rows(&trail).await, [("tool_called".to_owned(), named)]);
    trail.gather(called("gathered before"));
    erase(&trail).await.unwrap();
    trail.gather(called("after"));
    assert!(trail.write().await);
    let rows = rows(&trail).await;
    assert_eq!(rows.len(), 3, "every call has its row");
    assert!(rows.iter().all(|(_, person)| person.is_none()), "{rows:?}");
}

#[tokio::test]
async fn w19_rows_on_their_way_are_not_lost_when_whoever_writes_them_is_stopped() {
    let trail = trail().await;
    for word in ["1", "2", "3"] {
        trail.gather(called(word));
    }
    {
        let mut batch = Batch::take(&trail);
        assert_eq!((batch.rows.len(), trail.gathered().rows.len()), (3, 0));
        trail.gather(called("4"));
        // The first of them has gone; the others go back before what came since.
        batch.rows.remove(0);
    }
    assert!(trail.write().await);
    let values: Vec<_> = rows(&trail).await.into_iter().filter_map(|(_, person)| person?.values).collect();
    assert_eq!(values, ["2", "3", "4"]);
}

#[tokio::test]
async fn t_audit_nothing_is_written_while_a_person_is_being_erased() {
    let trail = trail().await;
    let (_turn, _alone) = (trail.writing.lock().await, trail.erasing.write().await);
    trail.gather(called("waits"));
    let mut write = std::pin::pin!(trail.write());
    let polled = std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_pending())).await;
    assert!(polled && rows(&trail).await.is_empty());
}

fn refuse(trail: &Trail, agent: u64, tool: &str, decision: Decision) {
    let grant = GrantId::from_number(agent);
    let row = called("x").grant(grant).call(CallFacts {
        request: Some("one of many".into()),
        method: "tools/call".into(),
        name: Some(tool.into()),
        decision: decision.as_str().into(),
        rule: Some("a rule".into()),
        latency: Some(Duration::ZERO),
        ..CallFacts::default()
    });
    trail.gather_some(&AgentKey(grant.to_string().into()), row);
}

async fn entries(trail: &Trail) -> Vec<Entry> {
    trail.count_refusals(true);
    assert!(trail.write().await);
    let query = AuditQuery { most: 1000, newest_first: false, ..AuditQuery::default() };
    trail.store.audit(query).await.unwrap().into_iter().map(|row| row.entry).collect()
}

#[tokio::test]
async fn t_caps_an_agent_that_goes_on_over_its_limit_costs_two_rows_a_minute() {
    let trail = trail().await;
    for agent in [1, 2] {
        for _ in 0..1000 {
            refuse(&trail, agent, "t", Decision::Limited);
        }
    }
    let counts: Vec<_> = entries(&trail).await.iter().map(|entry| entry.count).collect();
    assert_eq!(counts, [None, None, Some(999), Some(999)]);
}

#[tokio::test]
async fn t_flood_what_an_agent_is_refused_over_and_over_is_told_at_first_and_then_counted() {
    let trail = trail().await;
    for number in 0..10_000 {
        refuse(&trail, 1, &format!("invented-{number}"), Decision::Hidden);
        refuse(&trail, 1, "delete_note", Decision::ScopeLacking);
    }
    refuse(&trail, 2, "other", Decision::Hidden);
    let entries = entries(&trail).await;
    assert!(entries.len() <= 30, "{}", entries.len());
    let of = |agent: u64, decision: Decision| -> Vec<&Entry> {
        let agent = Some(GrantId::from_number(agent));
        let decision = Some(decision.as_str());
        entries.iter().filter(|row| row.agent == agent && row.decision.as_deref() == decision).collect()
    };
    for (decision, name) in [(Decision::Hidden, None), (Decision::ScopeLacking, Some("delete_note"))] {
        let rows = of(1, decision);
        assert_eq!(rows.iter().map(|row| row.count.unwrap_or(1)).sum::<i64>(), 10_000);
        let [counted] = rows.iter().filter(|row| row.count.is_some()).collect::<Vec<_>>()[..] else {
            panic!("{rows:?}")
        };
        assert_eq!((counted.kind.as_str(), counted.user), ("tool_called", Some(ann().id)));
        assert_eq!((counted.name.as_deref(), counted.rule.as_deref()), (name, Some("a rule")));
        assert!(counted.request.is_none() && counted.latency.is_none(), "{counted:?}");
        let told = rows.iter().filter(|row| row.count.is_none());
        assert!(told.clone().count() >= 10 && told.clone().all(|row| row.name.is_some()));
    }
    assert_eq!(of(2, Decision::Hidden)[0].name.as_deref(), Some("other"), "another agent has its own");
}

#[tokio::test]
async fn t_flood_a_token_asked_for_over_and_over_is_told_at_first_and_then_counted() {
    let trail = trail().await;
    let row = |kind| Event::new(kind, Frozen.now()).user(ann().id).grant(GrantId::from_number(1));
    let mut told = 0;
    for number in 0..1000 {
        let mut writes =
            vec![Write::Audit(row(EventKind::RefreshRetried)), Write::Audit(row(EventKind::GrantEnded))];
        let folded = trail.fold(&mut writes);
        assert!(
            writes
                .iter()
                .any(|write| matches!(write, Write::Audit(row) if row.kind == EventKind::GrantEnded))
        );
        told += writes.len() - 1;
        // Every fourth met a conflict, and changed nothing.
        if number >= 100 && number % 4 == 0 {
            folded.forget();
        }
    }
    let entries = entries(&trail).await;
    let [counted] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((counted.kind.as_str(), counted.agent), ("refresh_retried", Some(GrantId::from_number(1))));
    assert_eq!(told, 10);
    assert_eq!(counted.count, Some(1000 - 225 - 10));
}

#[tokio::test]
async fn t_flood_with_more_agents_than_are_told_apart_every_refusal_still_counts() {
    let trail = trail().await;
    let agents = FOLDS as u64 + 100;
    for agent in 0..agents {
        for _ in 0..2 {
            refuse(&trail, agent, "t", Decision::Limited);
        }
        if agent % 1000 == 0 {
            assert!(trail.write().await);
        }
    }
    trail.count_refusals(true);
    assert!(trail.write().await);
    assert_eq!(trail.store.audit_head().await.unwrap().seq, 2 * agents);
}
