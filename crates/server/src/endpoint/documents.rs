//! The discovery documents (RFC 8414 §3, RFC 9728 §3), the keys (RFC 7517 §5), and the assets.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_rules::catalog::ResourceEntry;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::metadata::{ResourceMetadata, ServerMetadata};
use serde_json::Value;

use crate::app::App;
use crate::page::Asset;
use crate::reply;

/// How long a document may be kept, in seconds. A key is published for as long before it signs.
pub(crate) const DOCUMENT_LIFE: u64 = 300;

fn document(headers: &HeaderMap, body: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", &base64url::encode(Digest::of(&body).as_bytes())[..16]);
    let fresh = headers.get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes());
    let mut response = match fresh {
        true => reply::plain(StatusCode::NOT_MODIFIED, "application/json", ""),
        false => reply::plain(StatusCode::OK, "application/json", body),
    };
    if let Ok(life) = HeaderValue::from_str(&format!("public, max-age={DOCUMENT_LIFE}")) {
        response.headers_mut().insert(CACHE_CONTROL, life);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The authorization server's metadata, in every form clients of any revision ask for (protocol D02).
pub(crate) async fn server(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let settings = &app.settings;
    let resources: Vec<_> = settings.catalog.entries().iter().map(|entry| entry.resource.clone()).collect();
    let metadata =
        ServerMetadata::new(&settings.issuer, &settings.url(""), &settings.catalog.all_scopes(), &resources);
    let mut json = serde_json::to_value(metadata).unwrap_or_default();
    if !settings.registration.allowed
        && let Value::Object(members) = &mut json
    {
        members.remove("registration_endpoint");
    }
    document(&headers, json.to_string().into_bytes())
}

/// The keys.
pub(crate) async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    document(&headers, app.keyring.load().jwks.to_vec())
}

/// The metadata of one resource.
pub(crate) fn resource(app: &App, entry: &ResourceEntry, headers: &HeaderMap) -> Response {
    // The least useful set: what a client gets that names no scope (protocol R04, S12).
    let metadata = ResourceMetadata::new(
        &entry.resource,
        &app.settings.issuer,
        &entry.default_scopes(),
        Some(&entry.name),
    );
    document(headers, serde_json::to_vec(&metadata).unwrap_or_default())
}

/// A stylesheet or picture; its name changes with its content.
pub(crate) fn asset(asset: &'static Asset) -> Response {
    let mut response = reply::plain(StatusCode::OK, asset.media_type, asset.bytes);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
