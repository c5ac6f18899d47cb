//! Any sequence of verdicts: SQLite answers as the model does, and in the end both tell the same.

use portcullis_rules::approve::{Approval, ApprovalState};
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::federation::ProviderState;
use portcullis_rules::model::{CutTarget, EndReason, KeyState, PasswordHash};
use portcullis_rules::verdict::{ClientsOf, Expect, Write};
use portcullis_store::Store;
use portcullis_wire::time::UnixTime;
use proptest::prelude::*;

use crate::given::*;
use crate::picture::{Picture, picture};
use crate::providers::{email, employee, handoff, issuer, link_to, provider};
use crate::{World, cases, providers};

/// One step of a sequence.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Expect>, Vec<Write>),
    Sweep { now: UnixTime, oldest_cut: UnixTime, most_unused_clients: u64 },
}

fn few() -> std::ops::Range<u64> {
    0..FEW
}

fn time() -> impl Strategy<Value = UnixTime> {
    (0..60_u64).prop_map(hours)
}

fn scope() -> impl Strategy<Value = portcullis_wire::scope::Scopes> {
    prop_oneof![Just(scopes("")), Just(scopes("mcp:tools")), Just(scopes("a b"))]
}

fn reason() -> impl Strategy<Value = EndReason> {
    prop_oneof![Just(EndReason::Idle), Just(EndReason::CodeReplayed), Just(EndReason::RevokedByAdmin)]
}

fn state() -> impl Strategy<Value = KeyState> {
    prop_oneof![
        Just(KeyState::Next),
        Just(KeyState::Active),
        Just(KeyState::Retired),
        Just(KeyState::Revoked)
    ]
}

fn target() -> impl Strategy<Value = CutTarget> {
    prop_oneof![
        few().prop_map(|n| CutTarget::Grant(grant_id(n))),
        few().prop_map(|n| CutTarget::Client(client_id(n))),
        few().prop_map(|n| CutTarget::Person(user_id(n))),
        few().prop_map(|n| CutTarget::Domain(format!("host-{n}.example"))),
        few().prop_map(|n| CutTarget::Key(format!("kid-{n}"))),
    ]
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        few().prop_map(|n| Expect::GrantLive(grant_id(n))),
        (few(), scope()).prop_map(|(n, scopes)| Expect::GrantScopes(grant_id(n), scopes)),
        few().prop_map(|n| Expect::ClientEnabled(client_id(n))),
        few().prop_map(|n| Expect::UserEnabled(user_id(n))),
        (few(), few()).prop_map(|(n, m)| {
            Expect::PasswordIs(user_id(n), PasswordHash::new(format!("$argon2id${m}")).digest())
        }),
        few().prop_map(|n| Expect::SessionLive(session_id(n))),
        Just(Expect::NoLocalUsers),
        (few(), few()).prop_map(|(n, m)| Expect::TipIs(grant_id(n), digest("tip", m))),
        few().prop_map(|n| Expect::UserInGroup(user_id(n), group("staff"))),
        few().prop_map(|n| Expect::ProviderOn(issuer(n / 2))),
        few().prop_map(|n| Expect::ManagedBy(client_id(n), digest("registration", 0))),
        (few(), 0..3_usize, 0..9_u64).prop_map(|(n, below, at)| Expect::ApprovalsOpen {
            grant: grant_id(n),
            below,
            at: hours(at)
        }),
    ]
}

fn of_clients() -> impl Strategy<Value = Write> {
    prop_oneof![
        (few(), any::<bool>(), proptest::option::of(time()), proptest::option::of(scope())).prop_map(
            |(n, enabled, expires_at, ceiling)| {
                let mut client = client(n);
                (client.enabled, client.expires_at, client.ceiling) = (enabled, expires_at, ceiling);
                Write::PutClient(client)
            }
        ),
        (few(), time()).prop_map(|(n, until)| Write::KeepClient { client: client_id(n), until }),
        few().prop_map(|n| Write::RemoveClient(client_id(n))),
        (few(), time()).prop_map(|(n, until)| Write::Spend { digest: digest("once", n), until }),
    ]
}

