use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{SessionId, UserId};
use portcullis_wire::limit;

use super::samples::{employee, link, provider};
use super::*;
use crate::event::EventKind;
use crate::groups::Group;
use crate::model::{CutTarget, Session, User, account_key};
use crate::people::FreshSession;
use crate::samples::{NOW, session, user};
use crate::settings::Lifetimes;
use crate::verdict::Expect;

const NEW: UserId = UserId::from_number(77);

fn groups(names: &[&str]) -> std::collections::BTreeSet<Group> {
    names.iter().map(|name| Group::parse(name).unwrap()).collect()
}
fn texts(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
fn presented() -> Presented {
    Presented {
        issuer: samples::ISSUER.to_owned(),
        subject: "s-1".to_owned(),
        name: Some("Alex Example".to_owned()),
        email: Some("alex@acme.example".to_owned()),
        groups: None,
    }
}
fn facts() -> ArrivalFacts {
    ArrivalFacts { provider: Some(provider(ProviderState::On)), handoff: true, ..ArrivalFacts::default() }
}
/// An account of our own that has the address.
fn same_address() -> User {
    User { email: presented().email, ..user() }
}
fn by_email() -> Joining {
    Joining { link_by_email: true, ..Joining::default() }
}
fn handle() -> Digest {
    Digest::of(b"handle")
}
fn asked(
    presented: &Presented,
    joining: &Joining,
    facts: &ArrivalFacts,
    tell: bool,
    held: Option<&Session>,
) -> Verdict<Arrival> {
    let fresh = FreshSession { id: SessionId::from_number(5), digest: Digest::of(b"fresh") };
    let ask = Arriving {
        presented,
        joining,
        provider: "acme",
        handoff: handle(),
        proven_at: NOW - Duration::from_secs(60),
        held,
        fresh,
        new_user: NEW,
        tell,
    };
    arrive(&ask, facts, &Lifetimes::default(), NOW)
}
fn run(presented: &Presented, joining: &Joining, facts: &ArrivalFacts) -> Verdict<Arrival> {
    asked(presented, joining, facts, false, None)
}
fn opens(verdict: &Verdict<Arrival>) -> Option<UserId> {
    verdict.writes.iter().find_map(|write| match write {
        Write::OpenSession(session) => Some(session.user),
        _ => None,
    })
}
fn added(verdict: &Verdict<Arrival>) -> Option<&User> {
    verdict.writes.iter().find_map(|write| match write {
        Write::AddUser(user) => Some(user),
        _ => None,
    })
}

/// Incident 74: what leads to an account is issuer and subject; an address does only where it was asked for, is verified,
/// and is of one account that is nobody else's and no administrator's.
#[test]
fn t_link_an_account_is_reached_by_issuer_and_subject_and_by_an_address_only_where_it_is_sure() {
    let with = |by_email: Vec<User>| ArrivalFacts { by_email, ..facts() };
    let own = same_address();
    let elsewhere = User { provider: Some(link("s-9")), ..same_address() };
    let admin = User { admin: true, ..same_address() };
    let off = User { enabled: false, switched_off: true, ..same_address() };
    let second = User { id: UserId::from_number(12), ..same_address() };
    let stale = User { email: Some("other@acme.example".to_owned()), ..user() };
    let unverified = Presented { email: None, ..presented() };
    let created = Ok(Arrival { user: NEW, how: How::Created });
    let linked = Ok(Arrival { user: own.id, how: How::Linked });
    let no = |why| Err(Refusal::NotLetIn(why));
    for (name, presented, joining, facts, expected) in [
        ("not asked for", presented(), Joining::default(), with(vec![own.clone()]), created),
        ("asked for", presented(), by_email(), with(vec![own.clone()]), linked),
        ("nobody has it", presented(), by_email(), with(vec![]), created),
        ("unverified", unverified, by_email(), with(vec![own.clone()]), created),
        ("another's since", presented(), by_email(), with(vec![stale]), created),
        ("two have it", presented(), by_email(), with(vec![own, second]), no(NotLetIn::EmailAmbiguous)),
        ("of a provider", presented(), by_email(), with(vec![elsewhere]), no(NotLetIn::LinkedElsewhere)),
        ("an administrator's", presented(), by_email(), with(vec![admin]), no(NotLetIn::Administrator)),
        ("switched off", presented(), by_email(), with(vec![off]), no(NotLetIn::AccountDisabled)),
    ] {
        let verdict = run(&presented, &joining, &facts);
        assert_eq!(verdict.outcome, expected, "{name}");
        assert!(verdict.writes.contains(&Write::TakeHandoff(handle())), "{name}: nobody comes back twice");
        assert_eq!(opens(&verdict), expected.ok().map(|arrival| arrival.user), "{name}");
        let judged = judge(&presented, &joining, "acme", &facts);
        let same = judged.outcome.map_err(Refusal::NotLetIn);
        assert_eq!(same, expected.map(|arrival| arrival.how), "{name}: a trial says what would be");
    }
}

#[test]
fn t_link_the_address_that_was_relied_on_must_still_be_there_when_it_is_written() {
    let facts = ArrivalFacts { by_email: vec![same_address()], ..facts() };
    let verdict = run(&presented(), &by_email(), &facts);
    let id = user().id;
    for write in [
        Write::SetEmail { user: id, from: presented().email, to: presented().email },
        Write::SetLink { user: id, from: None, to: Some(link("s-1")) },
        Write::SetProven(id, Some(NOW + PROOF_LASTS)),
    ] {
        assert!(verdict.writes.contains(&write), "{write:?}");
    }
    let sets = |write: &Write| matches!(write, Write::SetPassword(..));
    assert!(!verdict.writes.iter().any(sets), "the password stays, for the day the provider is down");
    assert!(verdict.expects.contains(&Expect::UserEnabled(id)));
}

#[test]
fn t_link_the_link_that_was_relied_on_must_still_be_there_when_it_is_written() {
    let facts = ArrivalFacts { linked: Some(employee()), ..facts() };
    let verdict = run(&presented(), &Joining::default(), &facts);
    let own = employee().provider;
    assert!(own.is_some());
    let stays = Write::SetLink { user: employee().id, from: own.clone(), to: own };
    assert!(verdict.writes.contains(&stays), "{:?}", verdict.writes);
}

#[test]
fn t_disable_no_provider_that_is_off_gone_unknown_or_another_lets_anybody_in() {
    let known = ArrivalFacts { linked: Some(employee()), ..facts() };
    let of = |row: Option<Provider>| ArrivalFacts { provider: row, ..known.clone() };
    let other = Provider { issuer: "https://evil.example".to_owned(), ..provider(ProviderState::On) };
    let off = User { enabled: false, switched_off: true, ..employee() };
    for (name, facts, expected) in [
        ("on", known.clone(), None),
        ("off", of(Some(provider(ProviderState::Off))), Some(NotLetIn::ProviderOff)),
        ("gone", of(Some(provider(ProviderState::Gone))), Some(NotLetIn::ProviderOff)),
        ("unknown", of(None), Some(NotLetIn::ProviderOff)),
        ("another", of(Some(other)), Some(NotLetIn::ProviderOff)),
        ("account off", ArrivalFacts { linked: Some(off), ..known.clone() }, Some(NotLetIn::AccountDisabled)),
    ] {
        let verdict = run(&presented(), &Joining::default(), &facts);
        assert_eq!(verdict.outcome.as_ref().err(), expected.map(Refusal::NotLetIn).as_ref(), "{name}");
        assert_eq!(opens(&verdict).is_some(), expected.is_none(), "{name}");
        let refused = [Write::TakeHandoff(handle())];
        assert_eq!(
            verdict.writes == refused,
            expected.is_some(),
            "{name}: nothing but the handoff is written"
        );
    }
    let verdict = run(&presented(), &Joining::default(), &known);
    for relied in [Expect::ProviderOn(samples::ISSUER.to_owned()), Expect::UserEnabled(employee().id)] {
        assert!(verdict.expects.contains(&relied), "{relied:?}");
    }
}

#[test]
fn t_link_who_is_new_is_let_in_by_the_providers_rule_alone() {
    let rule = |domains: &[&str], names: &[&str]| Joining {
        domains: texts(domains),
        groups: groups(names),
        ..Joining::default()
    };
    let closed = Joining { create: false, ..Joining::default() };
    let nameless = Presented { email: None, ..presented() };
    let staff = Presented { groups: Some(groups(&["staff", "x"])), ..presented() };
    let many = (0..=limit::GROUPS).map(|n| Group::parse(&format!("g{n}")).unwrap()).collect();
    let crowd = Presented { groups: Some(many), ..presented() };
    for (name, presented, joining, expected) in [
        ("anybody", presented(), Joining::default(), None),
        ("nobody new", presented(), closed, Some(NotLetIn::NotInvited)),
        ("of the domain", presented(), rule(&["acme.example"], &[]), None),
        ("of a subdomain", presented(), rule(&["example"], &[]), Some(NotLetIn::Domain)),
        ("of another", presented(), rule(&["other.example"], &[]), Some(NotLetIn::Domain)),
        ("unverified", nameless, rule(&["acme.example"], &[]), Some(NotLetIn::EmailUnverified)),
        ("of the group", staff, rule(&[], &["staff"]), None),
        ("of no group", presented(), rule(&[], &["staff"]), Some(NotLetIn::Group)),
        ("of too many", crowd, Joining::default(), Some(NotLetIn::GroupsTooMany)),
    ] {
        let verdict = run(&presented, &joining, &facts());
        assert_eq!(verdict.outcome.as_ref().err(), expected.map(Refusal::NotLetIn).as_ref(), "{name}");
        assert_eq!(added(&verdict).is_some(), expected.is_none(), "{name}");
    }
    // The rule is for who is new: somebody who has an account has it.
    let known = ArrivalFacts { linked: Some(employee()), ..facts() };
    let verdict = run(&presented(), &rule(&["other.example"], &["ops"]), &known);
    assert_eq!(verdict.outcome, Ok(Arrival { user: employee().id, how: How::Known }));
}

#[test]
fn t_link_a_new_account_is_of_its_provider_has_no_password_and_is_no_administrator() {
    let staff = Presented { groups: Some(groups(&["staff"])), ..presented() };
    let taken = ArrivalFacts { taken: texts(&[&account_key("ALEX  example")]), ..facts() };
    let verdict = run(&staff, &Joining::default(), &taken);
    let made = added(&verdict).unwrap();
    assert_eq!(made.name, "Alex Example (alex@acme.example)");
    assert_eq!((made.id, made.admin, made.password.is_none()), (NEW, false, true));
    assert_eq!(made.provider, Some(link("s-1")));
    assert_eq!((made.groups.clone(), made.email.clone()), (groups(&["staff"]), presented().email));
    assert!(made.stands(NOW) && !made.stands(NOW + PROOF_LASTS));
}

#[test]
fn t_disable_groups_are_the_providers_at_every_sign_in_and_a_lost_one_cuts_off() {
    let member = User { groups: groups(&["ops", "staff"]), ..employee() };
    let facts = ArrivalFacts { linked: Some(member.clone()), ..facts() };
    for (name, said, sets, cuts) in [
        ("not said", None, false, false),
        ("the same", Some(groups(&["ops", "staff"])), false, false),
        ("one lost", Some(groups(&["staff"])), true, true),
        ("all lost", Some(groups(&[])), true, true),
        ("one more", Some(groups(&["ops", "staff", "x"])), true, false),
    ] {
        let verdict = run(&Presented { groups: said, ..presented() }, &Joining::default(), &facts);
        let set = |write: &Write| matches!(write, Write::SetGroups { .. });
        assert_eq!(verdict.writes.iter().any(set), sets, "{name}");
        assert_eq!(verdict.writes.contains(&Write::Cut(CutTarget::Person(member.id), NOW)), cuts, "{name}");
        let lasts = Write::SetProven(member.id, Some(NOW + PROOF_LASTS));
        assert!(verdict.writes.contains(&lasts), "{name}: the proof begins anew");
    }
}

#[test]
fn t_two_jars_a_handoff_is_good_once_and_the_session_the_browser_held_ends() {
    let gone = ArrivalFacts { handoff: false, ..facts() };
    let verdict = run(&presented(), &Joining::default(), &gone);
    assert_eq!(verdict.outcome, Err(Refusal::FormSpent));
    assert!(verdict.is_silent());
    let held = session();
    let verdict = asked(&presented(), &Joining::default(), &facts(), false, Some(&held));
    assert!(verdict.writes.contains(&Write::EndSession(held.id)), "T-fixation");
}

#[test]
fn t_audit_a_refusal_is_told_with_its_reason_where_it_is_to_be_told() {
    let off = User { enabled: false, switched_off: true, ..employee() };
    let facts = ArrivalFacts { linked: Some(off.clone()), ..facts() };
    let told = |tell| {
        let verdict = asked(&presented(), &Joining::default(), &facts, tell, None);
        let event = |write: &Write| match write {
            Write::Audit(event) => Some((event.kind, event.user, event.reason)),
            _ => None,
        };
        verdict.writes.iter().filter_map(event).collect::<Vec<_>>()
    };
    assert_eq!(told(true), [(EventKind::SignInRefused, Some(off.id), Some("account_disabled"))]);
    assert_eq!(told(false), []);
    assert!(!format!("{:?}", presented()).contains("alex"), "T-canary");
}
