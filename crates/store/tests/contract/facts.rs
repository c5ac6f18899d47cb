//! Facts and lists: what is asked for, whole, and from one moment.

use std::sync::Arc;

use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::facts::AgentQuery;
use portcullis_rules::model::{EndReason, GrantState, KeyState, Origin, Subject, Tip};
use portcullis_rules::verdict::Write;
use portcullis_store::BrowserAsk;

use crate::World;
use crate::given::*;

async fn with(make: fn() -> World, writes: Vec<Write>) -> World {
    let world = make();
    world.store.commit(vec![], writes).await.unwrap();
    world
}

pub(crate) async fn browser_facts_hold_the_session_its_digest_names(make: fn() -> World) {
    let mut of_another_client = grant(2);
    of_another_client.client = client_id(1);
    let mut of_another_person = grant(3);
    of_another_person.subject = Subject::Person(user_id(1));
    let mut ended = grant(4);
    ended.state = GrantState::Ended(EndReason::Idle);
    let grants = [grant(1), grant(0), of_another_client, of_another_person, ended, machine(5)];
    let mut writes = vec![Write::AddUser(user(0)), Write::AddUser(user(1)), Write::PutClient(client(0))];
    writes.push(Write::OpenSession(session(0, 0)));
    writes.push(Write::OpenSession(session(1, 2)));
    writes.push(Write::Spend { digest: digest("ticket", 0), until: hours(1) });
    writes.extend(grants.map(Write::AddGrant));
    let world = with(make, writes).await;
    let right = Some((session_id(0), digest("session", 0)));
    for (name, client, session, ticket, signed_in, grants, spent) in [
        ("all", Some(0), right, Some(0), true, vec![grant_id(0), grant_id(1)], true),
        ("no client", None, right, None, true, vec![], false),
        ("unknown client", Some(3), right, Some(1), true, vec![], false),
        ("no session", Some(0), None, None, false, vec![], false),
        (
            "cookie of another",
            Some(0),
            Some((session_id(0), digest("session", 1))),
            None,
            false,
            vec![],
            false,
        ),
        ("unknown session", Some(0), Some((session_id(3), digest("session", 3))), None, false, vec![], false),
        ("person removed", Some(0), Some((session_id(1), digest("session", 1))), None, false, vec![], false),
    ] {
        let ask = BrowserAsk {
            client: client.map(client_id),
            session,
            ticket: ticket.map(|n| digest("ticket", n)),
        };
        let facts = world.store.browser_facts(ask).await.unwrap();
        assert_eq!(facts.client.is_some(), client == Some(0), "{name}");
        assert_eq!(facts.session.is_some(), signed_in, "{name}");
        assert_eq!(facts.grants.iter().map(|grant| grant.id).collect::<Vec<_>>(), grants, "{name}");
        assert_eq!((facts.spent, facts.has_users), (spent, true), "{name}");
    }
}

pub(crate) async fn code_and_grant_facts_are_whole(make: fn() -> World) {
    let writes = vec![
        Write::AddUser(user(0)),
        Write::PutClient(client(0)),
        Write::PutClient(client(1)),
        Write::AddCode(code(0)),
        Write::AddGrant(grant(0)),
        Write::AddGrant(machine(1)),
        Write::Spend { digest: digest("once", 0), until: hours(1) },
    ];
    let world = with(make, writes).await;
    let facts = world.store.code_facts(code_id(0), client_id(1), Some(digest("once", 0))).await.unwrap();
    assert_eq!(facts.code, Some(code(0)));
    assert_eq!(facts.client, Some(client(1)), "the one that presents it, not the code's own");
    assert_eq!((facts.user, facts.spent, facts.rev), (Some(user(0)), true, 0));
    assert!(!facts.is_alive, "it was not redeemed");
    let facts = world.store.code_facts(code_id(1), client_id(3), None).await.unwrap();
    assert!(facts.code.is_none() && facts.client.is_none() && facts.user.is_none() && !facts.spent);
    let facts =
        world.store.grant_facts(grant_id(0), Some(client_id(1)), Some(digest("once", 1))).await.unwrap();
    assert_eq!((facts.grant, facts.client), (Some(grant(0)), Some(client(1))));
    assert_eq!((facts.user, facts.spent), (Some(user(0)), false));
    let facts = world.store.grant_facts(grant_id(1), None, None).await.unwrap();
    assert_eq!((facts.grant, facts.client, facts.user), (Some(machine(1)), None, None));
    let end = Write::EndGrant { grant: grant_id(0), reason: EndReason::CodeReplayed, at: hours(1) };
    for (write, is_alive) in [(Write::SpendCode(code_id(0), grant_id(0)), true), (end, false)] {
        world.store.commit(vec![], vec![write]).await.unwrap();
        let facts = world.store.code_facts(code_id(0), client_id(1), None).await.unwrap();
        assert_eq!(facts.is_alive, is_alive);
    }
}

