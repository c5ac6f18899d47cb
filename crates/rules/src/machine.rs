//! A machine's token for itself (RFC 6749 §4.4): confidential, pre-registered clients only.

use portcullis_wire::digest::Digest;
use portcullis_wire::id::GrantId;
use portcullis_wire::register::{AuthMethod, GrantType};
use portcullis_wire::scope::{OFFLINE_ACCESS, Scopes};
use portcullis_wire::time::UnixTime;

use crate::catalog::ResourceEntry;
use crate::code::{Granted, RefreshOut};
use crate::event::{Event, EventKind};
use crate::facts::MachineFacts;
use crate::model::{Client, Grant, GrantState, Origin, Subject};
use crate::proof::{ClientProof, prove};
use crate::refusal::Refusal;
use crate::verdict::{Expect, Verdict, Write};

/// Decides on a client-credentials request at `entry`. `fresh` is the id of a new grant, should there be none yet.
pub fn decide(
    proof: &ClientProof,
    scope: Option<&str>,
    entry: &ResourceEntry,
    facts: &MachineFacts,
    fresh: GrantId,
    now: UnixTime,
) -> Verdict<Granted> {
    match prove(facts.client.as_ref(), proof, facts.spent) {
        Ok(client) => judge(client, proof, scope, entry, facts, fresh, now).spending(proof),
        Err(refusal) => Verdict::refuse(refusal),
    }
}

