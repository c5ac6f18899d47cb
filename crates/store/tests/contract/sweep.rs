//! Forgetting: what is over, in bounded batches, and nothing else.

use portcullis_rules::approve::Approval;
use portcullis_rules::model::{CutTarget, EndReason, Tip};
use portcullis_rules::verdict::Write;
use portcullis_store::Swept;
use portcullis_wire::id::ClientId;

use crate::World;
use crate::given::*;
use crate::picture::picture;

fn entered() -> Vec<Write> {
    let mut family = grant(0);
    family.tip = Some(Tip { current: digest("tip", 1), previous: Some(previous(0, hours(3))) });
    vec![
        Write::Spend { digest: digest("once", 0), until: hours(2) },
        Write::Spend { digest: digest("once", 1), until: hours(30) },
        Write::AddCode(code(0)),
        Write::OpenSession(session(0, 0)),
        Write::AddApproval(approval(0)),
        Write::AddApproval(Approval { call: digest("call", 9), expires_at: hours(26), ..approval(1) }),
        Write::SeeTool { resource: resource(0), tool: tool(0, 0), accept: true, at: hours(1) },
        Write::SeeTool { resource: resource(0), tool: tool(1, 0), accept: true, at: hours(1) },
        Write::LoseTool(resource(0), "tool-1".to_owned(), hours(26)),
        Write::BeginBook(resource(0), hours(1)),
        Write::AddUses(vec![used(0, 1), used(1, 2)]),
        Write::AddUser(user(0)),
        Write::AddGrant(family),
        Write::PutClient(client(0)),
        Write::PutClient(client(1)),
        Write::PutClient(client(2)),
        Write::Cut(CutTarget::Key("kid-0".to_owned()), hours(2)),
        Write::Cut(CutTarget::Key("kid-1".to_owned()), hours(4)),
    ]
}

pub(crate) async fn what_is_over_is_forgotten_and_nothing_else(make: fn() -> World) {
    let world = make();
    world.store.commit(vec![], entered()).await.unwrap();
    let before = picture(&*world.store).await;
    let swept = world.store.sweep(hours(1), hours(2), 9).await.unwrap();
    assert_eq!(swept, Swept::default());
    assert_eq!(picture(&*world.store).await, before, "nothing is over yet");

    let swept = world.store.sweep(hours(26), hours(3), 9).await.unwrap();
    let expected = Swept {
        spent: 1,
        codes: 1,
        sessions: 1,
        clients: 1,
        cuts: 1,
        sealed: 1,
        approvals: 1,
        ..Swept::default()
    };
    assert_eq!(swept, expected);
    assert!(!swept.more());
    let after = picture(&*world.store).await;
    assert_eq!(
        after.clients,
        [client(2), client(0)],
        "the one with a living grant stays, and the entered one"
    );
    assert_eq!(after.cuts.0, 2, "the counter never goes back");
    assert_eq!(after.cuts.1.len(), 1);
    assert!(after.codes.iter().all(|(code, ..)| code.is_none()));
    let row = after.grants[0].0.as_ref().unwrap();
    assert_eq!(row.tip, Some(Tip { current: digest("tip", 1), previous: None }));
    assert_eq!(world.store.sweep(hours(26), hours(3), 9).await.unwrap(), Swept::default());

    let end = Write::EndGrant { grant: grant_id(0), reason: EndReason::Idle, at: hours(26) };
    world.store.commit(vec![], vec![end]).await.unwrap();
    assert_eq!(world.store.sweep(hours(26), hours(3), 9).await.unwrap().clients, 1);
}

pub(crate) async fn tools_and_uses_are_forgotten_after_a_month_and_a_book_never(make: fn() -> World) {
    let world = make();
    world.store.commit(vec![], entered()).await.unwrap();
    let month = 24 * 31;
    let swept = world.store.sweep(hours(month), hours(0), 9).await.unwrap();
    assert_eq!((swept.tools, swept.uses), (0, 0));
    let swept = world.store.sweep(hours(month + 3), hours(0), 9).await.unwrap();
    assert_eq!((swept.tools, swept.uses), (1, 1));
    let book = world.store.tools(resource(0)).await.unwrap();
    assert_eq!(book.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["tool-0"]);
    assert_eq!(book.begun_at, Some(hours(1)), "or a new tool would pass for one of the first list");
    assert_eq!(world.store.uses(hours(0)).await.unwrap(), [used(1, 2)]);
}

pub(crate) async fn unused_clients_go_oldest_first_beyond_the_cap(make: fn() -> World) {
    let world = make();
    let mut writes: Vec<Write> = (0..8).map(|n| Write::PutClient(client(n))).collect();
    let mut used = grant(0);
    used.client = client_id(3);
    writes.push(Write::AddGrant(used));
    world.store.commit(vec![], writes).await.unwrap();
    for (cap, gone, left) in [
        (9, 0, vec![7, 6, 5, 4, 3, 2, 1, 0]),
        (6, 0, vec![7, 6, 5, 4, 3, 2, 1, 0]),
        (3, 3, vec![7, 6, 5, 3, 2]),
        (0, 3, vec![3, 2]),
    ] {
        let swept = world.store.sweep(hours(0), hours(0), cap).await.unwrap();
        assert_eq!(swept, Swept { clients: gone, ..Swept::default() }, "cap {cap}");
        let clients = world.store.clients(None, 99).await.unwrap();
        let expected: Vec<_> = left.into_iter().map(client).collect();
        assert_eq!(clients, expected, "cap {cap}");
    }
}

pub(crate) async fn a_sweep_is_bounded(make: fn() -> World) {
    let world = make();
    let mut writes = Vec::new();
    for n in 0..1100 {
        writes.push(Write::Spend { digest: digest("once", n), until: hours(1) });
        let mut client = client(0);
        client.id = ClientId::parse(&format!("many-{n}")).unwrap();
        writes.push(Write::PutClient(client));
    }
    world.store.commit(vec![], writes).await.unwrap();
    for (count, more) in [(500, true), (500, true), (100, false)] {
        let swept = world.store.sweep(hours(50), hours(0), 0).await.unwrap();
        assert_eq!(swept, Swept { spent: count, clients: count, ..Swept::default() });
        assert_eq!(swept.more(), more);
    }
}