pub(crate) async fn a_machine_has_one_grant_at_a_resource(make: fn() -> World) {
    let writes = vec![Write::PutClient(client(0)), Write::AddGrant(machine(0)), Write::AddGrant(grant(1))];
    let world = with(make, writes).await;
    let ask = || world.store.machine_facts(client_id(0), resource(0), None);
    assert_eq!(ask().await.unwrap().grant, Some(machine(0)));
    assert!(world.store.machine_facts(client_id(0), resource(1), None).await.unwrap().grant.is_none());
    world.store.commit(vec![], vec![Write::SuspendGrant(grant_id(0), hours(2))]).await.unwrap();
    assert_eq!(ask().await.unwrap().grant.map(|grant| grant.state), Some(GrantState::Suspended));
    let reason = EndReason::RevokedByAdmin;
    let end = Write::EndGrant { grant: grant_id(0), reason, at: hours(3) };
    world.store.commit(vec![], vec![end]).await.unwrap();
    assert!(ask().await.unwrap().grant.is_none());
}

pub(crate) async fn setup_facts_hold_the_one_link(make: fn() -> World) {
    let world = with(make, vec![Write::PutSetupLink(link(0))]).await;
    let facts = world.store.setup_facts(Some(link_number(0))).await.unwrap();
    assert_eq!((facts.link, facts.user, facts.has_local_users), (Some(link(0)), None, false));
    assert!(world.store.setup_facts(None).await.unwrap().link.is_none());
    let writes = vec![Write::AddUser(user(0)), Write::PutSetupLink(link(1))];
    world.store.commit(vec![], writes).await.unwrap();
    assert!(world.store.setup_facts(Some(link_number(0))).await.unwrap().link.is_none());
    let facts = world.store.setup_facts(Some(link_number(1))).await.unwrap();
    assert_eq!((facts.link, facts.user, facts.has_local_users), (Some(link(1)), Some(user(0)), true));
}

pub(crate) async fn a_client_entered_again_is_brought_up_to_date(make: fn() -> World) {
    let mut off = client(0);
    off.enabled = false;
    let world = with(make, vec![Write::PutClient(off.clone())]).await;
    let mut new = client(0);
    new.origin = Origin::Preregistered;
    new.metadata.name = "Another name".to_owned();
    new.secret = Some(digest("secret", 7));
    new.ceiling = Some(scopes("a"));
    new.introspects = Some(resource(1));
    new.created_at = hours(20);
    for (name, asked, expected) in [
        ("not shortened", Some(hours(2)), Some(hours(24))),
        ("put off", Some(hours(90)), Some(hours(90))),
        ("for ever", None, None),
        ("still for ever", Some(hours(2)), None),
    ] {
        new.expires_at = asked;
        world.store.commit(vec![], vec![Write::PutClient(new.clone())]).await.unwrap();
        let mut row = new.clone();
        (row.origin, row.enabled, row.created_at) = (off.origin, off.enabled, off.created_at);
        row.expires_at = expected;
        assert_eq!(world.store.client(client_id(0)).await.unwrap(), Some(row), "{name}");
    }
    let keep = Write::KeepClient { client: client_id(0), until: hours(91) };
    world.store.commit(vec![], vec![keep]).await.unwrap();
    assert_eq!(world.store.client(client_id(0)).await.unwrap().and_then(|row| row.expires_at), None);
}

