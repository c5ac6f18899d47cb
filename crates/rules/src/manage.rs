//! Managing a registration (RFC 7592; protocol G13).
//!
//! Only a registration with a row of its own can be managed: one with a client secret. Public clients, and those that
//! sign with keys, share one row with whoever says the same of itself, so that registering again costs nothing; such
//! a row belongs to nobody, and nobody is handed the right to change or remove it for the others.
//!
//! An update is judged exactly as a registration is: its metadata went through the same reading
//! (`ClientMetadata::judge`). It replaces what the client says of itself and nothing else: what an administrator set
//! beside it (a ceiling, a switch) is not touched by the write at all, so that it cannot be dropped. Nothing is revived:
//! a client that was switched off or removed is told what an unknown one is told.

use portcullis_wire::digest::Digest;
use portcullis_wire::register::ClientMetadata;
use portcullis_wire::time::UnixTime;

use crate::event::{Event, EventKind};
use crate::model::{Client, EndReason, Origin};
use crate::refusal::Refusal;
use crate::register::drift;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// What an update says beside the metadata.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The `client_id` in the body, which must be there (RFC 7592 §2.2).
    pub client_id: Option<&'a str>,
    /// The digest of the `client_secret` in the body: if it is there, it must be the client's own.
    pub secret: Option<Digest>,
    /// The metadata, read as a registration's is.
    pub metadata: &'a ClientMetadata,
}

fn prove<'a>(client: Option<&'a Client>, token: &Digest) -> Result<&'a Client, Refusal> {
    client
        .filter(|client| client.origin == Origin::Registered && client.enabled)
        .filter(|client| client.management.is_some_and(|management| management.matches(token)))
        .ok_or(Refusal::RegistrationUnknown)
}

/// The registration a token may read. The answer to it is what was registered, whole, but for the secret: of that
/// only a digest is kept.
///
/// # Errors
/// [`Refusal::RegistrationUnknown`], whether there is no such client, it is switched off, or the token is not its own.
pub fn read<'a>(client: Option<&'a Client>, token: &Digest) -> Result<&'a Client, Refusal> {
    prove(client, token)
}

/// Whether anybody has ever connected it. Until then it is its maker's alone, and nothing is told of it, as nothing was
/// of its registration: anybody can register, and rows would be theirs to fill the trail with.
pub fn was_used(client: &Client, lifetimes: &Lifetimes) -> bool {
    client.expires_at.is_none_or(|end| end > client.created_at + lifetimes.registration_unused)
}