fn of_people() -> impl Strategy<Value = Write> {
    prop_oneof![
        (few(), few()).prop_map(|(n, name)| {
            let mut user = user(n);
            user.name = format!("PERSON {name}");
            Write::AddUser(user)
        }),
        (few(), few()).prop_map(|(n, m)| {
            Write::SetPassword(user_id(n), PasswordHash::new(format!("$argon2id${m}")))
        }),
        (few(), any::<bool>()).prop_map(|(n, on)| Write::SetUserEnabled(user_id(n), on)),
        few().prop_map(|n| Write::RemoveUser(user_id(n))),
        (few(), few()).prop_map(|(n, of)| Write::OpenSession(session(n, of))),
        few().prop_map(|n| Write::EndSession(session_id(n))),
        (few(), proptest::option::of(few()))
            .prop_map(|(n, but)| Write::EndSessionsOf(user_id(n), but.map(session_id))),
        few().prop_map(|n| Write::PutSetupLink(link(n))),
        few().prop_map(|n| Write::SpendSetupLink(link_number(n))),
    ]
}

fn of_providers() -> impl Strategy<Value = Write> {
    let state = || prop_oneof![Just(ProviderState::On), Just(ProviderState::Off), Just(ProviderState::Gone)];
    let link = || proptest::option::of((0..2_u64, 0..2_u64).prop_map(|(n, subject)| link_to(n, subject)));
    prop_oneof![
        (0..2_u64, proptest::option::of(state()), state())
            .prop_map(|(n, was, state)| Write::PutProvider { provider: provider(n, state), was }),
        (few(), 0..2_u64, 0..2_u64).prop_map(|(n, of, subject)| {
            let user = portcullis_rules::model::User { provider: Some(link_to(of, subject)), ..employee(n) };
            Write::AddUser(user)
        }),
        (few(), link(), link()).prop_map(|(n, from, to)| Write::SetLink { user: user_id(n), from, to }),
        (few(), proptest::option::of(0..2_u64), proptest::option::of(0..2_u64)).prop_map(|(n, from, to)| {
            Write::SetEmail { user: user_id(n), from: from.map(email), to: to.map(email) }
        }),
        (few(), proptest::option::of(time())).prop_map(|(n, until)| Write::SetProven(user_id(n), until)),
        (0..2_u64, time()).prop_map(|(n, at)| Write::CutPeopleOf(issuer(n), at)),
        few().prop_map(|n| Write::PutHandoff(handoff(n))),
        few().prop_map(|n| Write::TakeHandoff(digest("handoff", n))),
    ]
}

