//! `/register/{client_id}`: a client reads, changes and removes its own registration (RFC 7592 §2).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use portcullis_jose::mint::Registration;
use portcullis_rules::manage::{self, Update};
use portcullis_rules::model::Client;
use portcullis_rules::refusal::Refusal;
use portcullis_wire::digest::Digest;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::ClientId;
use serde_json::Value;

use crate::app::App;
use crate::endpoint::register::{self, Kept, echo};
use crate::reply;
use crate::request::authorization;

/// Whose registration, and the token that was shown for it.
struct Holder {
    id: ClientId,
    token: String,
    digest: Digest,
}

/// 401 with a challenge (RFC 6750 §3), the same for an unknown client and for a token that is not its own (RFC 7592
/// §2.1). A request that shows no token is told of none that is wrong.
fn unauthorized(shown: bool) -> Response {
    let refusal = Refusal::RegistrationUnknown;
    let mut response = reply::error(StatusCode::UNAUTHORIZED, refusal.code(), refusal.description());
    let challenge = if shown { "Bearer error=\"invalid_token\"" } else { "Bearer" };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn holder(app: &App, parts: &Parts, id: &str) -> Result<Holder, Box<Response>> {
    register::take(app, parts).map_err(register::slowed)?;
    let header = authorization(&parts.headers).map_err(|fault| reply::unreadable(&fault))?;
    let shown = header.and_then(|header| header.split_once(' '));
    let Some(token) =
        shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    else {
        return Err(unauthorized(false).into());
    };
    let presented = app.mint.read::<Registration>(token).ok_or_else(|| unauthorized(true))?;
    let id = ClientId::parse(id).ok_or_else(|| unauthorized(true))?;
    Ok(Holder { id, token: token.to_owned(), digest: presented.digest })
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::RegistrationUnknown => unauthorized(true),
        refusal => reply::error(StatusCode::BAD_REQUEST, refusal.code(), refusal.description()),
    }
}

/// All that is registered, and the way to it (RFC 7592 §3). Of the secret we keep a digest, so it is not in it.
fn told(app: &App, client: &Client, holder: &Holder) -> Response {
    let kept = Kept { secret: None, token: Some(&holder.token) };
    let whole = echo(app, &client.id, &client.metadata, client.created_at.seconds(), &kept);
    reply::json(StatusCode::OK, &whole)
}

/// RFC 7592 §2.1.
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let holder = match holder(&app, &parts, &id) {
        Ok(holder) => holder,
        Err(response) => return *response,
    };
    match app.store.client(holder.id.clone()).await {
        Ok(client) => match manage::read(client.as_ref(), &holder.digest) {
            Ok(client) => told(&app, client, &holder),
            Err(refusal) => refused(refusal),
        },
        Err(error) => reply::unavailable(error.into()),
    }
}

/// RFC 7592 §2.2: what is sent takes the place of what was, and is judged as a registration is. Members that are ours
/// to give (the token, the address, when the id was issued) change nothing, so that what was read can be sent back.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let holder = match holder(&app, &parts, &id) {
        Ok(holder) => holder,
        Err(response) => return *response,
    };
    // Whoever may not ask for a judgement is told so before any of the body is.
    match app.store.client(holder.id.clone()).await {
        Ok(client) => {
            if let Err(refusal) = manage::read(client.as_ref(), &holder.digest) {
                return refused(refusal);
            }
        }
        Err(error) => return reply::unavailable(error.into()),
    }
    if !app.settings.registration.allowed {
        return reply::error(
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDenied,
            "Registration is switched off here: what is registered can be read and removed.",
        );
    }
    // Refused, and not just left out of the trail: who watches it must see every change there is.
    if let Err(wait) = app.changes.take(holder.id.clone(), app.now()) {
        let text = "This registration was changed too often.";
        return reply::later(StatusCode::TOO_MANY_REQUESTS, wait, text);
    }
    let (members, metadata) = match register::read(&app, &parts, body).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let secret = match members.get("client_secret") {
        None | Some(Value::Null) => None,
        // What is no text cannot be the secret.
        Some(secret) => Some(Digest::of(secret.as_str().unwrap_or_default().as_bytes())),
    };
    let ask =
        Update { client_id: members.get("client_id").and_then(Value::as_str), secret, metadata: &metadata };
    let outcome = app
        .settle(
            |store| store.client(holder.id.clone()),
            |client, now| manage::update(ask, client.as_ref(), &holder.digest, &app.settings.lifetimes, now),
        )
        .await;
    match outcome {
        Ok(Ok(client)) => told(&app, &client, &holder),
        Ok(Err(refusal)) => refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

/// RFC 7592 §2.3: the client is gone, and with it every agent of its own.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let holder = match holder(&app, &parts, &id) {
        Ok(holder) => holder,
        Err(response) => return *response,
    };
    let outcome = app
        .settle(
            |store| store.client(holder.id.clone()),
            |client, now| manage::remove(client.as_ref(), &holder.digest, &app.settings.lifetimes, now),
        )
        .await;
    match outcome {
        Ok(Ok(())) => {
            let mut response = reply::plain(StatusCode::NO_CONTENT, "application/json", "");
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Err(refusal)) => refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}