/// Replaces what a client says of itself, all of it: what is left out is gone (RFC 7592 §2.2).
pub fn update(
    ask: Update<'_>,
    client: Option<&Client>,
    token: &Digest,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Client> {
    let client = match prove(client, token) {
        Ok(client) => client,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    if ask.client_id != Some(client.id.as_str()) {
        return Verdict::refuse(Refusal::ClientIdMismatch);
    }
    let mismatch = |shown: &Digest| client.secret.is_none_or(|secret| !secret.matches(shown));
    if ask.secret.as_ref().is_some_and(mismatch) {
        return Verdict::refuse(Refusal::ClientIdMismatch);
    }
    // Whoever holds the registration's token must not be able to make the secret needless.
    if !ask.metadata.auth_method.has_secret() {
        return Verdict::refuse(Refusal::MethodFixed);
    }
    let after = Client { metadata: ask.metadata.clone(), ..client.clone() };
    if after.metadata == client.metadata {
        return Verdict::yes(after);
    }
    let event = |reason| Event::new(EventKind::ClientUpdated, now).client(&client.id).reason(reason);
    let mut changed = drift(&client.metadata, ask.metadata);
    if changed.is_empty() {
        changed.push("client_metadata");
    }
    let verdict = Verdict::yes(after)
        .expecting(Expect::ClientEnabled(client.id.clone()))
        .expecting(Expect::ManagedBy(client.id.clone(), *token))
        .writing(Write::UpdateClient(client.id.clone(), ask.metadata.clone()));
    if !was_used(client, lifetimes) {
        return verdict;
    }
    changed.into_iter().fold(verdict, |verdict, what| verdict.writing(Write::Audit(event(what))))
}

/// Removes a registration: its grants end, its tokens are refused, its id is unknown (RFC 7592 §2.3).
pub fn remove(client: Option<&Client>, token: &Digest, lifetimes: &Lifetimes, now: UnixTime) -> Verdict<()> {
    let client = match prove(client, token) {
        Ok(client) => client,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let verdict = Verdict::yes(())
        .expecting(Expect::ClientEnabled(client.id.clone()))
        .expecting(Expect::ManagedBy(client.id.clone(), *token))
        .writing(Write::EndGrantsOfClient(client.id.clone(), EndReason::ClientRemoved, now))
        .writing(Write::RemoveClient(client.id.clone()));
    if !was_used(client, lifetimes) {
        return verdict;
    }
    let event = Event::new(EventKind::ClientRemoved, now).client(&client.id).reason("by_client");
    verdict.writing(Write::Audit(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use portcullis_wire::id::ClientId;
    use portcullis_wire::redirect::RedirectUri;
    use portcullis_wire::register::AuthMethod;
    use portcullis_wire::scope::Scopes;

    fn token() -> Digest {
        Digest::of(b"registration")
    }
    fn client() -> Client {
        let public = samples::public_client();
        Client {
            metadata: ClientMetadata { auth_method: AuthMethod::ClientSecretBasic, ..public.metadata },
            secret: Some(Digest::of(b"secret")),
            management: Some(token()),
            expires_at: None,
            ceiling: Some(Scopes::parse("read").unwrap()),
            ..public
        }
    }
    fn run(
        client: Option<&Client>,
        id: Option<&str>,
        secret: Option<&[u8]>,
        after: &ClientMetadata,
    ) -> Verdict<Client> {
        let ask = Update { client_id: id, secret: secret.map(Digest::of), metadata: after };
        update(ask, client, &token(), &Lifetimes::default(), samples::NOW)
    }

    #[test]
    fn g13_only_the_registrations_own_token_reads_changes_or_removes_it() {
        let own = client();
        let off = Client { enabled: false, ..client() };
        let entered = Client { origin: Origin::Preregistered, ..client() };
        let shared = Client { management: None, ..client() };
        let stranger = Digest::of(b"another");
        for (name, row, shown, fits) in [
            ("its own", Some(&own), token(), true),
            ("another token", Some(&own), stranger, false),
            ("no such client", None, token(), false),
            ("switched off", Some(&off), token(), false),
            ("entered by an administrator", Some(&entered), token(), false),
            ("shared by what it says", Some(&shared), token(), false),
        ] {
            let expected = (!fits).then_some(Refusal::RegistrationUnknown);
            assert_eq!(read(row, &shown).err(), expected, "{name}");
            let removed = remove(row, &shown, &Lifetimes::default(), samples::NOW);
            assert_eq!(removed.outcome.as_ref().err(), expected.as_ref(), "{name}");
            assert_eq!(removed.is_silent(), !fits, "{name}");
            let ask = Update { client_id: Some("client"), secret: None, metadata: &own.metadata };
            assert_eq!(
                update(ask, row, &shown, &Lifetimes::default(), samples::NOW).outcome.err(),
                expected,
                "{name}"
            );
        }
        assert_eq!(Refusal::RegistrationUnknown.code().as_str(), "invalid_token");
    }

    #[test]
    fn t_roundtrip_writing_back_what_was_read_changes_nothing() {
        let client = client();
        let read = read(Some(&client), &token()).unwrap().metadata.clone();
        let verdict = run(Some(&client), Some("client"), Some(b"secret"), &read);
        assert!(verdict.is_silent());
        assert_eq!(verdict.outcome, Ok(client));
    }

    #[test]
    fn g13_t_roundtrip_an_update_replaces_what_the_client_says_and_touches_nothing_else() {
        let before = client();
        let after = ClientMetadata {
            redirect_uris: vec![RedirectUri::from_row("https://a.example/cb".to_owned())],
            ..before.metadata.clone()
        };
        let verdict = run(Some(&before), Some("client"), None, &after);
        assert_eq!(verdict.outcome, Ok(Client { metadata: after.clone(), ..before.clone() }));
        assert_eq!(verdict.writes[0], Write::UpdateClient(before.id.clone(), after));
        let told = verdict.writes.iter().any(|write| {
            matches!(write, Write::Audit(event) if event.kind == EventKind::ClientUpdated
                && event.reason == Some("redirect_uris"))
        });
        assert!(told, "T-drift: changed redirects are told");
        assert!(verdict.expects.contains(&Expect::ClientEnabled(before.id.clone())), "nothing is revived");
        assert!(verdict.expects.contains(&Expect::ManagedBy(before.id, token())));
    }

    #[test]
    fn g13_an_update_names_its_client_and_keeps_it_confidential() {
        let row = client();
        let public = ClientMetadata { auth_method: AuthMethod::None, ..row.metadata.clone() };
        let post = ClientMetadata { auth_method: AuthMethod::ClientSecretPost, ..row.metadata.clone() };
        let same = &row.metadata;
        for (name, id, secret, metadata, expected) in [
            ("no client_id", None, None, same, Some(Refusal::ClientIdMismatch)),
            ("another's", Some("other"), None, same, Some(Refusal::ClientIdMismatch)),
            ("another secret", Some("client"), Some(&b"guess"[..]), same, Some(Refusal::ClientIdMismatch)),
            ("made public", Some("client"), None, &public, Some(Refusal::MethodFixed)),
            ("secret in the body", Some("client"), Some(b"secret"), &post, None),
        ] {
            let verdict = run(Some(&row), id, secret, metadata);
            assert_eq!(verdict.outcome.as_ref().err(), expected.as_ref(), "{name}");
            assert_eq!(verdict.is_silent(), expected.is_some(), "{name}");
        }
    }

    #[test]
    fn g13_removing_ends_every_grant_and_token() {
        let verdict = remove(Some(&client()), &token(), &Lifetimes::default(), samples::NOW);
        let id = ClientId::parse("client").unwrap();
        assert_eq!(
            verdict.writes[..2],
            [
                Write::EndGrantsOfClient(id.clone(), EndReason::ClientRemoved, samples::NOW),
                Write::RemoveClient(id),
            ]
        );
    }

    #[test]
    fn t_flood_nothing_is_told_of_a_registration_that_nobody_ever_used() {
        let lifetimes = Lifetimes::default();
        let made = client().created_at;
        let after = ClientMetadata { auth_method: AuthMethod::ClientSecretPost, ..client().metadata };
        for (name, expires_at, told) in [
            ("never used", Some(made + lifetimes.registration_unused), false),
            ("used", Some(made + lifetimes.registration_idle), true),
            ("kept for good", None, true),
        ] {
            let row = Client { expires_at, ..client() };
            let tells = |writes: &[Write]| writes.iter().any(|write| matches!(write, Write::Audit(_)));
            assert_eq!(tells(&run(Some(&row), Some("client"), None, &after).writes), told, "{name}");
            let removed = remove(Some(&row), &token(), &lifetimes, samples::NOW);
            assert_eq!(tells(&removed.writes), told, "{name}, removed");
        }
    }
}