fn of_grants() -> impl Strategy<Value = Write> {
    prop_oneof![
        (few(), few(), few(), 0..2_u64).prop_map(|(n, of, by, at)| {
            let mut grant = grant(n);
            grant.subject = portcullis_rules::model::Subject::Person(user_id(of));
            (grant.client, grant.resource) = (client_id(by), resource(at));
            Write::AddGrant(grant)
        }),
        (few(), 0..2_u64, 0..2_u64).prop_map(|(n, by, at)| {
            let mut grant = machine(n);
            (grant.client, grant.resource) = (client_id(by), resource(at));
            Write::AddGrant(grant)
        }),
        few().prop_map(|n| Write::AddCode(code(n))),
        (few(), few()).prop_map(|(n, grant)| Write::SpendCode(code_id(n), grant_id(grant))),
        (few(), few(), few(), proptest::option::of(time()), time()).prop_map(|(n, from, to, until, at)| {
            let previous = until.map(|until| previous(from, until));
            Write::Advance {
                grant: grant_id(n),
                from: digest("tip", from),
                to: digest("tip", to),
                previous,
                at,
            }
        }),
        (few(), few()).prop_map(|(n, to)| Write::Advance {
            grant: grant_id(n),
            from: digest("tip", 0),
            to: digest("tip", to),
            previous: Some(previous(0, hours(9))),
            at: hours(4),
        }),
        (few(), reason(), time()).prop_map(|(n, reason, at)| Write::EndGrant {
            grant: grant_id(n),
            reason,
            at
        }),
        (few(), reason(), time()).prop_map(|(n, reason, at)| Write::EndGrantsOfClient(
            client_id(n),
            reason,
            at
        )),
        (few(), reason(), time()).prop_map(|(n, reason, at)| Write::EndGrantsOfPerson(
            user_id(n),
            reason,
            at
        )),
        (few(), reason(), time()).prop_map(|(n, reason, at)| {
            let clients = match n {
                0 => ClientsOf::Domain("client.example".to_owned()),
                n => ClientsOf::One(client_id(n)),
            };
            Write::CutOffClients(clients, reason, at)
        }),
        (few(), any::<bool>()).prop_map(|(n, on)| Write::SetClientEnabled(client_id(n), on)),
        (few(), time()).prop_map(|(n, at)| Write::SuspendGrant(grant_id(n), at)),
        few().prop_map(|n| Write::RestoreGrant(grant_id(n))),
        (few(), scope()).prop_map(|(n, scopes)| Write::SetGrantScopes(grant_id(n), scopes)),
        (few(), proptest::option::of("[a-z]{1,3}")).prop_map(|(n, l)| Write::LabelGrant(grant_id(n), l)),
        (few(), time()).prop_map(|(n, at)| Write::TouchGrant(grant_id(n), at)),
        few().prop_map(|n| Write::Replaced(grant_id(n))),
        (target(), time()).prop_map(|(target, at)| Write::Cut(target, at)),
    ]
}

fn of_questions() -> impl Strategy<Value = Write> {
    let answer = || prop_oneof![Just(ApprovalState::Approved), Just(ApprovalState::Denied)];
    prop_oneof![
        2 => (few(), few(), few(), 0..9_u64).prop_map(|(n, of, by, at)| Write::AddApproval(Approval {
            grant: grant_id(of),
            user: user_id(by),
            created_at: hours(at),
            expires_at: hours(at + 2),
            ..approval(n)
        })),
        2 => (few(), answer(), 0..9_u64).prop_map(|(n, to, at)| Write::DecideApproval {
            id: approval_id(n),
            to,
            at: hours(at),
            expires_at: hours(at + 2)
        }),
        2 => few().prop_map(|n| Write::SpendApproval(approval_id(n))),
        1 => (few(), 0..3_u64, 0..3_u64).prop_map(|(n, from, to)| Write::SetWanted {
            grant: grant_id(n),
            from: wanted(from),
            to: wanted(to)
        }),
        1 => (few(), 0..3_u64, 0..3_u64).prop_map(|(n, from, to)| Write::SetGroups {
            user: user_id(n),
            from: groups(from),
            to: groups(to)
        }),
    ]
}

fn of_tools() -> impl Strategy<Value = Write> {
    let name = |n| format!("tool-{n}");
    prop_oneof![
        (0..2_u64, time()).prop_map(|(n, at)| Write::BeginBook(resource(n), at)),
        (0..2_u64, few(), 0..2_u64, any::<bool>(), time()).prop_map(|(of, n, version, accept, at)| {
            Write::SeeTool { resource: resource(of), tool: tool(n, version), accept, at }
        }),
        (0..2_u64, few(), 0..2_u64, time()).prop_map(move |(of, n, version, at)| Write::AcceptTool {
            resource: resource(of),
            name: name(n),
            digest: digest("definition", version),
            at
        }),
        (0..2_u64, few(), time()).prop_map(move |(of, n, at)| Write::LoseTool(resource(of), name(n), at)),
        (0..2_u64, few()).prop_map(move |(of, n)| Write::ForgetTool(resource(of), name(n))),
        proptest::collection::vec((few(), any::<u32>()).prop_map(|(n, count)| used(n, count)), 0..3)
            .prop_map(Write::AddUses),
        few().prop_map(|n| Write::UpdateClient(client_id(n), client(n + 1).metadata)),
    ]
}

