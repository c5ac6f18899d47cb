//! Refreshing (RFC 6749 §6, RFC 9700 §4.14): rotation, a bounded retry, and the end of a family that was stolen.

use portcullis_wire::digest::Digest;
use portcullis_wire::register::GrantType;
use portcullis_wire::scope::{OFFLINE_ACCESS, Scopes};
use portcullis_wire::time::UnixTime;

use crate::catalog::Catalog;
use crate::code::{Granted, RefreshOut, ended};
use crate::event::{Event, EventKind};
use crate::facts::GrantFacts;
use crate::model::{Client, EndReason, Grant, GrantState, Previous, Subject, Tip};
use crate::proof::{ClientProof, prove};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// What is asked. The token's tag was found to be ours, so it is authentic, whichever generation it is.
#[derive(Debug)]
pub struct Refresh<'a> {
    /// The digest of the token that came in.
    pub token: Digest,
    /// What the client showed of itself.
    pub proof: &'a ClientProof,
    /// The scopes asked for.
    pub scope: Option<&'a str>,
    /// Every `resource`.
    pub resources: &'a [String],
}

/// The next token of the family, made before the decision.
#[derive(Clone, Debug)]
pub struct Successor {
    /// Its digest.
    pub digest: Digest,
    /// Itself, sealed under the token that came in.
    pub sealed: Vec<u8>,
}

enum Generation {
    Current,
    Retry(Vec<u8>),
    Superseded,
}

fn generation(tip: &Tip, token: &Digest, now: UnixTime) -> Generation {
    if tip.current.matches(token) {
        return Generation::Current;
    }
    match &tip.previous {
        Some(previous) if previous.digest.matches(token) && now < previous.until => {
            Generation::Retry(previous.sealed.clone())
        }
        _ => Generation::Superseded,
    }
}

