//! Clients cut off together: one, or all of a host.

use portcullis_rules::model::{EndReason, Grant, GrantState, Subject};
use portcullis_rules::verdict::{ClientsOf, Write};
use portcullis_wire::id::ClientId;

use crate::World;
use crate::given::*;

fn of(n: u64, client: &str, subject: Subject) -> Write {
    let client = ClientId::parse(client).unwrap();
    Write::AddGrant(Grant { client, subject, ..grant(n) })
}

pub(crate) async fn clients_of_a_host_are_cut_off_and_no_others(make: fn() -> World) {
    let world = make();
    let person = Subject::Person(user_id(0));
    let clients = [
        ("https://a.example/one", true),
        ("https://a.example:8443/two", true),
        ("http://a.example/loopback-only", true),
        ("https://sub.a.example/x", false),
        ("https://a.example.evil/x", false),
        ("https://evil/https://a.example/", false),
        ("a.example", false),
    ];
    let mut writes: Vec<Write> =
        clients.iter().zip(0..).map(|((client, _), n)| of(n, client, person)).collect();
    writes.push(of(20, "https://a.example/one", Subject::Machine));
    world.store.commit(vec![], writes).await.unwrap();
    let cut =
        Write::CutOffClients(ClientsOf::Domain("a.example".to_owned()), EndReason::RevokedByAdmin, hours(1));
    let committed = world.store.commit(vec![], vec![cut]).await.unwrap();
    assert_eq!(committed.cuts.len(), 1);
    let state =
        async |n| world.store.grant_facts(grant_id(n), None, None).await.unwrap().grant.unwrap().state;
    for ((client, touched), n) in clients.iter().zip(0..) {
        let expected = if *touched { GrantState::Ended(EndReason::RevokedByAdmin) } else { GrantState::Live };
        assert_eq!(state(n).await, expected, "{client}");
    }
    assert_eq!(state(20).await, GrantState::Suspended, "a machine waits to be restored");
}

pub(crate) async fn one_client_is_cut_off_with_its_unspent_codes(make: fn() -> World) {
    let world = make();
    let person = Subject::Person(user_id(0));
    let mut theirs = code(0);
    theirs.client = client_id(1);
    let mut of_another = code(1);
    of_another.client = client_id(2);
    let writes = vec![
        of(0, client_id(1).as_str(), person),
        of(1, client_id(2).as_str(), person),
        Write::AddCode(theirs),
        Write::AddCode(of_another),
    ];
    world.store.commit(vec![], writes).await.unwrap();
    let at = code(0).expires_at - std::time::Duration::from_secs(1);
    let cut = Write::CutOffClients(ClientsOf::One(client_id(1)), EndReason::RevokedByAdmin, at);
    world.store.commit(vec![], vec![cut]).await.unwrap();
    for (n, is_there) in [(0, false), (1, true)] {
        let facts = world.store.code_facts(code_id(n), client_id(1 + n), None).await.unwrap();
        assert_eq!(facts.code.is_some(), is_there, "code {n}");
        let grant = world.store.grant_facts(grant_id(n), None, None).await.unwrap().grant.unwrap();
        assert_eq!(grant.state == GrantState::Live, is_there, "grant {n}");
    }
}