fn of_keys_and_events() -> impl Strategy<Value = Write> {
    prop_oneof![
        few().prop_map(|n| Write::AddKey(key(n))),
        (few(), state(), state(), time()).prop_map(|(n, from, to, at)| Write::MoveKey {
            kid: format!("kid-{n}"),
            from,
            to,
            at
        }),
        (few(), time()).prop_map(|(n, at)| {
            Write::Audit(Event::new(EventKind::GrantEnded, at).grant(grant_id(n)).reason("idle"))
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let write = prop_oneof![
        2 => of_clients(), 3 => of_people(), 6 => of_grants(), 1 => of_keys_and_events(), 1 => of_questions(), 2 => of_tools(),
        3 => of_providers()
    ];
    // Most verdicts expect nothing or little, or hardly one would hold.
    let expects = prop_oneof![3 => Just(Vec::new()), 2 => proptest::collection::vec(expect(), 1..3)];
    prop_oneof![
        12 => (expects, proptest::collection::vec(write, 0..4)).prop_map(|(e, w)| Step::Commit(e, w)),
        1 => (time(), time(), few()).prop_map(|(now, oldest_cut, most_unused_clients)| {
            Step::Sweep { now, oldest_cut, most_unused_clients }
        }),
    ]
}

/// What a step was answered, in a form that can be compared.
async fn take(store: &dyn Store, step: Step) -> String {
    match step {
        Step::Commit(expects, writes) => format!("{:?}", store.commit(expects, writes).await),
        Step::Sweep { now, oldest_cut, most_unused_clients } => {
            format!("{:?}", store.sweep(now, oldest_cut, most_unused_clients).await)
        }
    }
}

async fn run(steps: Vec<Step>) -> Result<(Picture, usize), TestCaseError> {
    let (model, sqlite) = (World::memory(), World::sqlite());
    let mut held = 0;
    for step in steps {
        let expected = take(&*model.store, step.clone()).await;
        held += usize::from(expected.starts_with("Ok(Committed"));
        prop_assert_eq!(take(&*sqlite.store, step.clone()).await, expected, "{:?}", step);
    }
    let told = picture(&*model.store).await;
    prop_assert_eq!(&picture(&*sqlite.store).await, &told);
    Ok((told, held))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t_linear_sqlite_answers_any_sequence_as_the_model_does(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        runtime().block_on(run(steps))?;
    }
}

/// Each write of the table leaves behind in SQLite what it leaves behind in the model.
#[test]
fn every_write_leaves_behind_what_the_model_says() {
    for (name, mut given, write, _) in cases::writes().into_iter().chain(providers::writes()) {
        given.push(Write::AddUser(user(3)));
        let (told, _) = runtime()
            .block_on(run(vec![Step::Commit(vec![], given), Step::Commit(vec![], vec![write])]))
            .unwrap();
        assert!(!told.users.is_empty(), "{name}");
    }
}

/// The sequences above are worth their time: verdicts hold often enough for state to build up.
#[test]
fn sequences_of_chance_do_hold_now_and_then() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut held, mut steps, mut grants) = (0, 0, 0);
    for _ in 0..8 {
        let tree = proptest::collection::vec(step(), 60).new_tree(&mut runner).unwrap();
        let sequence = proptest::strategy::ValueTree::current(&tree);
        steps += sequence.len();
        let (told, now) = runtime().block_on(run(sequence)).unwrap();
        held += now;
        grants += told.grants.iter().filter(|(grant, ..)| grant.is_some()).count();
    }
    assert!(held * 4 > steps, "{held} of {steps} held");
    assert!(grants > 8, "{grants} grants");
}
