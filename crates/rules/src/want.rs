//! Wanted scopes: what an agent was refused for lack of, noted on its grant, so that its person can allow it.
//!
//! Not every client can ask for more by itself (step-up). So a refused scope is remembered for a day; the person may
//! allow it for that one agent, after which a plain refresh returns it, or tick it on the next consent page of that
//! client and resource. Nothing here gives a scope to any other install.

use std::time::Duration;

use portcullis_wire::id::UserId;
use portcullis_wire::limit;
use portcullis_wire::scope::{OFFLINE_ACCESS, Scope, Scopes};
use portcullis_wire::time::UnixTime;

use crate::authorize::Asked;
use crate::catalog::Catalog;
use crate::event::{Event, EventKind};
use crate::facts::GrantFacts;
use crate::model::{Client, Grant, GrantState, Subject, User};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// How long a wanted scope is remembered, and how long a "no" to it.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A scope that is wanted again is noted again only after this, so that a client that keeps trying costs no writes.
pub const NOTED_AGAIN: Duration = Duration::from_secs(60 * 60);

/// One wanted scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub scope: Scope,
    /// When it was last refused for lack of; or, if the person denied it, when.
    pub at: UnixTime,
    /// Whether the person denied it: then it is neither shown nor noted until it is forgotten.
    pub denied: bool,
}

impl Wanted {
    fn is_remembered(&self, now: UnixTime) -> bool {
        now < self.at + REMEMBERED
    }
}

/// What may be shown as wanted by this grant now: remembered, not denied, not held.
pub fn open(grant: &Grant, now: UnixTime) -> Scopes {
    grant
        .wanted
        .iter()
        .filter(|wanted| wanted.is_remembered(now) && !wanted.denied)
        .filter(|wanted| !grant.scopes.contains(wanted.scope.as_str()))
        .map(|wanted| wanted.scope.clone())
        .collect()
}

/// What a client may have at most at the grant's resource today, acting for this person.
fn most(grant: &Grant, client: &Client, user: &User, catalog: &Catalog) -> Scopes {
    let admitted = catalog.entry(&grant.resource).and_then(|entry| entry.admitted(user));
    let offered = admitted.map(|admitted| admitted.scopes).unwrap_or_default();
    match &client.ceiling {
        Some(ceiling) => offered.intersection(ceiling),
        None => offered,
    }
}

/// Notes what an agent was refused for lack of. Scopes that its resource does not offer, that are beyond its client's
/// ceiling, that it holds, or that the person denied lately are left out; a machine has nobody to ask. The client of
/// the facts is the grant's own.
pub fn note(scopes: &Scopes, facts: &GrantFacts, catalog: &Catalog, now: UnixTime) -> Verdict<()> {
    let (Some(grant), Some(client)) = (&facts.grant, &facts.client) else { return Verdict::yes(()) };
    let Subject::Person(person) = grant.subject else { return Verdict::yes(()) };
    let Some(user) = facts.user.as_ref().filter(|user| user.id == person) else { return Verdict::yes(()) };
    if grant.state != GrantState::Live || grant.client != client.id {
        return Verdict::yes(());
    }
    let lacking =
        scopes.without(OFFLINE_ACCESS).intersection(&most(grant, client, user, catalog)).minus(&grant.scopes);
    let mut wanted: Vec<Wanted> =
        grant.wanted.iter().filter(|wanted| wanted.is_remembered(now)).cloned().collect();
    let mut fresh = Scopes::none();
    let mut again = false;
    for scope in lacking.iter() {
        match wanted.iter_mut().find(|wanted| wanted.scope == *scope) {
            Some(known) if known.denied || now < known.at + NOTED_AGAIN => {}
            Some(known) => {
                known.at = now;
                again = true;
            }
            None => {
                if wanted.len() >= limit::WANTED {
                    let Some(room) = room(&wanted, now) else { continue };
                    wanted.remove(room);
                }
                fresh.insert(scope.clone());
                wanted.push(Wanted { scope: scope.clone(), at: now, denied: false });
            }
        }
    }
    if fresh.is_empty() && !again {
        return Verdict::yes(());
    }
    let verdict = Verdict::yes(()).expecting(Expect::GrantLive(grant.id)).writing(Write::SetWanted {
        grant: grant.id,
        from: grant.wanted.clone(),
        to: wanted,
    });
    match fresh.is_empty() {
        true => verdict,
        false => verdict.writing(Write::Audit(event(EventKind::ScopeWanted, grant, person, &fresh, now))),
    }
}