/// Decides on a refresh.
pub fn decide(
    ask: &Refresh<'_>,
    facts: &GrantFacts,
    catalog: &Catalog,
    next: &Successor,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Granted> {
    match prove(facts.client.as_ref(), ask.proof, facts.spent) {
        Ok(client) => judge(ask, client, facts, catalog, next, lifetimes, now).spending(ask.proof),
        Err(refusal) => Verdict::refuse(refusal),
    }
}

fn judge(
    ask: &Refresh<'_>,
    client: &Client,
    facts: &GrantFacts,
    catalog: &Catalog,
    next: &Successor,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Granted> {
    let Some(grant) = &facts.grant else { return Verdict::refuse(Refusal::RefreshUnknown) };
    let (Some(tip), Subject::Person(person)) = (&grant.tip, grant.subject) else {
        return Verdict::refuse(Refusal::RefreshUnknown);
    };
    if grant.client != client.id {
        return Verdict::refuse(Refusal::RefreshOfAnother);
    }
    if grant.state != GrantState::Live {
        return Verdict::refuse(Refusal::GrantEnded);
    }
    let generation = generation(tip, &ask.token, now);
    if matches!(generation, Generation::Superseded) {
        // Names the tip it saw: a reader older than a rotation in flight must not take the new token for a replay.
        return end(grant, EndReason::RefreshReplayed, Refusal::RefreshReplayed, now)
            .expecting(Expect::TipIs(grant.id, tip.current));
    }
    if grant.expires_at.is_some_and(|at| at <= now) {
        return end(grant, EndReason::Expired, Refusal::GrantExpired, now);
    }
    if grant.last_used_at + lifetimes.grant_idle <= now {
        return end(grant, EndReason::Idle, Refusal::GrantExpired, now)
            .expecting(Expect::TipIs(grant.id, tip.current));
    }
    if !client.metadata.may_use(GrantType::RefreshToken) {
        return Verdict::refuse(Refusal::GrantNotAllowed);
    }
    let Some(user) = facts.user.as_ref().filter(|user| user.id == person) else {
        return Verdict::refuse(Refusal::PersonDisabled);
    };
    if let Err(refusal) = user.may_act(now) {
        return Verdict::refuse(refusal);
    }
    // Resource and scope are judged before anything is rotated (threats, control 24).
    if !ask.resources.is_empty()
        && !catalog.named(ask.resources).is_ok_and(|entry| entry.resource.is_same(&grant.resource))
    {
        return Verdict::refuse(Refusal::ResourceNotGranted);
    }
    let Some(admitted) = catalog.entry(&grant.resource).and_then(|entry| entry.admitted(user)) else {
        return Verdict::refuse(Refusal::AccessLost);
    };
    let scopes = match scopes(ask.scope, grant, catalog, client.ceiling.as_ref(), &admitted.scopes) {
        Ok(scopes) => scopes,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let event = |kind| {
        Event::new(kind, now).user(person).client(&client.id).grant(grant.id).access(&grant.resource, &scopes)
    };
    let granted = |refresh| Granted {
        grant: grant.id,
        subject: grant.subject,
        client: client.id.clone(),
        resource: grant.resource.clone(),
        scopes: scopes.clone(),
        rev: facts.rev,
        refresh,
    };
    let relied = |verdict: Verdict<Granted>| {
        verdict
            .proven(client, ask.proof)
            .expecting(Expect::UserEnabled(person))
            .expecting(Expect::GrantLive(grant.id))
            .expecting(Expect::GrantScopes(grant.id, grant.scopes.clone()))
            .admitted(user, &admitted)
    };
    if let Generation::Retry(sealed) = generation {
        return relied(Verdict::yes(granted(RefreshOut::Again(sealed))))
            .expecting(Expect::TipIs(grant.id, tip.current))
            .writing(Write::Audit(event(EventKind::RefreshRetried)));
    }
    let previous = (!lifetimes.refresh_grace.is_zero()).then(|| Previous {
        digest: tip.current,
        sealed: next.sealed.clone(),
        until: now + lifetimes.refresh_grace,
    });
    let mut verdict = relied(Verdict::yes(granted(RefreshOut::New))).writing(Write::Advance {
        grant: grant.id,
        from: tip.current,
        to: next.digest,
        previous,
        at: now,
    });
    if let Some(replaced) = grant.replaces {
        verdict = verdict
            .writing(Write::EndGrant { grant: replaced, reason: EndReason::Replaced, at: now })
            .writing(Write::Replaced(grant.id))
            .writing(Write::Audit(ended(replaced, EndReason::Replaced, now).client(&client.id).user(person)));
    }
    verdict.writing(Write::Audit(event(EventKind::TokenRefreshed)))
}

fn end(grant: &Grant, reason: EndReason, refusal: Refusal, now: UnixTime) -> Verdict<Granted> {
    let mut event = ended(grant.id, reason, now).client(&grant.client);
    if let Subject::Person(person) = grant.subject {
        event = event.user(person);
    }
    Verdict::refuse(refusal)
        .expecting(Expect::GrantLive(grant.id))
        .writing(Write::EndGrant { grant: grant.id, reason, at: now })
        .writing(Write::Audit(event))
}

/// What the new token may do: what was approved and is still offered, or the part of it that is asked for.
/// `offline_access` may stand in the request or not (protocol T14).
fn scopes(
    asked: Option<&str>,
    grant: &Grant,
    catalog: &Catalog,
    ceiling: Option<&Scopes>,
    admitted: &Scopes,
) -> Result<Scopes, Refusal> {
    let mut today =
        grant.scopes.intersection(&catalog.entry(&grant.resource).map(|e| e.offered()).unwrap_or_default());
    if let Some(ceiling) = ceiling {
        today = today.intersection(ceiling);
    }
    if today.is_empty() {
        return Err(Refusal::GrantEnded);
    }
    // What is left may be for others: the grant sleeps, until the person is in the groups again.
    let today = today.intersection(admitted);
    if today.is_empty() {
        return Err(Refusal::AccessLost);
    }
    let named = Scopes::parse(asked.unwrap_or_default())
        .map_err(|_| Refusal::ScopeBeyondGrant)?
        .without(OFFLINE_ACCESS);
    if !grant.scopes.covers(&named) {
        return Err(Refusal::ScopeBeyondGrant);
    }
    let narrowed = named.intersection(&today);
    match (named.is_empty(), narrowed.is_empty()) {
        (true, _) => Ok(today),
        (false, false) => Ok(narrowed),
        (false, true) => Err(Refusal::ScopeBeyondGrant),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::tests::{catalog, closed_to};
    use crate::groups::Group;
    use crate::model::User;
    use crate::samples;
    use portcullis_wire::id::ClientId;

    fn run(
        token: &[u8],
        scope: Option<&str>,
        resources: &[&str],
        facts: &GrantFacts,
        now: UnixTime,
    ) -> Verdict<Granted> {
        run_in(&catalog(), token, scope, resources, facts, now)
    }
    fn run_in(
        catalog: &Catalog,
        token: &[u8],
        scope: Option<&str>,
        resources: &[&str],
        facts: &GrantFacts,
        now: UnixTime,
    ) -> Verdict<Granted> {
        let resources: Vec<String> = resources.iter().map(|s| (*s).to_owned()).collect();
        let ask =
            Refresh { token: Digest::of(token), proof: &ClientProof::Public, scope, resources: &resources };
        let next = Successor { digest: Digest::of(b"next"), sealed: vec![1] };
        decide(&ask, facts, catalog, &next, &Lifetimes::default(), now)
    }
    fn facts() -> GrantFacts {
        GrantFacts {
            grant: Some(samples::grant()),
            client: Some(samples::public_client()),
            user: Some(samples::user()),
            spent: false,
            rev: 7,
        }
    }
    fn with_previous() -> GrantFacts {
        let mut facts = facts();
        let tip = facts.grant.as_mut().unwrap().tip.as_mut().unwrap();
        tip.previous = Some(Previous {
            digest: Digest::of(b"old"),
            sealed: vec![9],
            until: samples::NOW + Duration::from_secs(60),
        });
        facts
    }

    #[test]
    fn t11_the_tip_rotates() {
        let verdict = run(b"tip", None, &[], &facts(), samples::NOW);
        let granted = verdict.outcome.unwrap();
        assert_eq!(
            (granted.refresh, granted.rev, granted.scopes.to_string().as_str()),
            (RefreshOut::New, 7, "read write")
        );
        assert!(
            matches!(&verdict.writes[0], Write::Advance { from, .. } if from.matches(&Digest::of(b"tip")))
        );
        assert!(verdict.expects.contains(&Expect::UserEnabled(samples::user().id)));
        assert!(verdict.expects.contains(&Expect::GrantLive(samples::grant().id)));
    }

    #[test]
    fn t12_t_grace_the_one_before_gets_the_same_successor_for_a_while() {
        let again = run(b"old", None, &[], &with_previous(), samples::NOW + Duration::from_secs(59));
        assert_eq!(again.outcome.unwrap().refresh, RefreshOut::Again(vec![9]));
        assert!(!again.writes.iter().any(|w| matches!(w, Write::Advance { .. } | Write::EndGrant { .. })));
        let late = run(b"old", None, &[], &with_previous(), samples::NOW + Duration::from_secs(60));
        assert_eq!(late.outcome.err(), Some(Refusal::RefreshReplayed));
        assert!(matches!(late.writes[0], Write::EndGrant { reason: EndReason::RefreshReplayed, .. }));
    }

    #[test]
    fn t11_any_older_generation_ends_the_grant_and_names_the_tip_it_saw() {
        let verdict = run(b"older", None, &[], &with_previous(), samples::NOW);
        assert_eq!(verdict.outcome.err(), Some(Refusal::RefreshReplayed));
        assert!(verdict.expects.contains(&Expect::TipIs(samples::grant().id, Digest::of(b"tip"))));
    }

    #[test]
    fn t13_t_no_burn_bound_to_client_person_resource_and_scope() {
        let other = Client { id: ClientId::parse("other").unwrap(), ..samples::public_client() };
        let off = User { enabled: false, ..samples::user() };
        for (name, facts, token, scope, resources, expected) in [
            (
                "another client",
                GrantFacts { client: Some(other), ..facts() },
                "tip",
                None,
                vec![],
                Refusal::RefreshOfAnother,
            ),
            (
                "another client, superseded token",
                GrantFacts {
                    client: Some(Client {
                        id: ClientId::parse("other").unwrap(),
                        ..samples::public_client()
                    }),
                    ..facts()
                },
                "older",
                None,
                vec![],
                Refusal::RefreshOfAnother,
            ),
            (
                "client gone",
                GrantFacts { client: None, ..facts() },
                "tip",
                None,
                vec![],
                Refusal::ClientUnknown,
            ),
            (
                "person disabled",
                GrantFacts { user: Some(off), ..facts() },
                "tip",
                None,
                vec![],
                Refusal::PersonDisabled,
            ),
            (
                "person gone",
                GrantFacts { user: None, ..facts() },
                "tip",
                None,
                vec![],
                Refusal::PersonDisabled,
            ),
            ("wider scope", facts(), "tip", Some("read admin"), vec![], Refusal::ScopeBeyondGrant),
            (
                "other resource",
                facts(),
                "tip",
                None,
                vec!["https://h.example/other"],
                Refusal::ResourceNotGranted,
            ),
            ("no grant", GrantFacts { grant: None, ..facts() }, "tip", None, vec![], Refusal::RefreshUnknown),
        ] {
            let verdict = run(token.as_bytes(), scope, &resources, &facts, samples::NOW);
            assert_eq!(verdict.outcome.as_ref().err(), Some(&expected), "{name}");
            assert!(verdict.is_silent(), "{name}");
        }
    }

    /// The grant sleeps: nothing is rotated or ended, so that it goes on once the group is given back.
    #[test]
    fn t_disable_a_lost_group_refuses_the_refresh_and_leaves_the_grant_as_it_is() {
        let staff = Group::parse("staff").unwrap();
        let member = User { groups: [staff.clone()].into(), ..samples::user() };
        let closed = closed_to("staff");
        for (token, facts) in [(&b"tip"[..], facts()), (b"old", with_previous())] {
            let lost = run_in(&closed, token, None, &[], &facts, samples::NOW);
            assert_eq!(lost.outcome.as_ref().err(), Some(&Refusal::AccessLost));
            assert!(lost.is_silent());
            let back = GrantFacts { user: Some(member.clone()), ..facts };
            let back = run_in(&closed, token, None, &[], &back, samples::NOW);
            assert!(back.outcome.is_ok());
            assert!(back.expects.contains(&Expect::UserInGroup(member.id, staff.clone())));
        }
        assert_eq!(Refusal::AccessLost.code().as_str(), "invalid_grant");
    }

    #[test]
    fn t14_scope_may_narrow_and_may_name_offline_access() {
        for (asked, expected) in [
            (None, "read write"),
            (Some("read"), "read"),
            (Some("read offline_access"), "read"),
            (Some("offline_access"), "read write"),
        ] {
            assert_eq!(
                run(b"tip", asked, &["https://h.example/mcp/"], &facts(), samples::NOW)
                    .outcome
                    .unwrap()
                    .scopes
                    .to_string(),
                expected,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn t16_t_idle_a_grant_ends_unused_or_old() {
        let lifetimes = Lifetimes::default();
        let idle = run(b"tip", None, &[], &facts(), samples::NOW + lifetimes.grant_idle);
        assert_eq!(idle.outcome.err(), Some(Refusal::GrantExpired));
        assert!(matches!(idle.writes[0], Write::EndGrant { reason: EndReason::Idle, .. }));
        let mut old = facts();
        old.grant.as_mut().unwrap().last_used_at = samples::NOW + lifetimes.grant;
        let old = run(b"tip", None, &[], &old, samples::NOW + lifetimes.grant);
        assert!(matches!(old.writes[0], Write::EndGrant { reason: EndReason::Expired, .. }));
    }

    #[test]
    fn a_replaced_grant_ends_when_the_new_one_is_used() {
        let mut facts = facts();
        facts.grant.as_mut().unwrap().replaces = Some(portcullis_wire::id::GrantId::from_number(3));
        let verdict = run(b"tip", None, &[], &facts, samples::NOW);
        assert!(verdict.writes.iter().any(
            |w| matches!(w, Write::EndGrant { grant, reason: EndReason::Replaced, .. } if grant.number() == 3)
        ));
    }
}