pub(crate) async fn lists_are_newest_first_and_bounded(make: fn() -> World) {
    let mut writes: Vec<Write> = (0..4).map(|n| Write::PutClient(client(n))).collect();
    writes.extend([3, 1, 0].map(|n| Write::AddUser(user(n))));
    writes.extend([1, 0].map(|n| Write::AddKey(key(n))));
    writes.extend((0..4).map(|n| Write::Audit(Event::new(EventKind::SignedIn, hours(9 - n)))));
    writes.extend([2, 0, 3].map(|n| Write::AddGrant(grant(n))));
    let world = with(make, writes).await;
    for (origin, most, expected) in [
        (None, 9, vec![3, 2, 1, 0]),
        (None, 2, vec![3, 2]),
        (None, 0, vec![]),
        (Some(Origin::Registered), 9, vec![3, 0]),
        (Some(Origin::Registered), 1, vec![3]),
        (Some(Origin::Document), 9, vec![1]),
    ] {
        let clients = world.store.clients(origin, most).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(client).collect();
        assert_eq!(clients, expected, "{origin:?} {most}");
    }
    assert_eq!(world.store.users().await.unwrap(), [user(0), user(1), user(3)]);
    assert_eq!(world.store.keys().await.unwrap(), [key(0), key(1)]);
    let times: Vec<_> = world.store.events(3).await.unwrap().iter().map(|event| event.at).collect();
    assert_eq!(times, [hours(6), hours(7), hours(8)], "as they were written, not as they are dated");
    for (most, expected) in [(9, vec![3, 2, 0]), (2, vec![3, 2]), (0, vec![])] {
        let rows = world.store.agents(AgentQuery { most, ..AgentQuery::default() }).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.grant.id).collect();
        assert_eq!(ids, expected.into_iter().map(grant_id).collect::<Vec<_>>(), "{most}");
    }
}

pub(crate) async fn agents_are_found_by_person_client_resource_and_id(make: fn() -> World) {
    let mut elsewhere = grant(1);
    (elsewhere.client, elsewhere.resource) = (client_id(1), resource(1));
    let mut ended = grant(2);
    ended.state = GrantState::Ended(EndReason::Idle);
    let mut machines = machine(3);
    machines.state = GrantState::Suspended;
    let mut writes = vec![Write::AddUser(user(0)), Write::PutClient(client(0))];
    writes.extend([grant(0), elsewhere, ended, machines].map(Write::AddGrant));
    let world = with(make, writes).await;
    let all = AgentQuery { most: 9, ..AgentQuery::default() };
    for (name, query, expected) in [
        ("all that live", all.clone(), vec![3, 1, 0]),
        ("ended too", AgentQuery { ended: true, ..all.clone() }, vec![3, 2, 1, 0]),
        ("of a person", AgentQuery { user: Some(user_id(0)), ..all.clone() }, vec![1, 0]),
        ("of nobody", AgentQuery { user: Some(user_id(1)), ended: true, ..all.clone() }, vec![]),
        ("of a client", AgentQuery { client: Some(client_id(1)), ..all.clone() }, vec![1]),
        ("at a resource", AgentQuery { resource: Some(resource(0)), ..all.clone() }, vec![3, 0]),
        ("an ended one", AgentQuery { id: Some(grant_id(2)), ..all.clone() }, vec![]),
        ("that one", AgentQuery { id: Some(grant_id(2)), ended: true, ..all }, vec![2]),
    ] {
        let rows = world.store.agents(query).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.grant.id).collect();
        assert_eq!(ids, expected.into_iter().map(grant_id).collect::<Vec<_>>(), "{name}");
        for row in rows {
            assert_eq!(row.client.is_some(), row.grant.client == client_id(0), "{name}");
            assert_eq!(row.user_name.is_some(), row.grant.subject != Subject::Machine, "{name}");
        }
    }
}

