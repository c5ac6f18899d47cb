//! The trail, in front of a store in memory.

use std::task::Poll;

use portcullis_rules::audit::AuditQuery;
use portcullis_rules::model::{PasswordHash, User};
use portcullis_store::memory;

use super::*;
use crate::app;

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

#[tokio::test]
async fn t_caps_an_agent_that_goes_on_over_its_limit_costs_two_rows_a_minute() {
    let trail = trail().await;
    for agent in ["one", "other"] {
        for _ in 0..1000 {
            let row = called("x");
            if trail.is_first_over_its_limit(AgentKey(agent.into()), &row) {
                trail.gather(row);
            }
        }
    }
    trail.count_refusals(true);
    assert!(trail.write().await);
    let query = AuditQuery { most: 100, newest_first: false, ..AuditQuery::default() };
    let rows = trail.store.audit(query).await.unwrap();
    let counts: Vec<_> = rows.iter().map(|row| row.entry.count).collect();
    assert_eq!(counts, [None, None, Some(999), Some(999)]);
}