/// Which of a full list makes room: the oldest, but no denial, and none that was noted lately, so that an agent which
/// wants ever other things costs few writes.
fn room(wanted: &[Wanted], now: UnixTime) -> Option<usize> {
    let old = |wanted: &Wanted| !wanted.denied && wanted.at + NOTED_AGAIN <= now;
    let old = wanted.iter().enumerate().filter(|(_, wanted)| old(wanted));
    old.min_by_key(|(_, wanted)| wanted.at).map(|(index, _)| index)
}

fn event(kind: EventKind, grant: &Grant, person: UserId, scopes: &Scopes, now: UnixTime) -> Event {
    Event::new(kind, now).user(person).client(&grant.client).grant(grant.id).access(&grant.resource, scopes)
}

/// The grant, if it is this person's and may be used, and `scope` is wanted by it.
fn own<'a>(
    person: UserId,
    scope: &Scope,
    facts: &'a GrantFacts,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Result<&'a Grant, Refusal> {
    let grant = facts
        .grant
        .as_ref()
        .filter(|grant| grant.subject == Subject::Person(person))
        .ok_or(Refusal::AgentUnknown)?;
    if grant.state_at(lifetimes, now) != GrantState::Live {
        return Err(Refusal::GrantEnded);
    }
    if open(grant, now).contains(scope.as_str()) { Ok(grant) } else { Err(Refusal::NotWanted) }
}

