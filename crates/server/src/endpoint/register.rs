//! `POST /register` (RFC 7591 §3).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use portcullis_jose::mint::Secret;
use portcullis_jose::seal::tag;
use portcullis_rules::register::{fingerprint, register, shares};
use portcullis_wire::base64url;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::ClientId;
use portcullis_wire::register::{AuthMethod, ClientMetadata, MetadataError};
use portcullis_wire::{json, limit};
use serde_json::{Value, json};

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
    if let Err(wait) = app.registrations.take(source_prefix(source(&app, &parts)), app.now()) {
        return reply::later(
            StatusCode::TOO_MANY_REQUESTS,
            wait,
            "Too many registrations from this address.",
        );
    }
    let media = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return reply::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidClientMetadata,
            "The body must be application/json.",
        );
    }
    let body = match bytes(body, limit::REGISTRATION_BODY).await {
        Ok(body) => body,
        Err(fault) => return reply::unreadable(&fault),
    };
    let members = match json::parse_object(&body, limit::JSON_DEPTH) {
        Ok(members) => members,
        Err(fault) => {
            return reply::error(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidClientMetadata,
                &fault.to_string(),
            );
        }
    };
    let metadata = match ClientMetadata::judge(&members, AuthMethod::ClientSecretBasic, &app.settings.schemes)
    {
        Ok(metadata) => metadata,
        Err(fault) => return reply::error(StatusCode::BAD_REQUEST, code(fault), &fault.to_string()),
    };
    if metadata.jwks.as_ref().is_some_and(|jwks| {
        portcullis_jose::key::KeySet::parse(jwks.as_bytes()).map_or(true, |keys| keys.is_empty())
    }) {
        return reply::error(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidClientMetadata,
            &MetadataError::Keys.to_string(),
        );
    }
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
    let digest = secret.as_ref().map(portcullis_jose::mint::Opaque::digest);
    let outcome = app
        .settle(
            |store| store.client(id.clone()),
            |_, now| register(id.clone(), metadata.clone(), digest, None, &app.settings.lifetimes, now),
        )
        .await;
    match outcome {
        Ok(Ok(client)) => reply::json(
            StatusCode::CREATED,
            &echo(
                &client.id,
                &metadata,
                app.now().seconds(),
                secret.as_ref().map(portcullis_jose::mint::Opaque::expose),
            ),
        ),
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
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

/// Everything that was registered, defaults included (RFC 7591 §3.2.1).
fn echo(id: &ClientId, metadata: &ClientMetadata, now: i64, secret: Option<&str>) -> Value {
    let mut out = json!({
        "client_id": id,
        "client_id_issued_at": now,
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
    put("client_secret", secret.map(|secret| json!(secret)));
    put("client_secret_expires_at", secret.map(|_| json!(0)));
    out
}
