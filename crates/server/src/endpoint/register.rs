//! `POST /register` (RFC 7591 §3). A client with a secret of its own is also told how to change and remove what it
//! registered (RFC 7592); see [`manage`](super::manage).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use portcullis_jose::mint::{Opaque, Registration, Secret};
use portcullis_jose::seal::tag;
use portcullis_rules::register::{fingerprint, register, shares};
use portcullis_wire::base64url;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::ClientId;
use portcullis_wire::register::{AuthMethod, ClientMetadata, MetadataError};
use portcullis_wire::{json, limit};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::client::source_prefix;
use crate::entropy::EntropyShapes as _;
use crate::reply;
use crate::request::{bytes, source};

/// Registers a client.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !app.settings.registration.allowed {
        return reply::error(
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDenied,
            "Registration is switched off here; ask an administrator for a client_id.",
        );
    }
    if let Err(wait) = take(&app, &parts) {
        return slowed(wait);
    }
    let (_, metadata) = match read(&app, &parts, body).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let secret = metadata
        .auth_method
        .has_secret()
        .then(|| app.mint.mint::<Secret>(app.entropy.number(app.now()), app.entropy.bytes()));
    let id = if shares(&metadata) {
        let print = tag(&app.fingerprint_key, &[fingerprint(&metadata).as_bytes()]);
        format!("dcr_{}", base64url::encode(&print[..16]))
    } else {
        format!("dcr_{}", app.entropy.text())
    };
    let Some(id) = ClientId::parse(&id) else { return reply::unavailable(crate::app::Unavailable) };
    let digest = secret.as_ref().map(Opaque::digest);
    // A shared row is nobody's own, so nobody is handed the token that changes it.
    let token = (!shares(&metadata))
        .then(|| app.mint.mint::<Registration>(app.entropy.number(app.now()), app.entropy.bytes()));
    let managed = token.as_ref().map(Opaque::digest);
    let outcome = app
        .settle(
            |store| store.client(id.clone()),
            |_, now| register(id.clone(), metadata.clone(), digest, managed, &app.settings.lifetimes, now),
        )
        .await;
    match outcome {
        Ok(Ok(client)) => {
            let kept = Kept {
                secret: secret.as_ref().map(Opaque::expose),
                token: token.as_ref().map(Opaque::expose),
            };
            reply::json(StatusCode::CREATED, &echo(&app, &client.id, &metadata, app.now().seconds(), &kept))
        }
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

/// Counts a registration, or what is done with one, against the address it comes from.
pub(super) fn take(app: &App, parts: &Parts) -> Result<(), Duration> {
    app.registrations.take(source_prefix(source(app, parts)), app.now())
}

/// 429: the address has to wait.
pub(super) fn slowed(wait: Duration) -> Response {
    reply::later(StatusCode::TOO_MANY_REQUESTS, wait, "Too many registrations from this address.")
}

/// Reads and judges what a client says of itself.
pub(super) async fn read(
    app: &App,
    parts: &Parts,
    body: Body,
) -> Result<(Map<String, Value>, ClientMetadata), Response> {
    let wrong = |status, text: &str| reply::error(status, ErrorCode::InvalidClientMetadata, text);
    let media = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json."));
    }
    let body = bytes(body, limit::REGISTRATION_BODY).await.map_err(|fault| reply::unreadable(&fault))?;
    let members = json::parse_object(&body, limit::JSON_DEPTH)
        .map_err(|fault| wrong(StatusCode::BAD_REQUEST, &fault.to_string()))?;
    let metadata = ClientMetadata::judge(&members, AuthMethod::ClientSecretBasic, &app.settings.schemes)
        .map_err(|fault| reply::error(StatusCode::BAD_REQUEST, code(fault), &fault.to_string()))?;
    if metadata.jwks.as_ref().is_some_and(|jwks| {
        portcullis_jose::key::KeySet::parse(jwks.as_bytes()).map_or(true, |keys| keys.is_empty())
    }) {
        return Err(wrong(StatusCode::BAD_REQUEST, &MetadataError::Keys.to_string()));
    }
    Ok((members, metadata))
}

/// RFC 7591 §3.2.2.
fn code(fault: MetadataError) -> ErrorCode {
    match fault {
        MetadataError::Redirect(_) | MetadataError::RedirectCount | MetadataError::Type("redirect_uris") => {
            ErrorCode::InvalidRedirectUri
        }
        MetadataError::SoftwareStatement => ErrorCode::UnapprovedSoftwareStatement,
        _ => ErrorCode::InvalidClientMetadata,
    }
}

/// What only the client keeps: of both we have a digest.
pub(super) struct Kept<'a> {
    /// Its secret, where it was just made.
    pub(super) secret: Option<&'a str>,
    /// The token that manages its registration (RFC 7592 §3), where it has one.
    pub(super) token: Option<&'a str>,
}

/// Everything that was registered, defaults included (RFC 7591 §3.2.1), since `issued`, in seconds.
pub(super) fn echo(
    app: &App,
    id: &ClientId,
    metadata: &ClientMetadata,
    issued: i64,
    kept: &Kept<'_>,
) -> Value {
    let mut out = json!({
        "client_id": id,
        "client_id_issued_at": issued,
        "redirect_uris": metadata.redirect_uris,
        "token_endpoint_auth_method": metadata.auth_method.as_str(),
        "grant_types": metadata.grant_types.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "response_types": ["code"],
        "application_type": metadata.application_type,
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let (Some(value), Value::Object(members)) = (value, &mut out) {
            members.insert(name.to_owned(), value);
        }
    };
    put("client_name", (!metadata.name.is_empty()).then(|| json!(metadata.name)));
    put("scope", (!metadata.scope.is_empty()).then(|| json!(metadata.scope)));
    put("client_uri", metadata.client_uri.as_ref().map(|uri| json!(uri)));
    put("jwks_uri", metadata.jwks_uri.as_ref().map(|uri| json!(uri)));
    put("jwks", metadata.jwks.as_ref().and_then(|jwks| serde_json::from_str(jwks).ok()));
    put("client_secret", kept.secret.map(|secret| json!(secret)));
    put("client_secret_expires_at", kept.secret.map(|_| json!(0)));
    put("registration_access_token", kept.token.map(|token| json!(token)));
    put("registration_client_uri", kept.token.map(|_| json!(app.settings.url(&format!("/register/{id}")))));
    out
}
