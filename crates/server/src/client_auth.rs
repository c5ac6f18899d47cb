//! Who calls the token, revocation or introspection endpoint, and what it showed of itself.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode};
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::manage::was_used;
use portcullis_rules::model::Client;
use portcullis_rules::proof::ClientProof;
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::{Expect, Verdict, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;
use portcullis_wire::id::ClientId;
use portcullis_wire::time::UnixTime;
use portcullis_wire::token::ClientAuth;

use crate::app::{App, Unavailable};
use crate::client::{AssertionFault, assertion_client_id, assertion_proof, drift, source_prefix};
use crate::reply;
use crate::request::authorization;
use axum::response::Response;

/// A client and its proof, to be judged again with the decision's own facts.
pub(crate) struct Caller {
    pub(crate) id: ClientId,
    pub(crate) proof: ClientProof,
}

/// Reads and checks what costs something: an assertion's signature, a metadata document that may have changed.
pub(crate) async fn caller(
    app: &App,
    headers: &HeaderMap,
    form: &Form,
    source: IpAddr,
) -> Result<Caller, Response> {
    let header = authorization(headers).map_err(|fault| reply::unreadable(&fault))?;
    let auth = ClientAuth::read(header, form).map_err(reply::malformed)?;
    let unknown = || reply::refused(Refusal::ClientUnknown);
    let named = match &auth {
        ClientAuth::None { client_id }
        | ClientAuth::Basic { client_id, .. }
        | ClientAuth::Post { client_id, .. } => ClientId::parse(client_id),
        ClientAuth::Assertion { client_id, assertion } => {
            let inside = assertion_client_id(assertion.expose());
            // RFC 7521 §4.2: a client_id beside the assertion must name the same client.
            match client_id {
                Some(text) => ClientId::parse(text).filter(|id| Some(id) == inside.as_ref()),
                None => inside,
            }
        }
    };
    let id = named.ok_or_else(unknown)?;
    let looked_at = match &auth {
        // Nothing to check ahead: the decision reads the row in its own snapshot.
        ClientAuth::None { .. } | ClientAuth::Basic { .. } | ClientAuth::Post { .. } if !id.is_url() => None,
        _ => Some(known_client(app, &id, source).await.map_err(reply::unavailable)?.ok_or_else(unknown)?),
    };
    let proof = match &auth {
        ClientAuth::None { .. } => ClientProof::Public,
        ClientAuth::Basic { secret, .. } | ClientAuth::Post { secret, .. } => {
            ClientProof::Secret(Digest::of(secret.expose().as_bytes()))
        }
        ClientAuth::Assertion { assertion, .. } => {
            let endpoint = app.settings.url("/token");
            let client = looked_at.as_ref().ok_or_else(unknown)?;
            // Each good one is kept until it is over. Of a registration that nobody has connected yet anybody can make
            // as many as they like, so they count as registering does.
            if !was_used(client, &app.settings.lifetimes)
                && let Err(wait) = app.registrations.take(source_prefix(source), app.now())
            {
                let text = "Too many assertions of new registrations from this address.";
                return Err(reply::later(StatusCode::TOO_MANY_REQUESTS, wait, text));
            }
            assertion_proof(
                &app.documents,
                client,
                assertion.expose(),
                &app.settings.issuer,
                &endpoint,
                source,
                app.now(),
            )
            .await
            .map_err(|fault| match fault {
                // Its keys cannot be had just now: `invalid_client` would make it throw its registration away.
                AssertionFault::Keys(fault) if fault.is_transient() => reply::unavailable(Unavailable),
                fault => reply::refused(fault.into()),
            })?
        }
    };
    Ok(Caller { id, proof })
}

/// The client's row; one with a metadata document is looked at again (protocol C16), and its row follows.
/// When the document cannot be had just now, the row of last time stands: its grants were judged by it.
async fn known_client(app: &App, id: &ClientId, source: IpAddr) -> Result<Option<Client>, Unavailable> {
    let row = app.store.client(id.clone()).await?;
    let row = match row {
        Some(row) if id.is_url() => row,
        other => return Ok(other),
    };
    match app.documents.client_with(id, true, source, &app.settings.lifetimes).await {
        Ok(mut now) if now.metadata != row.metadata => {
            now.enabled = row.enabled;
            let update = now.clone();
            let written = app
                .settle(
                    |store| store.client(id.clone()),
                    |_, at| {
                        let put = Verdict::yes(())
                            .expecting(Expect::ClientEnabled(id.clone()))
                            .writing(Write::PutClient(update.clone()));
                        changes(&row, &update, at).into_iter().fold(put, Verdict::writing)
                    },
                )
                .await;
            Ok(Some(if written.is_ok() { now } else { row }))
        }
        Ok(_) => Ok(Some(row)),
        Err(fault) if fault.is_transient() => Ok(Some(row)),
        // The document is gone or no longer valid: so is the client.
        Err(_) => Ok(None),
    }
}

/// An event for each change that a person would want to know of, when the row of a client follows its document.
pub(crate) fn changes(row: &Client, now: &Client, at: UnixTime) -> Vec<Write> {
    drift(&row.metadata, &now.metadata)
        .into_iter()
        .map(|what| Write::Audit(Event::new(EventKind::ClientChanged, at).client(&now.id).reason(what)))
        .collect()
}
