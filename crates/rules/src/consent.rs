//! Consent: given by the browser that asked, for exactly person, client, redirect, resource and scopes.

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{CodeId, GrantId};
use portcullis_wire::redirect::Landing;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::authorize::Asked;
use crate::catalog::Catalog;
use crate::event::{Event, EventKind};
use crate::facts::BrowserFacts;
use crate::model::{Client, Code, Grant, Session, User};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};
use crate::want;

/// What the person answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Allow, or deny.
    pub allow: bool,
    /// What was ticked.
    pub ticked: Scopes,
    /// "I started this myself": asked where the answer stays on this computer.
    pub started: bool,
    /// The agent the new one replaces.
    pub replaces: Option<GrantId>,
    /// What stands for the form, to be spent once.
    pub ticket: Digest,
    /// Until when the form is good.
    pub ticket_until: UnixTime,
}

/// Freshly made, for one try.
#[derive(Clone, Copy, Debug)]
pub struct FreshCode {
    /// The code's row.
    pub id: CodeId,
    /// The code's digest.
    pub digest: Digest,
}

/// The session and its person, if they may act now.
///
/// # Errors
/// [`Refusal::SignedOut`] or [`Refusal::PersonDisabled`].
pub fn signed_in(facts: &BrowserFacts, now: UnixTime) -> Result<(&Session, &User), Refusal> {
    let (session, user) = facts.session.as_ref().ok_or(Refusal::SignedOut)?;
    if session.expires_at <= now {
        return Err(Refusal::SignedOut);
    }
    match user.may_act(now) {
        Ok(()) => Ok((session, user)),
        // They have to sign in again, at their provider.
        Err(Refusal::ProofOver) => Err(Refusal::SignedOut),
        Err(refusal) => Err(refusal),
    }
}

/// What of the scopes asked for this person may have: nothing else is put before them. That there is none is said on our
/// page before consent is asked, and to the client where it wants no page (`prompt=none`).
///
/// # Errors
/// [`Refusal::NotAdmitted`], which may be sent to the client: client and redirect are proven by then.
pub fn admitted(asked: &Asked, user: &User, catalog: &Catalog) -> Result<Scopes, Refusal> {
    let admitted = catalog.entry(&asked.resource).and_then(|entry| entry.admitted(user));
    let scopes = admitted.map(|admitted| asked.scopes.intersection(&admitted.scopes)).unwrap_or_default();
    if scopes.is_empty() { Err(Refusal::NotAdmitted) } else { Ok(scopes) }
}

/// The grants a new one may replace: the same person's (facts hold no others), client, redirect but for the
/// port, and resource.
pub fn replaceable<'a>(facts: &'a BrowserFacts, asked: &'a Asked) -> impl Iterator<Item = &'a Grant> {
    let redirect = asked.redirect_uri.without_port();
    facts.grants.iter().filter(move |grant| {
        grant.client == asked.client
            && grant.resource.is_same(&asked.resource)
            && grant.redirect.as_ref() == Some(&redirect)
    })
}

/// A consent form that came back.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// What was asked.
    pub asked: &'a Asked,
    /// What the person answered.
    pub answer: &'a Answer,
    /// The client as it is now, its document fetched anew where it has one.
    pub client: &'a Client,
}