/// Allows a wanted scope for this one agent, by its own person. The client of the facts is the grant's own.
pub fn allow(
    person: UserId,
    scope: &Scope,
    facts: &GrantFacts,
    catalog: &Catalog,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<()> {
    let grant = match own(person, scope, facts, lifetimes, now) {
        Ok(grant) => grant,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let Some(user) = facts.user.as_ref().filter(|user| user.id == person) else {
        return Verdict::refuse(Refusal::PersonDisabled);
    };
    if let Err(refusal) = user.may_act(now) {
        return Verdict::refuse(refusal);
    }
    let client = match &facts.client {
        Some(client) if client.id == grant.client && client.enabled => client,
        Some(client) if client.id == grant.client => return Verdict::refuse(Refusal::ClientDisabled),
        _ => return Verdict::refuse(Refusal::ClientUnknown),
    };
    let Some(admitted) = catalog.entry(&grant.resource).and_then(|entry| entry.admitted(user)) else {
        return Verdict::refuse(Refusal::NotAdmitted);
    };
    if !most(grant, client, user, catalog).contains(scope.as_str()) {
        return Verdict::refuse(Refusal::ScopeUnknown);
    }
    let mut scopes = grant.scopes.clone();
    scopes.insert(scope.clone());
    let left = grant.wanted.iter().filter(|wanted| wanted.scope != *scope).cloned().collect();
    let one = std::iter::once(scope.clone()).collect();
    Verdict::yes(())
        .expecting(Expect::UserEnabled(person))
        .expecting(Expect::ClientEnabled(client.id.clone()))
        .expecting(Expect::GrantLive(grant.id))
        .expecting(Expect::GrantScopes(grant.id, grant.scopes.clone()))
        .admitted(user, &admitted)
        .writing(Write::SetWanted { grant: grant.id, from: grant.wanted.clone(), to: left })
        .writing(Write::SetGrantScopes(grant.id, scopes))
        .writing(Write::Audit(event(EventKind::ScopeAllowed, grant, person, &one, now)))
}

/// Denies a wanted scope, by the agent's own person: it is not shown again for as long as it would be remembered.
pub fn deny(
    person: UserId,
    scope: &Scope,
    facts: &GrantFacts,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<()> {
    let grant = match own(person, scope, facts, lifetimes, now) {
        Ok(grant) => grant,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let mut wanted = grant.wanted.clone();
    for denied in wanted.iter_mut().filter(|wanted| wanted.scope == *scope) {
        (denied.denied, denied.at) = (true, now);
    }
    let one = std::iter::once(scope.clone()).collect();
    Verdict::yes(())
        .expecting(Expect::GrantLive(grant.id))
        .writing(Write::SetWanted { grant: grant.id, from: grant.wanted.clone(), to: wanted })
        .writing(Write::Audit(event(EventKind::ScopeDenied, grant, person, &one, now)))
}

/// What a consent page offers beyond what was asked, unticked: the wanted scopes of this person's living grants of the
/// same client and resource, as far as resource, person and client may have them. What is ticked goes to the new grant alone.
pub fn extra(
    grants: &[Grant],
    asked: &Asked,
    client: &Client,
    user: &User,
    catalog: &Catalog,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Scopes {
    grants
        .iter()
        .filter(|grant| grant.client == asked.client && grant.resource.is_same(&asked.resource))
        .filter(|grant| grant.state_at(lifetimes, now) == GrantState::Live && grant.personal.is_none())
        .fold(Scopes::none(), |all, grant| {
            all.union(&open(grant, now).intersection(&most(grant, client, user, catalog)))
        })
        .minus(&asked.scopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog;
    use crate::model::User;
    use crate::samples;

    const MINUTE: Duration = Duration::from_secs(60);

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }
    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }
    fn wanted(text: &str, at: UnixTime) -> Wanted {
        Wanted { scope: scope(text), at, denied: false }
    }
    /// The agent holds `read`; its resource offers `read write`.
    fn facts(list: Vec<Wanted>) -> GrantFacts {
        GrantFacts {
            grant: Some(Grant { scopes: scopes("read"), wanted: list, ..samples::grant() }),
            client: Some(samples::public_client()),
            user: Some(samples::user()),
            spent: false,
            rev: 1,
        }
    }
    fn written(verdict: &Verdict<()>) -> Option<&Vec<Wanted>> {
        verdict.writes.iter().find_map(|w| if let Write::SetWanted { to, .. } = w { Some(to) } else { None })
    }

    #[test]
    fn t_scope_ceiling_only_what_can_be_had_and_is_not_held_is_wanted() {
        let now = samples::NOW;
        let denied = Wanted { denied: true, ..wanted("write", now) };
        let limited = Client { ceiling: Some(scopes("read")), ..samples::public_client() };
        let machine = Grant { subject: Subject::Machine, ..facts(vec![]).grant.unwrap() };
        let ended =
            Grant { state: GrantState::Ended(crate::model::EndReason::Idle), ..facts(vec![]).grant.unwrap() };
        for (name, asked, facts, expected) in [
            ("can be had", "write", facts(vec![]), Some(vec![wanted("write", now)])),
            ("held", "read", facts(vec![]), None),
            ("not offered", "admin", facts(vec![]), None),
            ("some of each", "admin read write", facts(vec![]), Some(vec![wanted("write", now)])),
            ("beyond the ceiling", "write", GrantFacts { client: Some(limited), ..facts(vec![]) }, None),
            ("a machine's", "write", GrantFacts { grant: Some(machine), ..facts(vec![]) }, None),
            ("ended", "write", GrantFacts { grant: Some(ended), ..facts(vec![]) }, None),
            ("no grant", "write", GrantFacts { grant: None, ..facts(vec![]) }, None),
            ("noted just now", "write", facts(vec![wanted("write", now - MINUTE)]), None),
            (
                "noted long ago",
                "write",
                facts(vec![wanted("write", now - NOTED_AGAIN)]),
                Some(vec![wanted("write", now)]),
            ),
            ("denied lately", "write", facts(vec![denied.clone()]), None),
            (
                "denied yesterday",
                "write",
                facts(vec![Wanted { at: now - REMEMBERED, ..denied }]),
                Some(vec![wanted("write", now)]),
            ),
        ] {
            let verdict = note(&scopes(asked), &facts, &catalog(), now);
            assert!(verdict.outcome.is_ok(), "{name}");
            assert_eq!(written(&verdict), expected.as_ref(), "{name}");
            assert_eq!(verdict.is_silent(), expected.is_none(), "{name}");
        }
    }

    #[test]
    fn a_grant_remembers_twenty_of_which_the_oldest_makes_room_and_no_denial_does() {
        let full = |since: Duration, denied| -> Vec<Wanted> {
            (0..limit::WANTED)
                .map(|n| Wanted { denied, ..wanted(&format!("old-{n}"), samples::NOW - since) })
                .collect()
        };
        let mut mixed = full(2 * NOTED_AGAIN, false);
        mixed[0].denied = true;
        for (name, list, gone) in [
            ("old", full(NOTED_AGAIN, false), Some("old-0")),
            ("the first is a denial", mixed, Some("old-1")),
            ("noted lately", full(MINUTE, false), None),
            ("denials", full(NOTED_AGAIN, true), None),
        ] {
            let verdict = note(&scopes("write"), &facts(list), &catalog(), samples::NOW);
            assert_eq!(verdict.is_silent(), gone.is_none(), "{name}");
            if let Some(gone) = gone {
                let to = written(&verdict).unwrap();
                assert_eq!(to.len(), limit::WANTED, "{name}");
                assert!(to.iter().all(|wanted| wanted.scope.as_str() != gone), "{name}");
                assert!(to.iter().any(|wanted| wanted.scope.as_str() == "write"), "{name}");
            }
        }
    }

    #[test]
    fn t_scope_ceiling_allowing_widens_that_one_grant_by_that_one_scope() {
        let person = samples::user().id;
        let facts = facts(vec![wanted("write", samples::NOW), wanted("other", samples::NOW)]);
        let lifetimes = Lifetimes::default();
        let run = |person, text: &str, facts: &GrantFacts, now| {
            allow(person, &scope(text), facts, &catalog(), &lifetimes, now)
        };
        let verdict = run(person, "write", &facts, samples::NOW);
        assert!(verdict.outcome.is_ok());
        let id = samples::grant().id;
        assert!(verdict.writes.contains(&Write::SetGrantScopes(id, scopes("read write"))));
        assert_eq!(written(&verdict), Some(&vec![wanted("other", samples::NOW)]));
        for relied in [
            Expect::UserEnabled(person),
            Expect::ClientEnabled(samples::public_client().id),
            Expect::GrantLive(id),
            Expect::GrantScopes(id, scopes("read")),
        ] {
            assert!(verdict.expects.contains(&relied), "{relied:?}");
        }
        let off = User { enabled: false, ..samples::user() };
        let switched_off = Client { enabled: false, ..samples::public_client() };
        let limited = Client { ceiling: Some(scopes("read")), ..samples::public_client() };
        let day = samples::NOW + REMEMBERED;
        for (name, person, text, facts, now, expected) in [
            (
                "another person",
                UserId::from_number(9),
                "write",
                facts.clone(),
                samples::NOW,
                Refusal::AgentUnknown,
            ),
            ("not wanted", person, "admin", facts.clone(), samples::NOW, Refusal::NotWanted),
            ("wanted yesterday", person, "write", facts.clone(), day, Refusal::NotWanted),
            ("not offered", person, "other", facts.clone(), samples::NOW, Refusal::ScopeUnknown),
            (
                "disabled",
                person,
                "write",
                GrantFacts { user: Some(off), ..facts.clone() },
                samples::NOW,
                Refusal::PersonDisabled,
            ),
            (
                "client off",
                person,
                "write",
                GrantFacts { client: Some(switched_off), ..facts.clone() },
                samples::NOW,
                Refusal::ClientDisabled,
            ),
            (
                "beyond the ceiling",
                person,
                "write",
                GrantFacts { client: Some(limited), ..facts.clone() },
                samples::NOW,
                Refusal::ScopeUnknown,
            ),
            ("idle", person, "write", facts, samples::NOW + lifetimes.grant_idle, Refusal::GrantEnded),
        ] {
            let verdict = run(person, text, &facts, now);
            assert_eq!(verdict.outcome.as_ref().err(), Some(&expected), "{name}");
            assert!(verdict.is_silent(), "{name}");
        }
    }

    #[test]
    fn a_denied_scope_is_not_shown_again() {
        let facts = facts(vec![wanted("write", samples::NOW - MINUTE)]);
        let lifetimes = Lifetimes::default();
        let verdict = deny(samples::user().id, &scope("write"), &facts, &lifetimes, samples::NOW);
        let to = written(&verdict).unwrap().clone();
        let after = Grant { wanted: to, ..facts.grant.clone().unwrap() };
        assert!(open(&after, samples::NOW).is_empty());
        assert_eq!(open(facts.grant.as_ref().unwrap(), samples::NOW), scopes("write"));
        let again = GrantFacts { grant: Some(after), ..facts };
        assert!(note(&scopes("write"), &again, &catalog(), samples::NOW).is_silent());
        let stranger = deny(UserId::from_number(9), &scope("write"), &again, &lifetimes, samples::NOW);
        assert_eq!(stranger.outcome, Err(Refusal::AgentUnknown));
    }

    #[test]
    fn t_scope_ceiling_a_consent_page_offers_only_what_living_agents_of_that_client_want_there() {
        let own = facts(vec![wanted("write", samples::NOW)]).grant.unwrap();
        let other_client =
            Grant { client: portcullis_wire::id::ClientId::parse("x").unwrap(), ..own.clone() };
        let elsewhere = Grant {
            resource: crate::catalog::tests::entry("https://h.example/other").resource,
            ..own.clone()
        };
        let idle = Grant { last_used_at: samples::NOW - Lifetimes::default().grant_idle, ..own.clone() };
        let limited = Client { ceiling: Some(scopes("read")), ..samples::public_client() };
        let client = samples::public_client();
        for (name, grants, client, expected) in [
            ("its own", vec![own.clone()], &client, "write"),
            ("another client's", vec![other_client], &client, ""),
            ("elsewhere", vec![elsewhere], &client, ""),
            ("ended by itself", vec![idle], &client, ""),
            ("beyond the ceiling", vec![own], &limited, ""),
        ] {
            let shown = extra(
                &grants,
                &samples::asked(),
                client,
                &samples::user(),
                &catalog(),
                &Lifetimes::default(),
                samples::NOW,
            );
            assert_eq!(shown, scopes(expected), "{name}");
        }
    }
}