/// One writer always changes the counter and a password together; no reader ever sees one without the other.
pub(crate) async fn facts_of_one_call_come_from_one_snapshot(make: fn() -> World) {
    use portcullis_rules::model::{CutTarget, PasswordHash};
    let world = with(make, vec![Write::AddUser(user(0)), Write::AddGrant(grant(0))]).await;
    let store = Arc::clone(&world.store);
    let writer = tokio::spawn(async move {
        for n in 1..=200 {
            let cut = Write::Cut(CutTarget::Person(user_id(0)), hours(n));
            let password = Write::SetPassword(user_id(0), PasswordHash::new(n.to_string()));
            store.commit(vec![], vec![cut, password]).await.unwrap();
        }
    });
    let mut seen = 0;
    while seen < 200 {
        let facts = world.store.grant_facts(grant_id(0), None, None).await.unwrap();
        let password = facts.user.unwrap().password.unwrap();
        assert!(facts.rev == 0 || password.expose() == facts.rev.to_string());
        assert!(facts.rev >= seen, "what was seen once stays seen");
        seen = facts.rev;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

pub(crate) async fn rows_read_back_as_they_were_written(make: fn() -> World) {
    let mut full = grant(1);
    full.label = Some("Büro – 一".to_owned());
    full.scopes = (0..500).map(|n| scopes(&format!("s{n}"))).fold(scopes(""), |all, one| all.union(&one));
    full.tip = Some(Tip { current: digest("tip", 1), previous: Some(previous(0, hours(3))) });
    let mut bare = machine(2);
    bare.scopes = scopes("");
    bare.state = GrantState::Suspended;
    let mut spent = code(3);
    spent.spent = Some(grant_id(3));
    spent.replaces = Some(grant_id(2));
    let mut active = key(1);
    active.state = KeyState::Revoked;
    let event = Event::new(EventKind::ConsentGiven, hours(4))
        .user(user_id(3))
        .client(&client_id(1))
        .grant(grant_id(2))
        .access(&resource(1), &scopes("b a"))
        .reason("a reason no list knows");
    let mut writes = vec![
        Write::AddGrant(full.clone()),
        Write::AddGrant(bare.clone()),
        Write::AddCode(spent.clone()),
        Write::AddKey(active.clone()),
        Write::Audit(event.clone()),
    ];
    writes.extend((0..4).map(|n| Write::PutClient(client(n))));
    let world = with(make, writes).await;
    for row in [full, bare] {
        assert_eq!(world.store.grant_facts(row.id, None, None).await.unwrap().grant, Some(row));
    }
    assert_eq!(world.store.code_facts(spent.id, client_id(0), None).await.unwrap().code, Some(spent));
    assert_eq!(world.store.keys().await.unwrap(), [active]);
    assert_eq!(world.store.events(9).await.unwrap(), [event]);
    for n in 0..4 {
        assert_eq!(world.store.client(client_id(n)).await.unwrap(), Some(client(n)));
    }
}

pub(crate) async fn sessions_end_one_by_one_or_together(make: fn() -> World) {
    let mut before = vec![Write::AddUser(user(0)), Write::AddUser(user(1))];
    before.extend([(0, 0), (1, 0), (2, 0), (3, 1)].map(|(n, of)| Write::OpenSession(session(n, of))));
    for (name, write, left) in [
        ("one", Write::EndSession(session_id(1)), vec![0, 2, 3]),
        ("all but one", Write::EndSessionsOf(user_id(0), Some(session_id(1))), vec![1, 3]),
        ("all", Write::EndSessionsOf(user_id(0), None), vec![3]),
        ("with the account", Write::RemoveUser(user_id(0)), vec![3]),
    ] {
        let world = with(make, before.clone()).await;
        world.store.commit(vec![], vec![write]).await.unwrap();
        for n in 0..4 {
            let session = Some((session_id(n), digest("session", n)));
            let facts =
                world.store.browser_facts(BrowserAsk { session, ..BrowserAsk::default() }).await.unwrap();
            assert_eq!(facts.session.is_some(), left.contains(&n), "{name}: session {n}");
        }
    }
}

/// A grant seen again: time never goes back, and what it replaced is forgotten.
pub(crate) async fn a_grant_is_touched_rotated_and_restored(make: fn() -> World) {
    let world = with(make, vec![Write::AddGrant(grant(1)), Write::AddGrant(machine(0))]).await;
    let row = async |n| world.store.grant_facts(grant_id(n), None, None).await.unwrap().grant.unwrap();
    let (tip, next) = (digest("tip", 0), digest("tip", 1));
    let rotate = |from, to, previous, at| Write::Advance { grant: grant_id(1), from, to, previous, at };
    let kept = Some(previous(0, hours(6)));
    world.store.commit(vec![], vec![rotate(tip, next, kept.clone(), hours(5))]).await.unwrap();
    let seen = row(1).await;
    assert_eq!((seen.last_used_at, seen.replaces), (hours(5), Some(grant_id(0))));
    assert_eq!(seen.tip, Some(Tip { current: next, previous: kept }));
    world.store.commit(vec![], vec![Write::TouchGrant(grant_id(1), hours(4))]).await.unwrap();
    let seen = row(1).await;
    assert_eq!((seen.last_used_at, seen.replaces), (hours(5), None));
    world.store.commit(vec![], vec![Write::TouchGrant(grant_id(1), hours(7))]).await.unwrap();
    assert_eq!(row(1).await.last_used_at, hours(7));
    world.store.commit(vec![], vec![rotate(next, tip, None, hours(6))]).await.unwrap();
    let seen = row(1).await;
    assert_eq!(seen.last_used_at, hours(7));
    assert_eq!(seen.tip, Some(Tip { current: tip, previous: None }));
    for (write, state) in [
        (Write::SuspendGrant(grant_id(0), hours(8)), GrantState::Suspended),
        (Write::RestoreGrant(grant_id(0)), GrantState::Live),
    ] {
        world.store.commit(vec![], vec![write]).await.unwrap();
        assert_eq!(row(0).await.state, state);
    }
}
