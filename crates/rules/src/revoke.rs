//! Taking back: by the client (RFC 7009), by the person, by an administrator. Either token ends the grant.

use portcullis_wire::id::{GrantId, UserId};
use portcullis_wire::time::UnixTime;

use crate::code::ended;
use crate::event::{Event, EventKind};
use crate::facts::GrantFacts;
use crate::model::{Client, CutTarget, EndReason, Grant, GrantState, Subject};
use crate::proof::{ClientProof, prove};
use crate::refusal::Refusal;
use crate::verdict::{ClientsOf, Expect, Verdict, Write};

fn take_back(grant: &Grant, reason: EndReason, now: UnixTime) -> Verdict<()> {
    match (grant.subject, grant.state) {
        // Nothing changes, and still it is written: the answer then waits behind the commit that made the cut.
        (Subject::Person(_), GrantState::Ended(reason)) => {
            Verdict::yes(()).writing(Write::EndGrant { grant: grant.id, reason, at: now })
        }
        (Subject::Machine, GrantState::Ended(_) | GrantState::Suspended) => {
            Verdict::yes(()).writing(Write::SuspendGrant(grant.id, now))
        }
        // A machine would mint again at once: it is switched off until an administrator restores it.
        (Subject::Machine, GrantState::Live) => {
            Verdict::yes(()).writing(Write::SuspendGrant(grant.id, now)).writing(Write::Audit(
                Event::new(EventKind::AgentSuspended, now)
                    .grant(grant.id)
                    .client(&grant.client)
                    .reason(reason.as_str()),
            ))
        }
        (Subject::Person(person), _) => Verdict::yes(())
            .writing(Write::EndGrant { grant: grant.id, reason, at: now })
            .writing(Write::Audit(ended(grant.id, reason, now).client(&grant.client).user(person))),
    }
}

