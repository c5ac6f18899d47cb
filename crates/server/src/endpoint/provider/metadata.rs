//! `GET /saml/{name}/metadata`: what an identity provider is told of us (SAML Metadata §2).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::app::App;
use crate::endpoint::fault::Fault;
use crate::provider::Party;
use crate::reply;

/// Tells it; the address is our entity id.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match app.providers.find(&name).map(|provider| &provider.party) {
        Some(Party::Saml(party)) => {
            reply::plain(StatusCode::OK, "application/samlmetadata+xml", party.metadata())
        }
        _ => Fault::no_provider().page(&app),
    }
}