/// Decides on a consent form.
pub fn decide(
    reply: Reply<'_>,
    facts: &BrowserFacts,
    catalog: &Catalog,
    fresh: FreshCode,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<FreshCode> {
    let Reply { asked, answer, client } = reply;
    let (session, user) = match signed_in(facts, now) {
        Ok(found) => found,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    if facts.spent || answer.ticket_until <= now {
        return Verdict::refuse(Refusal::FormSpent);
    }
    if !client.enabled || facts.client.as_ref().is_some_and(|row| !row.enabled) {
        return Verdict::refuse(Refusal::ClientDisabled);
    }
    if !client.metadata.redirect_uris.iter().any(|uri| uri.admits(asked.redirect_uri.as_str())) {
        return Verdict::refuse(Refusal::RedirectUnknown);
    }
    let spend = Write::Spend { digest: answer.ticket, until: answer.ticket_until };
    let event = |kind, scopes: &Scopes| {
        Event::new(kind, now).user(user.id).client(&asked.client).access(&asked.resource, scopes)
    };
    if !answer.allow {
        return Verdict::refuse(Refusal::Denied)
            .expecting(Expect::SessionLive(session.id))
            .writing(spend)
            .writing(Write::Audit(event(EventKind::ConsentDenied, &asked.scopes)));
    }
    if asked.redirect_uri.landing() != Landing::Web && !answer.started {
        return Verdict::refuse(Refusal::NotStarted);
    }
    // Told to the client once client and redirect are proven; on our own page it is said before anything is asked.
    let entry = catalog.entry(&asked.resource).filter(|_| admitted(asked, user, catalog).is_ok());
    let Some(may) = entry.and_then(|entry| entry.admitted(user)) else {
        return Verdict::refuse(Refusal::NotAdmitted)
            .expecting(Expect::SessionLive(session.id))
            .writing(spend)
            .writing(Write::Audit(event(EventKind::ConsentDenied, &asked.scopes).reason("not_admitted")));
    };
    // Beyond what was asked, only what another agent of this person, client and resource was refused for lack of; and
    // for the new grant alone.
    let extra = want::extra(&facts.grants, asked, client, user, catalog, lifetimes, now);
    let scopes = answer.ticked.intersection(&asked.scopes.union(&extra)).intersection(&may.scopes);
    if scopes.is_empty() {
        return Verdict::refuse(Refusal::NothingTicked);
    }
    let replaces = answer.replaces.and_then(|id| replaceable(facts, asked).find(|grant| grant.id == id));
    let code = Code {
        id: fresh.id,
        digest: fresh.digest,
        client: asked.client.clone(),
        user: user.id,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        resource: asked.resource.clone(),
        scopes: scopes.clone(),
        replaces: replaces.map(|grant| grant.id),
        expires_at: now + lifetimes.code,
        spent: None,
    };
    Verdict::yes(fresh)
        .expecting(Expect::SessionLive(session.id))
        .expecting(Expect::UserEnabled(user.id))
        .expecting(Expect::ClientEnabled(client.id.clone()))
        .admitted(user, &may)
        .writing(spend)
        .writing(Write::AddCode(code))
        .writing(Write::Audit(event(EventKind::ConsentGiven, &scopes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::{catalog, closed_to};
    use crate::groups::Group;
    use crate::samples;

    fn facts() -> BrowserFacts {
        BrowserFacts {
            client: Some(samples::public_client()),
            session: Some((samples::session(), samples::user())),
            grants: vec![samples::grant()],
            spent: false,
            has_users: true,
        }
    }
    fn answer() -> Answer {
        Answer {
            allow: true,
            ticked: Scopes::parse("read").unwrap(),
            started: true,
            replaces: None,
            ticket: Digest::of(b"t"),
            ticket_until: samples::NOW + Lifetimes::default().form,
        }
    }
    fn run(answer: &Answer, facts: &BrowserFacts) -> Verdict<FreshCode> {
        run_in(&catalog(), answer, facts)
    }
    fn run_in(catalog: &Catalog, answer: &Answer, facts: &BrowserFacts) -> Verdict<FreshCode> {
        let fresh = FreshCode { id: CodeId::from_number(9), digest: Digest::of(b"code") };
        decide(
            Reply { asked: &samples::asked(), answer, client: &samples::public_client() },
            facts,
            catalog,
            fresh,
            &Lifetimes::default(),
            samples::NOW,
        )
    }

    #[test]
    fn a23_the_code_is_for_exactly_what_was_ticked() {
        let verdict =
            run(&Answer { ticked: Scopes::parse("read write unasked").unwrap(), ..answer() }, &facts());
        assert!(verdict.outcome.is_ok());
        let code = verdict
            .writes
            .iter()
            .find_map(|w| if let Write::AddCode(code) = w { Some(code) } else { None })
            .unwrap();
        assert_eq!(code.scopes, samples::asked().scopes, "never more than was asked");
        assert_eq!((code.user, &code.client), (samples::user().id, &samples::public_client().id));
        assert!(verdict.expects.contains(&Expect::UserEnabled(samples::user().id)));
    }

    /// Ticked ⊆ asked ∪ wanted, and the new grant alone is given it.
    #[test]
    fn t_scope_ceiling_a_wanted_scope_is_given_when_ticked_and_to_the_new_grant_alone() {
        let wants = |scope: &str| Grant {
            scopes: Scopes::parse("read").unwrap(),
            wanted: vec![want::Wanted {
                scope: portcullis_wire::scope::Scope::parse(scope).unwrap(),
                at: samples::NOW,
                denied: false,
            }],
            ..samples::grant()
        };
        for (name, grant, ticked, expected) in [
            ("ticked", wants("write"), "read write", "read write"),
            ("unticked", wants("write"), "read", "read"),
            ("alone", wants("write"), "write", "write"),
            ("not offered", wants("admin"), "read admin", "read"),
            ("not wanted", samples::grant(), "read write", "read"),
        ] {
            let facts = BrowserFacts { grants: vec![grant], ..facts() };
            let verdict = run(&Answer { ticked: Scopes::parse(ticked).unwrap(), ..answer() }, &facts);
            let code = verdict
                .writes
                .iter()
                .find_map(|w| if let Write::AddCode(code) = w { Some(code) } else { None })
                .unwrap();
            assert_eq!(code.scopes.to_string(), expected, "{name}");
            let widens = |write: &Write| matches!(write, Write::SetGrantScopes(..) | Write::SetWanted { .. });
            assert!(!verdict.writes.iter().any(widens), "{name}: never another install's");
        }
    }

    #[test]
    fn t_disable_who_is_not_admitted_gives_no_consent() {
        let staff = Group::parse("staff").unwrap();
        let closed = closed_to("staff");
        let refused = run_in(&closed, &answer(), &facts());
        assert_eq!(refused.outcome.as_ref().err(), Some(&Refusal::NotAdmitted));
        assert_eq!(Refusal::NotAdmitted.code().as_str(), "access_denied");
        assert!(!refused.writes.iter().any(|write| matches!(write, Write::AddCode(_))));
        assert_eq!(admitted(&samples::asked(), &samples::user(), &closed), Err(Refusal::NotAdmitted));
        let mut facts = facts();
        facts.session.as_mut().unwrap().1.groups = [staff.clone()].into();
        let given = run_in(&closed, &answer(), &facts);
        assert!(given.outcome.is_ok());
        assert!(given.expects.contains(&Expect::UserInGroup(samples::user().id, staff)));
    }

    #[test]
    fn t_csrf_a_spent_form_a_lost_session_or_a_disabled_person_gives_no_code() {
        let expired = {
            let mut facts = facts();
            facts.session.as_mut().unwrap().0.expires_at = samples::NOW;
            facts
        };
        let disabled = {
            let mut facts = facts();
            facts.session.as_mut().unwrap().1.enabled = false;
            facts
        };
        for (name, facts, expected) in [
            ("spent", BrowserFacts { spent: true, ..facts() }, Refusal::FormSpent),
            ("signed out", BrowserFacts { session: None, ..facts() }, Refusal::SignedOut),
            ("session over", expired, Refusal::SignedOut),
            ("person disabled", disabled, Refusal::PersonDisabled),
        ] {
            let verdict = run(&answer(), &facts);
            assert_eq!(verdict.outcome.err(), Some(expected), "{name}");
            assert!(verdict.writes.is_empty(), "{name}");
        }
    }

    #[test]
    fn s05_a_local_program_needs_the_person_to_say_that_they_started_it() {
        assert_eq!(
            run(&Answer { started: false, ..answer() }, &facts()).outcome.err(),
            Some(Refusal::NotStarted)
        );
        assert_eq!(
            run(&Answer { ticked: Scopes::none(), ..answer() }, &facts()).outcome.err(),
            Some(Refusal::NothingTicked)
        );
        let denied = run(&Answer { allow: false, started: false, ..answer() }, &facts());
        assert_eq!(denied.outcome.err(), Some(Refusal::Denied));
        assert!(matches!(denied.writes[0], Write::Spend { .. }), "a denied form is spent too");
    }

    #[test]
    fn only_a_grant_of_the_same_client_redirect_and_resource_is_replaced() {
        let own = samples::grant();
        let elsewhere = Grant {
            id: GrantId::from_number(77),
            resource: crate::catalog::tests::entry("https://h.example/other").resource,
            ..own.clone()
        };
        let facts = BrowserFacts { grants: vec![own.clone(), elsewhere.clone()], ..facts() };
        for (asked, expected) in
            [(own.id, Some(own.id)), (elsewhere.id, None), (GrantId::from_number(1234), None)]
        {
            let verdict = run(&Answer { replaces: Some(asked), ..answer() }, &facts);
            let code = verdict
                .writes
                .iter()
                .find_map(|w| if let Write::AddCode(code) = w { Some(code) } else { None })
                .unwrap();
            assert_eq!(code.replaces, expected);
        }
    }
}