fn judge(
    client: &Client,
    proof: &ClientProof,
    scope: Option<&str>,
    entry: &ResourceEntry,
    facts: &MachineFacts,
    fresh: GrantId,
    now: UnixTime,
) -> Verdict<Granted> {
    if client.origin != Origin::Preregistered
        || client.metadata.auth_method == AuthMethod::None
        || !client.metadata.may_use(GrantType::ClientCredentials)
    {
        return Verdict::refuse(Refusal::GrantNotAllowed);
    }
    let scopes = match scopes(client, scope, entry) {
        Ok(scopes) => scopes,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let event =
        Event::new(EventKind::MachineTokenIssued, now).client(&client.id).access(&entry.resource, &scopes);
    let granted = |grant| Granted {
        grant,
        subject: Subject::Machine,
        client: client.id.clone(),
        resource: entry.resource.clone(),
        scopes: scopes.clone(),
        rev: facts.rev,
        refresh: RefreshOut::None,
    };
    match &facts.grant {
        Some(grant) if grant.state != GrantState::Live => Verdict::refuse(Refusal::AgentSuspended),
        Some(grant) => Verdict::yes(granted(grant.id))
            .proven(client, proof)
            .expecting(Expect::GrantLive(grant.id))
            .writing(Write::TouchGrant(grant.id, now))
            .writing(Write::Audit(event.grant(grant.id))),
        None => {
            let grant = Grant {
                id: fresh,
                client: client.id.clone(),
                subject: Subject::Machine,
                resource: entry.resource.clone(),
                scopes: client.ceiling.clone().unwrap_or_default().intersection(&entry.offered()),
                redirect: None,
                label: None,
                created_at: now,
                last_used_at: now,
                expires_at: None,
                state: GrantState::Live,
                replaces: None,
                tip: None,
                wanted: Vec::new(),
                personal: None,
            };
            Verdict::yes(granted(fresh))
                .proven(client, proof)
                .writing(Write::AddGrant(grant))
                .writing(Write::Audit(event.grant(fresh)))
        }
    }
}

/// Granted ⊆ client ∩ resource ∩ asked. A machine's ceiling is what an administrator entered, never "all".
fn scopes(client: &Client, asked: Option<&str>, entry: &ResourceEntry) -> Result<Scopes, Refusal> {
    let most = client.ceiling.clone().unwrap_or_default().intersection(&entry.offered());
    let named =
        Scopes::parse(asked.unwrap_or_default()).map_err(|_| Refusal::ScopeUnknown)?.without(OFFLINE_ACCESS);
    let granted = if named.is_empty() { most } else { named.intersection(&most) };
    if granted.is_empty() { Err(Refusal::ScopeUnknown) } else { Ok(granted) }
}

/// What stands for an assertion's `jti`, so that it is used once (RFC 7523 §3).
pub fn assertion_digest(client: &str, jti: &str) -> Digest {
    let mut text = format!("{}:{client}", client.len()).into_bytes();
    text.extend_from_slice(jti.as_bytes());
    Digest::of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog;
    use crate::samples;

    fn run(client: Client, scope: Option<&str>, grant: Option<Grant>) -> Verdict<Granted> {
        let facts = MachineFacts { client: Some(client), grant, spent: false, rev: 1 };
        decide(
            &ClientProof::Secret(Digest::of(b"secret")),
            scope,
            &catalog().entries()[0],
            &facts,
            GrantId::from_number(8),
            samples::NOW,
        )
    }

    #[test]
    fn x01_confidential_pre_registered_clients_only() {
        let machine = samples::machine_client();
        assert_eq!(run(machine.clone(), None, None).outcome.unwrap().scopes.to_string(), "read");
        let registered = Client { origin: Origin::Registered, ..machine };
        assert_eq!(run(registered, None, None).outcome.err(), Some(Refusal::GrantNotAllowed));
        let public = samples::public_client();
        let facts = MachineFacts { client: Some(public), ..MachineFacts::default() };
        let verdict = decide(
            &ClientProof::Public,
            None,
            &catalog().entries()[0],
            &facts,
            GrantId::from_number(8),
            samples::NOW,
        );
        assert_eq!(verdict.outcome.err(), Some(Refusal::GrantNotAllowed));
    }

    #[test]
    fn t_scope_ceiling_a_machine_never_gets_what_was_not_entered_for_it() {
        let machine = samples::machine_client();
        assert_eq!(run(machine.clone(), Some("write"), None).outcome.err(), Some(Refusal::ScopeUnknown));
        assert_eq!(
            run(machine.clone(), Some("read write"), None).outcome.unwrap().scopes.to_string(),
            "read"
        );
        let unbounded = Client { ceiling: None, ..machine };
        assert_eq!(run(unbounded, None, None).outcome.err(), Some(Refusal::ScopeUnknown));
    }

    #[test]
    fn x05_an_assertion_is_spent_by_a_refusal_too() {
        let mut machine = samples::machine_client();
        machine.metadata.auth_method = AuthMethod::PrivateKeyJwt;
        machine.metadata.jwks = Some("{}".to_owned());
        let spend = Digest::of(b"jti");
        let keys = crate::proof::keys_of(&machine.metadata);
        let proof = ClientProof::Assertion { spend, until: samples::NOW, keys };
        let spends = |writes: &[Write]| {
            writes
                .iter()
                .filter(|w| matches!(w, Write::Spend { digest, .. } if digest.matches(&spend)))
                .count()
        };
        let ask = |scope, spent| {
            let facts = MachineFacts { client: Some(machine.clone()), grant: None, spent, rev: 1 };
            decide(&proof, scope, &catalog().entries()[0], &facts, GrantId::from_number(8), samples::NOW)
        };
        let yes = ask(None, false);
        assert!(yes.outcome.is_ok());
        assert_eq!(spends(&yes.writes), 1);
        let no = ask(Some("write"), false);
        assert_eq!(no.outcome.err(), Some(Refusal::ScopeUnknown));
        assert_eq!(spends(&no.writes), 1);
        let replayed = ask(None, true);
        assert_eq!(replayed.outcome.err(), Some(Refusal::AssertionReplayed));
        assert!(replayed.writes.is_empty());
    }

    #[test]
    fn a_suspended_machine_agent_mints_nothing() {
        let suspended =
            Grant { subject: Subject::Machine, state: GrantState::Suspended, tip: None, ..samples::grant() };
        let verdict = run(samples::machine_client(), None, Some(suspended));
        assert_eq!(verdict.outcome.as_ref().err(), Some(&Refusal::AgentSuspended));
        assert!(verdict.is_silent());
    }
}
