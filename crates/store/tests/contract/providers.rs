//! Identity providers: who belongs to them, who stops with them, and who is on the way.

use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::federation::{Handoff, Provider, ProviderLink, ProviderState};
use portcullis_rules::groups::Group;
use portcullis_rules::model::{CutTarget, PasswordHash, User};
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::{ArrivalAsk, BrowserAsk, CommitError};
use portcullis_wire::digest::Digest;
use portcullis_wire::limit;

use crate::World;
use crate::cases::Case;
use crate::given::*;

pub(crate) fn issuer(n: u64) -> String {
    format!("https://login-{n}.example")
}
pub(crate) fn link_to(n: u64, subject: u64) -> ProviderLink {
    ProviderLink { issuer: issuer(n), subject: format!("subject {subject}") }
}
pub(crate) fn provider(n: u64, state: ProviderState) -> Provider {
    Provider {
        issuer: issuer(n),
        name: format!("provider-{n}"),
        state,
        configured: state != ProviderState::Gone,
        since: hours(n),
    }
}
pub(crate) fn handoff(n: u64) -> Handoff {
    Handoff { digest: digest("handoff", n), sealed: vec![7; 9], until: hours(n + 1) }
}
pub(crate) fn email(n: u64) -> String {
    format!("person-{n}@acme.example")
}
pub(crate) fn put(n: u64, was: Option<ProviderState>, state: ProviderState) -> Write {
    Write::PutProvider { provider: provider(n, state), was }
}

/// Person `n`, of provider 0.
pub(crate) fn employee(n: u64) -> User {
    User {
        password: None,
        email: Some(email(n)),
        provider: Some(link_to(0, n)),
        proven_until: Some(hours(n + 3)),
        ..user(n)
    }
}

/// What is expected: before, the expectation, and whether it holds.
pub(crate) fn expectations() -> Vec<Case<Expect>> {
    use ProviderState::{Gone, Off, On};
    let of = |state| vec![put(0, None, state), Write::AddUser(employee(1))];
    let enabled = || Expect::UserEnabled(user_id(1));
    let is_on = || Expect::ProviderOn(issuer(0));
    let off = [of(On), vec![Write::SetUserEnabled(user_id(1), false)]].concat();
    let other = vec![put(1, None, On), Write::AddUser(employee(1))];
    let moved = [of(On), vec![put(0, Some(On), Off)]].concat();
    let none = PasswordHash::new(String::new()).digest();
    vec![
        ("provider on", of(On), is_on(), true),
        ("provider off", of(Off), is_on(), false),
        ("provider gone", of(Gone), is_on(), false),
        ("no provider", vec![], is_on(), false),
        ("person of a provider that is on", of(On), enabled(), true),
        ("person of one that is off", of(Off), enabled(), false),
        ("person of one that is gone", of(Gone), enabled(), false),
        ("person of one that was switched off since", moved, enabled(), false),
        ("person of one that is not known", other, enabled(), false),
        ("person switched off, their provider on", off, enabled(), false),
        ("no password is nobody's", of(On), Expect::PasswordIs(user_id(1), none), false),
    ]
}

/// What is written: before, the write, and whether it holds.
pub(crate) fn writes() -> Vec<Case<Write>> {
    use ProviderState::{Gone, Off, On};
    let people = || vec![put(0, None, On), Write::AddUser(user(0)), Write::AddUser(employee(1))];
    let link = |of, from: Option<ProviderLink>, to| Write::SetLink { user: user_id(of), from, to };
    let mail = |of, from: Option<String>, to| Write::SetEmail { user: user_id(of), from, to };
    let proven = |of| Write::SetProven(user_id(of), Some(hours(9)));
    let same_person = User { provider: Some(link_to(0, 1)), ..user(2) };
    let elsewhere = User { provider: Some(link_to(1, 1)), ..user(2) };
    let handed = || vec![Write::PutHandoff(handoff(0))];
    let take = |n| Write::TakeHandoff(digest("handoff", n));
    vec![
        ("new provider", vec![], put(0, None, On), true),
        ("provider that is there", vec![put(0, None, On)], put(0, None, Off), false),
        ("provider on to off", vec![put(0, None, On)], put(0, Some(On), Off), true),
        ("provider that is off already", vec![put(0, None, Off)], put(0, Some(On), Off), false),
        ("provider that is not there", vec![], put(0, Some(On), Gone), false),
        ("account of a person who has one", people(), Write::AddUser(same_person), false),
        ("account of their like elsewhere", people(), Write::AddUser(elsewhere), true),
        ("tie", people(), link(0, None, Some(link_to(0, 7))), true),
        ("tie to somebody taken", people(), link(0, None, Some(link_to(0, 1))), false),
        ("tie what is tied", people(), link(1, None, Some(link_to(0, 7))), false),
        ("tie again to the same", people(), link(1, Some(link_to(0, 1)), Some(link_to(0, 1))), true),
        ("untie", people(), link(1, Some(link_to(0, 1)), None), true),
        ("untie what is tied otherwise", people(), link(1, Some(link_to(1, 1)), None), false),
        ("tie nobody", people(), link(3, None, Some(link_to(0, 7))), false),
        ("address", people(), mail(0, None, Some(email(0))), true),
        ("address that is another since", people(), mail(1, Some(email(0)), None), false),
        ("address as it was", people(), mail(1, Some(email(1)), Some(email(1))), true),
        ("proof", people(), proven(1), true),
        ("proof of nobody", people(), proven(3), false),
        ("cut a provider's people off", people(), Write::CutPeopleOf(issuer(0), hours(2)), true),
        ("cut nobody off", people(), Write::CutPeopleOf(issuer(1), hours(2)), true),
        ("hand off", vec![], Write::PutHandoff(handoff(0)), true),
        ("hand off twice", handed(), Write::PutHandoff(handoff(0)), false),
        ("take", handed(), take(0), true),
        ("take what was taken", [handed(), vec![take(0)]].concat(), take(0), false),
        ("take another", handed(), take(1), false),
    ]
}

