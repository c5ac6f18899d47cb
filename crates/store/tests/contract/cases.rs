//! Every expectation and every write, held and in conflict.

use portcullis_rules::approve::{Approval, ApprovalState};
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::model::{CutTarget, EndReason, GrantState, KeyState, PasswordHash, User};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::{CommitError, Committed};

use crate::given::*;
use crate::picture::picture;
use crate::{World, providers};

/// A name, what was written before, and whether it holds then.
pub(crate) type Case<T> = (&'static str, Vec<Write>, T, bool);

fn end(n: u64) -> Write {
    Write::EndGrant { grant: grant_id(n), reason: EndReason::RevokedByPerson, at: hours(3) }
}

fn add_grant() -> Write {
    Write::AddGrant(grant(0))
}

fn suspended() -> Vec<Write> {
    vec![Write::AddGrant(machine(0)), Write::SuspendGrant(grant_id(0), hours(2))]
}

fn ended() -> Vec<Write> {
    vec![add_grant(), end(0)]
}

fn add_user() -> Write {
    Write::AddUser(user(0))
}

fn password_is(phc: &str) -> Expect {
    Expect::PasswordIs(user_id(0), PasswordHash::new(phc.to_owned()).digest())
}

fn disabled_client() -> Write {
    let mut client = client(0);
    client.enabled = false;
    Write::PutClient(client)
}

fn expectations() -> Vec<Case<Expect>> {
    let live = Expect::GrantLive(grant_id(0));
    let scoped = |text: &str| Expect::GrantScopes(grant_id(0), scopes(text));
    let session = Expect::SessionLive(session_id(0));
    let enabled = Expect::ClientEnabled(client_id(0));
    let acting = Expect::UserEnabled(user_id(0));
    let tip = Expect::TipIs(grant_id(0), digest("tip", 0));
    let open = || vec![Write::OpenSession(session_of(0))];
    vec![
        ("live grant", vec![add_grant()], live.clone(), true),
        ("no grant", vec![], live.clone(), false),
        ("ended grant", ended(), live.clone(), false),
        ("suspended grant", suspended(), live, false),
        ("those scopes", vec![add_grant()], scoped("mcp:tools"), true),
        ("more scopes", vec![add_grant()], scoped("mcp:resources mcp:tools"), false),
        ("no scopes", vec![add_grant()], scoped(""), false),
        ("scopes of no grant", vec![], scoped(""), false),
        ("client on", vec![Write::PutClient(client(0))], enabled.clone(), true),
        ("client off", vec![disabled_client()], enabled.clone(), false),
        ("no client", vec![Write::PutClient(client(1))], enabled, false),
        ("person on", vec![add_user()], acting.clone(), true),
        ("person off", vec![add_user(), Write::SetUserEnabled(user_id(0), false)], acting.clone(), false),
        ("no person", vec![], acting, false),
        ("that password", vec![add_user()], password_is("$argon2id$0"), true),
        ("another password", vec![add_user()], password_is("$argon2id$1"), false),
        ("password of nobody", vec![], password_is("$argon2id$0"), false),
        ("session", open(), session.clone(), true),
        ("session over", [open(), vec![Write::EndSession(session_id(0))]].concat(), session, false),
        ("nobody yet", vec![], Expect::NoLocalUsers, true),
        ("somebody", vec![add_user()], Expect::NoLocalUsers, false),
        (
            "only somebody of a provider",
            vec![Write::AddUser(User { password: None, ..user(0) })],
            Expect::NoLocalUsers,
            true,
        ),
        ("that tip", vec![add_grant()], tip.clone(), true),
        ("another tip", vec![add_grant()], Expect::TipIs(grant_id(0), digest("tip", 1)), false),
        ("no family", vec![Write::AddGrant(machine(0))], tip.clone(), false),
        ("tip of no grant", vec![], tip, false),
        ("in that group", vec![add_user()], in_group("staff"), true),
        ("in no such group", vec![add_user()], in_group("staf"), false),
        ("in another", vec![add_user()], in_group("a"), false),
        ("nobody in it", vec![], in_group("staff"), false),
        ("managed by that", vec![Write::PutClient(client(0))], managed(0), true),
        ("managed by another", vec![Write::PutClient(client(0))], managed(1), false),
        (
            "not managed",
            vec![Write::PutClient(client(3))],
            Expect::ManagedBy(client_id(3), digest("registration", 0)),
            false,
        ),
        ("no question open", vec![], open_below(1, 1), true),
        ("one open", vec![Write::AddApproval(approval(0))], open_below(1, 1), false),
        ("one open of two", vec![Write::AddApproval(approval(0))], open_below(2, 1), true),
        ("one that is over", vec![Write::AddApproval(approval(0))], open_below(1, 2), true),
        ("one answered", vec![Write::AddApproval(approval(0)), answer(0)], open_below(1, 1), true),
    ]
}

fn in_group(name: &str) -> Expect {
    Expect::UserInGroup(user_id(0), group(name))
}

fn managed(n: u64) -> Expect {
    Expect::ManagedBy(client_id(0), digest("registration", n))
}

fn open_below(below: usize, at: u64) -> Expect {
    Expect::ApprovalsOpen { grant: grant_id(0), below, at: hours(at) }
}

fn answer(n: u64) -> Write {
    Write::DecideApproval {
        id: approval_id(n),
        to: ApprovalState::Approved,
        at: hours(n + 1),
        expires_at: hours(n + 4),
    }
}

fn session_of(n: u64) -> portcullis_rules::model::Session {
    session(n, 0)
}

fn advance(from: u64) -> Write {
    let previous = Some(previous(0, hours(4)));
    Write::Advance {
        grant: grant_id(0),
        from: digest("tip", from),
        to: digest("tip", 9),
        previous,
        at: hours(3),
    }
}

fn regroup(from: u64, to: u64) -> Write {
    Write::SetGroups { user: user_id(0), from: groups(from), to: groups(to) }
}

fn want(from: u64, to: u64) -> Write {
    Write::SetWanted { grant: grant_id(0), from: wanted(from), to: wanted(to) }
}

fn ask(n: u64) -> Write {
    Write::AddApproval(approval(n))
}

fn spend_approval() -> Write {
    Write::SpendApproval(approval_id(0))
}

fn see(version: u64, accept: bool) -> Write {
    Write::SeeTool { resource: resource(0), tool: tool(0, version), accept, at: hours(version + 1) }
}

fn accept(version: u64) -> Write {
    let digest = digest("definition", version);
    Write::AcceptTool { resource: resource(0), name: "tool-0".to_owned(), digest, at: hours(5) }
}

fn lose() -> Write {
    Write::LoseTool(resource(0), "tool-0".to_owned(), hours(6))
}

pub(crate) fn writes() -> Vec<Case<Write>> {
    let spend = Write::Spend { digest: digest("once", 0), until: hours(1) };
    let keep = Write::KeepClient { client: client_id(0), until: hours(90) };
    let put = || Write::PutClient(client(0));
    let open = || Write::OpenSession(session_of(0));
    let mut namesake = user(1);
    namesake.name = "  PERSON   0 ".to_owned();
    let mut same_id = user(1);
    same_id.id = user_id(0);
    let spend_code = Write::SpendCode(code_id(0), grant_id(0));
    let mut elsewhere = machine(1);
    elsewhere.resource = resource(1);
    let moved = |from| Write::MoveKey { kid: "kid-0".into(), from, to: KeyState::Active, at: hours(5) };
    let restore = Write::RestoreGrant(grant_id(0));
    let widen = Write::SetGrantScopes(grant_id(0), scopes("a b c"));
    let label = Write::LabelGrant(grant_id(0), Some("Laptop “blue”".to_owned()));
    let suspend = Write::SuspendGrant(grant_id(0), hours(3));
    let touch = Write::TouchGrant(grant_id(1), hours(7));
    vec![
        ("spend", vec![], spend.clone(), true),
        ("spend again", vec![spend.clone()], spend, false),
        ("new client", vec![], put(), true),
        ("client again", vec![put()], put(), true),
        ("keep client", vec![put()], keep.clone(), true),
        ("keep no client", vec![], keep, false),
        ("remove client", vec![put()], Write::RemoveClient(client_id(0)), true),
        ("remove no client", vec![], Write::RemoveClient(client_id(0)), false),
        ("new account", vec![], add_user(), true),
        ("account of that id", vec![add_user()], Write::AddUser(same_id), false),
        ("account of that name, spelled otherwise", vec![add_user()], Write::AddUser(namesake), false),
        ("password", vec![add_user()], Write::SetPassword(user_id(0), PasswordHash::new("x".into())), true),
        ("password of nobody", vec![], Write::SetPassword(user_id(0), PasswordHash::new("x".into())), false),
        ("switch off", vec![add_user()], Write::SetUserEnabled(user_id(0), false), true),
        ("switch nobody off", vec![], Write::SetUserEnabled(user_id(0), false), false),
        ("remove account", vec![add_user(), open()], Write::RemoveUser(user_id(0)), true),
        ("remove nobody", vec![], Write::RemoveUser(user_id(0)), false),
        ("open session", vec![], open(), true),
        ("session of that number", vec![open()], open(), false),
        ("end session", vec![open()], Write::EndSession(session_id(0)), true),
        ("end no session", vec![], Write::EndSession(session_id(0)), true),
        ("end other sessions", vec![open()], Write::EndSessionsOf(user_id(0), Some(session_id(0))), true),
        ("end all sessions", vec![open()], Write::EndSessionsOf(user_id(0), None), true),
        ("new code", vec![], Write::AddCode(code(0)), true),
        ("code of that number", vec![Write::AddCode(code(0))], Write::AddCode(code(0)), false),
        ("redeem", vec![Write::AddCode(code(0))], spend_code.clone(), true),
        ("redeem again", vec![Write::AddCode(code(0)), spend_code.clone()], spend_code.clone(), false),
        ("redeem no code", vec![], spend_code, false),
        ("new grant", vec![], add_grant(), true),
        ("grant of that number", vec![add_grant()], add_grant(), false),
        ("person's second grant at the resource", vec![add_grant()], Write::AddGrant(grant(1)), true),
        (
            "machine's second grant there",
            vec![Write::AddGrant(machine(0))],
            Write::AddGrant(machine(1)),
            false,
        ),
        ("machine's second, first suspended", suspended(), Write::AddGrant(machine(1)), false),
        ("machine's elsewhere", vec![Write::AddGrant(machine(0))], Write::AddGrant(elsewhere), true),
        (
            "machine's after an ended one",
            vec![Write::AddGrant(machine(0)), end(0)],
            Write::AddGrant(machine(1)),
            true,
        ),
        ("rotate", vec![add_grant()], advance(0), true),
        ("rotate twice", vec![add_grant(), advance(0)], advance(0), false),
        ("rotate an ended grant", ended(), advance(0), false),
        ("rotate no grant", vec![], advance(0), false),
        ("rotate no family", vec![Write::AddGrant(machine(0))], advance(0), false),
        ("end", vec![add_grant()], end(0), true),
        ("end twice", ended(), end(0), true),
        ("end nothing", vec![], end(0), true),
        ("end a suspended grant", suspended(), end(0), true),
        ("suspend", vec![Write::AddGrant(machine(0))], suspend.clone(), true),
        ("suspend twice", suspended(), suspend.clone(), true),
        ("suspend an ended one", vec![Write::AddGrant(machine(0)), end(0)], suspend.clone(), true),
        ("suspend nothing", vec![], suspend.clone(), true),
        ("suspend a person's", vec![add_grant()], suspend, false),
        ("restore", suspended(), restore.clone(), true),
        ("restore a live one", vec![Write::AddGrant(machine(0))], restore.clone(), false),
        ("restore an ended one", [suspended(), vec![end(0)]].concat(), restore, false),
        ("widen", vec![add_grant()], widen.clone(), true),
        ("widen an ended grant", ended(), widen.clone(), false),
        ("widen nothing", vec![], widen, false),
        ("label", vec![add_grant()], label.clone(), true),
        ("label nothing", vec![], label, false),
        ("touch", vec![Write::AddGrant(grant(1))], touch.clone(), true),
        ("touch nothing", vec![], touch, true),
        ("replaced", vec![Write::AddGrant(grant(1))], Write::Replaced(grant_id(1)), true),
        ("link", vec![Write::PutSetupLink(link(0))], Write::PutSetupLink(link(1)), true),
        ("use link", vec![Write::PutSetupLink(link(0))], Write::SpendSetupLink(link_number(0)), true),
        (
            "use an older link",
            vec![Write::PutSetupLink(link(0)), Write::PutSetupLink(link(1))],
            Write::SpendSetupLink(link_number(0)),
            false,
        ),
        ("use no link", vec![], Write::SpendSetupLink(link_number(0)), false),
        ("new key", vec![], Write::AddKey(key(0)), true),
        ("key of that id", vec![Write::AddKey(key(0))], Write::AddKey(key(0)), false),
        ("move key", vec![Write::AddKey(key(0))], moved(KeyState::Next), true),
        ("move key from elsewhere", vec![Write::AddKey(key(0))], moved(KeyState::Retired), false),
        ("move no key", vec![], moved(KeyState::Next), false),
        ("join", vec![add_user()], regroup(0, 1), true),
        ("join, seen otherwise", vec![add_user()], regroup(2, 1), false),
        ("join nobody", vec![], regroup(0, 1), false),
        ("want", vec![add_grant()], want(0, 2), true),
        ("want, seen otherwise", vec![add_grant()], want(1, 2), false),
        ("want nothing", vec![], want(0, 2), false),
        ("say otherwise", vec![put()], Write::UpdateClient(client_id(0), client(1).metadata), true),
        ("say for nobody", vec![], Write::UpdateClient(client_id(0), client(1).metadata), false),
        ("ask", vec![], ask(0), true),
        ("ask by that number", vec![ask(0)], ask(0), false),
        (
            "ask about that call",
            vec![Write::AddApproval(Approval { expires_at: hours(9), ..approval(0) })],
            ask(1),
            false,
        ),
        (
            "ask once it is over",
            vec![Write::AddApproval(Approval { expires_at: hours(1), ..approval(0) })],
            ask(1),
            true,
        ),
        ("ask once it is answered", vec![ask(0), answer(0)], ask(1), true),
        ("answer", vec![ask(0)], answer(0), true),
        ("answer twice", vec![ask(0), answer(0)], answer(0), false),
        (
            "answer late",
            vec![Write::AddApproval(Approval { expires_at: hours(1), ..approval(0) })],
            answer(0),
            false,
        ),
        ("answer nothing", vec![], answer(0), false),
        ("spend an approval", vec![ask(0), answer(0)], spend_approval(), true),
        ("spend it twice", vec![ask(0), answer(0), spend_approval()], spend_approval(), false),
        ("spend an open question", vec![ask(0)], spend_approval(), false),
        ("spend none", vec![], spend_approval(), false),
        ("begin a book", vec![], Write::BeginBook(resource(0), hours(1)), true),
        (
            "begin it twice",
            vec![Write::BeginBook(resource(0), hours(1))],
            Write::BeginBook(resource(0), hours(2)),
            false,
        ),
        ("see a tool", vec![], see(0, false), true),
        ("see it accepted", vec![], see(0, true), true),
        ("see it again", vec![see(0, true)], see(0, false), true),
        ("see it changed", vec![see(0, true)], see(1, false), true),
        ("see it come back", vec![see(0, true), lose()], see(0, false), true),
        ("accept", vec![see(0, false)], accept(0), true),
        ("accept another definition", vec![see(0, false)], accept(1), false),
        ("accept no tool", vec![], accept(0), false),
        ("lose a tool", vec![see(0, true)], lose(), true),
        ("lose no tool", vec![], lose(), true),
        ("forget a tool", vec![see(0, true)], Write::ForgetTool(resource(0), "tool-0".to_owned()), true),
        ("use", vec![], Write::AddUses(vec![used(1, 2), used(2, 3)]), true),
        ("use more", vec![Write::AddUses(vec![used(1, u32::MAX)])], Write::AddUses(vec![used(1, 2)]), true),
        ("audit", vec![], Write::Audit(Event::new(EventKind::SignedIn, hours(1)).reason("a word")), true),
    ]
}

pub(crate) async fn every_expectation_holds_or_conflicts(make: fn() -> World) {
    for (name, before, expect, holds) in expectations().into_iter().chain(providers::expectations()) {
        let world = make();
        world.store.commit(vec![], before).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = world.store.commit(vec![expect], vec![]).await;
        assert_eq!(told, if holds { Ok(Committed::default()) } else { Err(CommitError::Conflict) }, "{name}");
    }
}

pub(crate) async fn every_write_holds_or_conflicts(make: fn() -> World) {
    for (name, before, write, holds) in writes().into_iter().chain(providers::writes()) {
        let world = make();
        world.store.commit(vec![], before).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let earlier = picture(&*world.store).await;
        let told = world.store.commit(vec![], vec![write]).await;
        assert_eq!(told.as_ref().err(), (!holds).then_some(&CommitError::Conflict), "{name}");
        if !holds {
            assert_eq!(picture(&*world.store).await, earlier, "{name}: a conflict changes nothing");
        }
    }
}

pub(crate) async fn a_conflict_writes_nothing_of_its_verdict(make: fn() -> World) {
    let world = make();
    let before = vec![add_user(), add_grant(), Write::AddCode(code(0))];
    world.store.commit(vec![], before).await.unwrap();
    let earlier = picture(&*world.store).await;
    let all = || {
        vec![
            Write::PutClient(client(0)),
            end(0),
            Write::Cut(CutTarget::Domain("client.example".to_owned()), hours(1)),
            Write::SpendCode(code_id(0), grant_id(0)),
            Write::Audit(Event::new(EventKind::GrantEnded, hours(1))),
        ]
    };
    let taken = [all(), vec![Write::AddUser(user(0))]].concat();
    assert_eq!(world.store.commit(vec![], taken).await, Err(CommitError::Conflict));
    let told = world.store.commit(vec![Expect::NoLocalUsers], all()).await;
    assert_eq!(told, Err(CommitError::Conflict));
    assert_eq!(picture(&*world.store).await, earlier);
    assert_eq!(world.store.commit(vec![], all()).await.map(|done| done.cuts.len()), Ok(2));
}

/// A commit's work begins with the call, so that these wait together and are written as one group.
pub(crate) async fn a_conflict_undoes_that_verdict_alone_in_a_group(make: fn() -> World) {
    let world = make();
    let told: Vec<_> = (0..300)
        .map(|n| {
            let twice = Write::Spend { digest: digest("once", n / 2), until: hours(1) };
            let event = Event::new(EventKind::SignedIn, hours(n));
            world.store.commit(vec![], vec![Write::Audit(event), twice])
        })
        .collect();
    for (n, told) in told.into_iter().enumerate() {
        let expected = if n % 2 == 0 { Ok(Committed::default()) } else { Err(CommitError::Conflict) };
        assert_eq!(told.await, expected, "verdict {n}");
    }
    let events = world.store.events(usize::MAX).await.unwrap();
    let told: Vec<_> = events.into_iter().map(|event| event.at).collect();
    assert_eq!(told, (0..150).rev().map(|n| hours(2 * n)).collect::<Vec<_>>());
}

pub(crate) async fn cuts_are_numbered_by_one_counter(make: fn() -> World) {
    let world = make();
    let mut of_another = grant(2);
    of_another.client = client_id(1);
    let before = vec![
        add_grant(),
        Write::AddGrant(grant(1)),
        Write::AddGrant(machine(3)),
        Write::AddGrant(of_another),
    ];
    world.store.commit(vec![], before).await.unwrap();
    let verdicts = [
        ("a grant", end(0), Some(CutTarget::Grant(grant_id(0)))),
        ("the same again", end(0), None),
        ("a machine's", Write::SuspendGrant(grant_id(3), hours(3)), Some(CutTarget::Grant(grant_id(3)))),
        (
            "a client's, suspended ones too",
            Write::EndGrantsOfClient(client_id(0), EndReason::ClientRemoved, hours(4)),
            Some(CutTarget::Client(client_id(0))),
        ),
        (
            "a client's that has none left",
            Write::EndGrantsOfClient(client_id(0), EndReason::ClientRemoved, hours(4)),
            None,
        ),
        ("a code", Write::AddCode(code(7)), None),
        (
            "a client's that has but a code",
            Write::EndGrantsOfClient(client_id(0), EndReason::ClientRemoved, hours(0)),
            Some(CutTarget::Client(client_id(0))),
        ),
        (
            "a person's",
            Write::EndGrantsOfPerson(user_id(0), EndReason::PersonRemoved, hours(5)),
            Some(CutTarget::Person(user_id(0))),
        ),
        (
            "a host's",
            Write::Cut(CutTarget::Domain("a.example".into()), hours(6)),
            Some(CutTarget::Domain("a.example".into())),
        ),
        ("a key's", Write::Cut(CutTarget::Key("kid".into()), hours(7)), Some(CutTarget::Key("kid".into()))),
    ];
    let mut counter = 0;
    for (name, write, target) in verdicts {
        let cuts = world.store.commit(vec![], vec![write]).await.unwrap().cuts;
        counter += u64::from(target.is_some());
        assert_eq!(cuts.first().map(|cut| cut.target.clone()), target, "{name}");
        assert!(cuts.iter().all(|cut| cut.number == counter), "{name}");
        let facts = world.store.grant_facts(grant_id(0), None, None).await.unwrap();
        assert_eq!(facts.rev, counter, "{name}");
    }
    let states = [
        (0, EndReason::RevokedByPerson),
        (1, EndReason::ClientRemoved),
        (2, EndReason::PersonRemoved),
        (3, EndReason::ClientRemoved),
    ];
    for (n, reason) in states {
        let facts = world.store.grant_facts(grant_id(n), None, None).await.unwrap();
        assert_eq!(facts.grant.unwrap().state, GrantState::Ended(reason), "grant {n}");
    }
    let (_, late) = world.store.cuts(hours(6)).await.unwrap();
    assert_eq!(late.iter().map(|cut| cut.number).collect::<Vec<_>>(), [6, 7]);
}