/// By the client: unknown tokens, and those of others, are 200 without effect (RFC 7009 §2.2).
pub fn by_client(proof: &ClientProof, facts: &GrantFacts, now: UnixTime) -> Verdict<()> {
    let client = match prove(facts.client.as_ref(), proof, facts.spent) {
        Ok(client) => client,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    match &facts.grant {
        Some(grant) if grant.client == client.id => {
            take_back(grant, EndReason::RevokedByClient, now).proven(client, proof)
        }
        // Without effect, but for the assertion: it is used up by whatever it was shown for.
        _ => Verdict::yes(()).spending(proof),
    }
}

/// By its person, and nobody else's.
pub fn by_person(person: UserId, facts: &GrantFacts, now: UnixTime) -> Verdict<()> {
    match &facts.grant {
        Some(grant) if grant.subject == Subject::Person(person) => {
            take_back(grant, EndReason::RevokedByPerson, now)
        }
        _ => Verdict::refuse(Refusal::AgentUnknown),
    }
}

/// By an administrator.
pub fn by_admin(facts: &GrantFacts, now: UnixTime) -> Verdict<()> {
    match &facts.grant {
        Some(grant) => take_back(grant, EndReason::RevokedByAdmin, now),
        None => Verdict::refuse(Refusal::AgentUnknown),
    }
}

/// Every agent of some clients, by an administrator. Machines are suspended, or they would mint again at once.
pub fn clients(clients: &ClientsOf, now: UnixTime) -> Verdict<()> {
    let mut event = Event::new(EventKind::ClientCutOff, now).reason(EndReason::RevokedByAdmin.as_str());
    if let ClientsOf::One(id) = clients {
        event = event.client(id);
    }
    Verdict::yes(())
        .writing(Write::CutOffClients(clients.clone(), EndReason::RevokedByAdmin, now))
        .writing(Write::Audit(event))
}

/// Every agent of a person, by an administrator; the account stays, and its browsers stay signed in.
pub fn person(user: UserId, now: UnixTime) -> Verdict<()> {
    Verdict::yes(()).writing(Write::EndGrantsOfPerson(user, EndReason::RevokedByAdmin, now)).writing(
        Write::Audit(
            Event::new(EventKind::GrantEnded, now).user(user).reason(EndReason::RevokedByAdmin.as_str()),
        ),
    )
}

/// Switches a client off, with what its tokens can do now, or on again. Its grants stay: what was switched off by mistake
/// goes on when it is switched on.
pub fn enable_client(client: Option<&Client>, enabled: bool, now: UnixTime) -> Verdict<()> {
    let Some(client) = client else { return Verdict::refuse(Refusal::ClientUnknown) };
    let kind = if enabled { EventKind::ClientEnabled } else { EventKind::ClientDisabled };
    let verdict = Verdict::yes(())
        .writing(Write::SetClientEnabled(client.id.clone(), enabled))
        .writing(Write::Audit(Event::new(kind, now).client(&client.id)));
    match enabled {
        true => verdict,
        false => verdict.writing(Write::Cut(CutTarget::Client(client.id.clone()), now)),
    }
}

/// Restores a suspended machine agent.
pub fn restore(facts: &GrantFacts, now: UnixTime) -> Verdict<()> {
    match &facts.grant {
        Some(grant) if grant.state == GrantState::Suspended => {
            Verdict::yes(()).writing(Write::RestoreGrant(grant.id)).writing(Write::Audit(
                Event::new(EventKind::AgentRestored, now).grant(grant.id).client(&grant.client),
            ))
        }
        Some(grant) if grant.state == GrantState::Live => Verdict::yes(()),
        Some(_) => Verdict::refuse(Refusal::GrantEnded),
        None => Verdict::refuse(Refusal::AgentUnknown),
    }
}

/// Names an agent, for its person.
pub fn rename(person: UserId, label: Option<String>, facts: &GrantFacts, now: UnixTime) -> Verdict<()> {
    match &facts.grant {
        Some(grant) if grant.subject == Subject::Person(person) && grant.state == GrantState::Live => {
            Verdict::yes(())
                .expecting(Expect::GrantLive(grant.id))
                .writing(Write::LabelGrant(grant.id, label))
                .writing(Write::Audit(Event::new(EventKind::AgentRenamed, now).grant(grant.id).user(person)))
        }
        _ => Verdict::refuse(Refusal::AgentUnknown),
    }
}

/// Notes that an agent was seen, and ends the one it replaces: its new token has now been used.
pub fn seen(id: GrantId, facts: &GrantFacts, at: UnixTime) -> Verdict<()> {
    match &facts.grant {
        Some(grant) if grant.state == GrantState::Live => {
            let verdict = Verdict::yes(()).writing(Write::TouchGrant(id, at));
            match grant.replaces {
                Some(replaced) => verdict
                    .writing(Write::EndGrant { grant: replaced, reason: EndReason::Replaced, at })
                    .writing(Write::Replaced(id))
                    .writing(Write::Audit(ended(replaced, EndReason::Replaced, at).client(&grant.client))),
                None => verdict,
            }
        }
        _ => Verdict::yes(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Client;
    use crate::samples;
    use portcullis_wire::id::ClientId;

    fn facts() -> GrantFacts {
        GrantFacts {
            grant: Some(samples::grant()),
            client: Some(samples::public_client()),
            user: Some(samples::user()),
            spent: false,
            rev: 0,
        }
    }

    #[test]
    fn x25_t_cross_client_a_client_ends_its_own_grants_only() {
        let own = by_client(&ClientProof::Public, &facts(), samples::NOW);
        assert!(matches!(own.writes[0], Write::EndGrant { reason: EndReason::RevokedByClient, .. }));
        let other = GrantFacts {
            client: Some(Client { id: ClientId::parse("other").unwrap(), ..samples::public_client() }),
            ..facts()
        };
        let verdict = by_client(&ClientProof::Public, &other, samples::NOW);
        assert!(verdict.outcome.is_ok() && verdict.is_silent(), "200, without effect");
        let unknown = by_client(&ClientProof::Public, &GrantFacts { grant: None, ..facts() }, samples::NOW);
        assert!(unknown.outcome.is_ok() && unknown.is_silent());
    }

    #[test]
    fn what_has_ended_is_ended_again_so_that_the_answer_waits_for_the_first_cut() {
        let ended = Grant { state: GrantState::Ended(EndReason::RevokedByPerson), ..samples::grant() };
        let verdict = by_admin(&GrantFacts { grant: Some(ended), ..facts() }, samples::NOW);
        assert!(matches!(verdict.writes[..], [Write::EndGrant { reason: EndReason::RevokedByPerson, .. }]));
    }

    #[test]
    fn t_identity_source_a_person_ends_their_own_agents_only() {
        assert!(by_person(samples::user().id, &facts(), samples::NOW).outcome.is_ok());
        let verdict = by_person(UserId::from_number(999), &facts(), samples::NOW);
        assert_eq!(verdict.outcome.as_ref().err(), Some(&Refusal::AgentUnknown));
        assert!(verdict.is_silent());
    }

    #[test]
    fn a_machine_is_suspended_and_restored() {
        let machine = Grant { subject: Subject::Machine, tip: None, ..samples::grant() };
        let cut = by_admin(&GrantFacts { grant: Some(machine.clone()), ..facts() }, samples::NOW);
        assert!(matches!(cut.writes[0], Write::SuspendGrant(..)));
        let suspended = Grant { state: GrantState::Suspended, ..machine };
        let back = restore(&GrantFacts { grant: Some(suspended), ..facts() }, samples::NOW);
        assert!(matches!(back.writes[0], Write::RestoreGrant(_)));
        let ended = Grant { state: GrantState::Ended(EndReason::Idle), ..samples::grant() };
        assert_eq!(
            restore(&GrantFacts { grant: Some(ended), ..facts() }, samples::NOW).outcome.err(),
            Some(Refusal::GrantEnded)
        );
    }
}