/// A provider's people stop with it, whoever they are, and nobody else does.
pub(crate) async fn t_disable_people_stop_with_their_provider_and_go_on_with_it(make: fn() -> World) {
    use ProviderState::{Gone, Off, On};
    let world = make();
    let own = User { provider: Some(link_to(1, 1)), ..user(2) };
    let before = vec![
        put(0, None, On),
        put(1, None, On),
        Write::AddUser(user(0)),
        Write::AddUser(employee(1)),
        Write::AddUser(employee(3)),
        Write::AddUser(own),
        Write::OpenSession(session(0, 0)),
        Write::OpenSession(session(1, 1)),
        Write::OpenSession(session(3, 3)),
    ];
    world.store.commit(vec![], before).await.unwrap();
    let enabled = async || {
        let mut all = Vec::new();
        for n in 0..FEW {
            let user = world.store.user(user_id(n)).await.unwrap().unwrap();
            assert!(!user.switched_off, "person {n}");
            let told = world.store.commit(vec![Expect::UserEnabled(user_id(n))], vec![]).await;
            assert_eq!(told.is_ok(), user.enabled, "person {n}: read and expected alike");
            all.push(user.enabled);
        }
        all
    };
    assert_eq!(enabled().await, [true, true, true, true]);
    let off = vec![put(0, Some(On), Off), Write::CutPeopleOf(issuer(0), hours(5))];
    let cuts = world.store.commit(vec![], off).await.unwrap().cuts;
    let mut targets: Vec<_> = cuts.into_iter().map(|cut| cut.target).collect();
    targets.sort_by_key(|target| format!("{target:?}"));
    let mut expected = vec![CutTarget::Person(user_id(1)), CutTarget::Person(user_id(3))];
    expected.sort_by_key(|target| format!("{target:?}"));
    assert_eq!(targets, expected, "each of them, once");
    assert_eq!(enabled().await, [true, false, true, false]);
    for (n, there) in [(0, true), (1, false), (3, false)] {
        let ask =
            BrowserAsk { client: None, session: Some((session_id(n), digest("session", n))), ticket: None };
        let facts = world.store.browser_facts(ask).await.unwrap();
        assert_eq!(facts.session.is_some(), there, "session of person {n}");
    }
    world.store.commit(vec![], vec![put(0, Some(Off), Gone)]).await.unwrap();
    assert_eq!(enabled().await, [true, false, true, false]);
    world.store.commit(vec![], vec![put(0, Some(Gone), On)]).await.unwrap();
    assert_eq!(enabled().await, [true, true, true, true]);
}

