//! `/sign-in/test`: trying a provider out, for `portcullis sso test`. The address comes from a terminal; its page says
//! who will see what, and its form goes to the provider.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_sso::{Act, Fault as Cause};
use portcullis_wire::form::Form;
use serde_json::{Value, json};

use super::with::{Leave, leave};
use crate::app::App;
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{Claim, Trial};
use crate::provider::Provider;
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie, source};
use crate::ticket::{Holder, Purpose};

/// What is about to be tried.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let form = Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let handle = form.one("handle").ok().flatten().unwrap_or_default().to_owned();
    let Some(provider) = tried(&app, &handle) else { return Fault::handoff().page(&app) };
    let visitor = Visitor::read(&app, &parts.headers);
    let holder = Holder { session: None, ..visitor.holder() };
    let until = app.now() + app.settings.lifetimes.form;
    let ticket = app.tickets.make(Purpose::Trial { walk: handle }, holder, until, app.entropy.bytes());
    let page = Trial { host: app.settings.site(), label: Claim::name(&provider.label), ticket };
    let response = render(&page, StatusCode::OK, None);
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(&app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

fn tried(app: &App, handle: &str) -> Option<Arc<Provider>> {
    let name = app.trials.provider(handle, app.now())?;
    app.providers.find(&name).cloned()
}

/// Begins it.
pub(crate) async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_own_form(&app, &parts.headers) {
        return Fault::foreign_form().page(&app);
    }
    let form = match form(&parts.headers, body).await {
        Ok(form) => form,
        Err(fault) => return Fault::unreadable(fault.0).page(&app),
    };
    let visitor = Visitor::read(&app, &parts.headers);
    let ticket = form
        .one("ticket")
        .ok()
        .flatten()
        .and_then(|text| app.tickets.open(text, visitor.holder(), app.now()));
    let Some(Purpose::Trial { walk }) = ticket.map(|ticket| ticket.purpose) else {
        return Fault::form().page(&app);
    };
    let Some(provider) = tried(&app, &walk) else { return Fault::handoff().page(&app) };
    let to = Leave { behind: None, hint: None, trial: Some(walk) };
    leave(&app, &visitor, &provider, to, source(&app, &parts)).await
}

/// A fault, as values.
pub(crate) fn fault_row(fault: &Cause) -> Value {
    json!({
        "code": fault.code,
        "what": fault.what,
        "why": fault.why,
        "act": match fault.act {
            Act::Administrator => "administrator",
            Act::Provider => "provider",
            Act::Person => "person",
        },
        "fix": fault.fix,
        "transient": fault.transient,
    })
}

/// What a trial tells that ended by a fault.
pub(crate) fn fault_report(fault: &Cause) -> Value {
    json!({ "state": "done", "verdict": "fault", "why": fault.code, "fault": fault_row(fault), "claims": [], "mapped": null })
}
