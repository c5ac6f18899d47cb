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

/// Replaces what a client says of itself, all of it: what is left out is gone (RFC 7592 §2.2).
pub fn update(ask: Update<'_>, client: Option<&Client>, token: &Digest, now: UnixTime) -> Verdict<Client> {
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
    changed.into_iter().fold(verdict, |verdict, what| verdict.writing(Write::Audit(event(what))))
}

/// Removes a registration: its grants end, its tokens are refused, its id is unknown (RFC 7592 §2.3).
pub fn remove(client: Option<&Client>, token: &Digest, now: UnixTime) -> Verdict<()> {
    match prove(client, token) {
        Ok(client) => Verdict::yes(())
            .expecting(Expect::ClientEnabled(client.id.clone()))
            .expecting(Expect::ManagedBy(client.id.clone(), *token))
            .writing(Write::EndGrantsOfClient(client.id.clone(), EndReason::ClientRemoved, now))
            .writing(Write::RemoveClient(client.id.clone()))
            .writing(Write::Audit(
                Event::new(EventKind::ClientRemoved, now).client(&client.id).reason("by_client"),
            )),
        Err(refusal) => Verdict::refuse(refusal),
    }
}