pub(crate) async fn t_link_who_comes_back_is_found_by_issuer_and_subject_together(make: fn() -> World) {
    let world = make();
    let same_address = User { email: Some(email(1)), ..user(0) };
    let third = User { email: Some(email(1)), ..user(2) };
    let before = vec![
        put(0, None, ProviderState::On),
        Write::AddUser(same_address),
        Write::AddUser(employee(1)),
        Write::AddUser(third),
        Write::PutHandoff(handoff(0)),
    ];
    world.store.commit(vec![], before).await.unwrap();
    let ask = |of, subject, email, handoff, at| ArrivalAsk {
        issuer: issuer(of),
        subject: link_to(of, subject).subject,
        email,
        names: ["person 1", "Person 1", "person 9"].map(str::to_owned).to_vec(),
        handoff,
        at: hours(at),
    };
    let handle: Option<Digest> = Some(digest("handoff", 0));
    let facts = world.store.arrival_facts(ask(0, 1, Some(email(1)), handle, 0)).await.unwrap();
    assert_eq!(facts.provider, Some(provider(0, ProviderState::On)));
    assert_eq!(facts.linked, world.store.user(user_id(1)).await.unwrap());
    assert_eq!(facts.linked.map(|user| user.id), Some(user_id(1)));
    assert_eq!(facts.by_email.len(), 2, "more than one is known for more than one");
    assert_eq!(facts.taken, ["person 1".to_owned()].into(), "by key");
    assert!(facts.handoff);
    for (name, ask, linked, handed) in [
        ("another subject", ask(0, 2, None, handle, 0), false, true),
        ("another provider", ask(1, 1, None, handle, 0), false, true),
        ("handoff over", ask(0, 1, None, handle, 1), true, false),
        ("another handoff", ask(0, 1, None, Some(digest("handoff", 1)), 0), true, false),
        ("no handoff", ask(0, 1, None, None, 0), true, false),
    ] {
        let facts = world.store.arrival_facts(ask).await.unwrap();
        assert_eq!((facts.linked.is_some(), facts.handoff), (linked, handed), "{name}");
        assert!(facts.by_email.is_empty(), "{name}: nobody is found by no address");
    }
    let facts = world.store.link_facts(user_id(0), link_to(0, 1)).await.unwrap();
    let ids = [facts.user, facts.linked].map(|user| user.map(|user| user.id));
    assert_eq!(ids, [Some(user_id(0)), Some(user_id(1))]);
    assert_eq!(facts.provider.map(|row| row.issuer), Some(issuer(0)));
}

/// Of many who come back with one handle, one does.
pub(crate) async fn t_two_jars_a_handoff_is_taken_once(make: fn() -> World) {
    let world = make();
    world.store.commit(vec![], vec![Write::PutHandoff(handoff(0))]).await.unwrap();
    let told: Vec<_> = (0..40)
        .map(|n| {
            let event = Event::new(EventKind::SignedIn, hours(n));
            world.store.commit(vec![], vec![Write::TakeHandoff(digest("handoff", 0)), Write::Audit(event)])
        })
        .collect();
    let mut taken = 0;
    for told in told {
        match told.await {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error, CommitError::Conflict),
        }
    }
    assert_eq!((taken, world.store.events(usize::MAX).await.unwrap().len()), (1, 1));
    assert_eq!(world.store.handoff(digest("handoff", 0)).await.unwrap(), None);
}

/// Strangers can begin as often as they like: what is remembered of them is bounded, and who began last can go on.
pub(crate) async fn t_bounds_handoffs_are_bounded_and_the_first_to_leave_is_forgotten(make: fn() -> World) {
    let world = make();
    let most = limit::HANDOFFS as u64;
    let row = |n: u64| Handoff { digest: digest("handoff", n), sealed: vec![], until: hours(5) };
    let first = Handoff { until: hours(4), ..row(0) };
    let mut writes = vec![Write::PutHandoff(row(1)), Write::PutHandoff(first)];
    writes.extend((2..most).map(|n| Write::PutHandoff(row(n))));
    world.store.commit(vec![], writes).await.unwrap();
    let there = async |n| world.store.handoff(digest("handoff", n)).await.unwrap().is_some();
    assert!(there(0).await && there(1).await && there(most - 1).await);
    world.store.commit(vec![], vec![Write::PutHandoff(row(most))]).await.unwrap();
    assert!(!there(0).await && there(1).await && there(most).await);
    world.store.commit(vec![], vec![Write::PutHandoff(row(most + 1))]).await.unwrap();
    assert!(!there(1).await && there(2).await && there(most + 1).await);
    let swept = world.store.sweep(hours(6), hours(0), 9).await.unwrap();
    assert!(swept.handoffs > 0 && swept.more(), "the others go batch by batch");
}

/// All that is known of somebody's provider is gone with the account.
pub(crate) async fn who_is_removed_leaves_no_address_and_no_tie(make: fn() -> World) {
    let world = make();
    let staff = Group::parse("staff").unwrap();
    let gone = User { groups: [staff].into(), ..employee(1) };
    let before = vec![put(0, None, ProviderState::On), Write::AddUser(gone.clone())];
    world.store.commit(vec![], before).await.unwrap();
    assert_eq!(world.store.user(user_id(1)).await.unwrap(), Some(gone.clone()), "reads back as written");
    assert_eq!(world.store.users().await.unwrap(), std::slice::from_ref(&gone));
    world.store.commit(vec![], vec![Write::RemoveUser(user_id(1))]).await.unwrap();
    let facts = world.store.link_facts(user_id(1), link_to(0, 1)).await.unwrap();
    assert!(facts.user.is_none() && facts.linked.is_none());
    world.store.commit(vec![], vec![Write::AddUser(User { id: user_id(2), ..gone })]).await.unwrap();
}
