//! `GET /`: what this is, and the lines to paste into each client.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use portcullis_store::BrowserAsk;

use crate::app::App;
use crate::endpoint::fault::{Fault, render};
use crate::page::{Start, StartResource};

/// Shows the page.
pub(crate) async fn page(State(app): State<Arc<App>>) -> Response {
    let Ok(facts) = app.store.browser_facts(BrowserAsk::default()).await else {
        return Fault::unavailable().page(&app);
    };
    let resources = app
        .settings
        .catalog
        .entries()
        .iter()
        .map(|entry| StartResource::new(&entry.name, entry.resource.as_str()))
        .collect();
    render(
        &Start { host: app.settings.site(), resources, has_account: facts.has_users },
        StatusCode::OK,
        None,
    )
}
