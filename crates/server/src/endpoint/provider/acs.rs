//! Back from a SAML identity provider (SAML Bindings §3.5): `POST /saml/{name}/acs` takes the response, and
//! `GET /saml/{name}/done` looks at the browser. The post comes from another site and brings no cookie of ours, so it
//! does nothing but put a verified answer under a new handle.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_sso::{Fault as Cause, saml};
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;

use super::back::{Returned, arrived, mine, named, report, tried};
use super::fault::{from_provider, told};
use super::trial::fault_report;
use crate::app::{App, Unavailable};
use crate::endpoint::fault::{Fault, OPERATOR};
use crate::provider::{Kept, KeptPresented, Party, Provider, Step, exchange, state_text, take};
use crate::reply;
use crate::request::{SAML_FORM, Visitor, form_of};
use crate::ticket::Holder;

/// Takes a response.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(provider) = app.providers.find(&name).cloned() else {
        return Fault::no_provider().page(&app);
    };
    let form = match form_of(&parts.headers, body, SAML_FORM).await {
        Ok(form) => form,
        Err(fault) => return Fault::unreadable(fault.0).page(&app),
    };
    let (Ok(relay), Ok(Some(response))) = (form.one("RelayState"), form.one("SAMLResponse")) else {
        return Fault::unreadable(StatusCode::BAD_REQUEST).page(&app);
    };
    // Without our handle it answers nothing we asked: IdP-initiated sign-in is a login CSRF by design.
    let Some(relay) = relay else { return unasked().page(&app) };
    let returned = match named(&app, &provider, Some(relay)).await {
        Ok(returned) => returned,
        Err(fault) => return fault.page(&app),
    };
    let digest = returned.digest;
    let Some(_turn) = app.returning.enter(&digest) else { return Fault::handoff().page(&app) };
    verified(&app, &provider, response, returned).await
}

async fn verified(app: &App, provider: &Provider, response: &str, returned: Returned) -> Response {
    let (Party::Saml(party), Step::Saml { request }) = (&provider.party, &returned.kept.step) else {
        return Fault::handoff().page(app);
    };
    let Ok(_place) = provider.room.try_acquire() else { return Fault::unavailable().page(app) };
    let kept = saml::Kept { request_id: request.clone(), again_since: returned.kept.again_since };
    let identity = match party.finish(response, &kept, app.now()).await {
        Ok(identity) => identity,
        Err(cause) => return failed(app, provider, returned, cause).await,
    };
    if let Some(trial) = &returned.kept.trial {
        match report(app, provider, &identity).await {
            // Told only once the browser was looked at.
            Ok(report) => app.trials.hold(trial, report, app.now()),
            Err(Unavailable) => return Fault::unavailable().page(app),
        }
    }
    let presented =
        KeptPresented::new(&identity, &provider.mapping.apply(&identity), returned.kept.again_since);
    let handle = state_text(app);
    let next = Kept { step: Step::Done { presented }, ..returned.kept };
    match exchange(app, returned.digest, &handle, &next).await {
        Ok(Ok(())) => {
            let path = format!("/saml/{}/done?handle={handle}", provider.name);
            reply::see_other(&app.settings.url(&path))
        }
        Ok(Err(_)) => Fault::handoff().page(app),
        Err(Unavailable) => Fault::unavailable().page(app),
    }
}

async fn failed(app: &App, provider: &Provider, returned: Returned, cause: Cause) -> Response {
    if let Err(Unavailable) = take(app, returned.digest, Vec::new()).await {
        return Fault::unavailable().page(app);
    }
    told(app, provider, &cause).await;
    if let Some(trial) = &returned.kept.trial {
        app.trials.end(trial, fault_report(&cause), app.now());
        return tried(app);
    }
    // The way back is for the browser that went, whichever stands here.
    let browser = base64url::decode(&returned.kept.browser)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or_else(|| Digest::of(b""), Digest::from_bytes);
    let holder = Holder { browser, session: None };
    from_provider(app, holder, provider, &cause, returned.kept.behind).page(app)
}

/// Looks at the browser, and ends the sign-in.
pub(crate) async fn done(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Some(provider) = app.providers.find(&name).cloned() else {
        return Fault::no_provider().page(&app);
    };
    let form = Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let visitor = Visitor::read(&app, &parts.headers);
    let returned = match named(&app, &provider, form.one("handle").ok().flatten()).await {
        Ok(returned) => returned,
        Err(fault) => return fault.page(&app),
    };
    let returned = match mine(&app, &visitor, &provider, returned).await {
        Ok(returned) => returned,
        Err(fault) => return fault.page(&app),
    };
    let Step::Done { presented } = returned.kept.step.clone() else { return Fault::handoff().page(&app) };
    match &returned.kept.trial {
        None => arrived(&app, &visitor, &provider, presented, returned).await,
        Some(trial) => match take(&app, returned.digest, Vec::new()).await {
            Ok(_) => {
                app.trials.release(trial, app.now());
                tried(&app)
            }
            Err(Unavailable) => Fault::unavailable().page(&app),
        },
    }
}

fn unasked() -> Fault {
    let mut fault = Fault::new(
        StatusCode::BAD_REQUEST,
        "E-SAML-UNASKED",
        "Signing in begins on this server",
        "Your company's sign-in service sent an answer that nobody here had asked for.",
        OPERATOR,
        vec![
            "Open this server's sign-in page, and choose your company there.",
            "Whoever runs this server can hide the app from your company's dashboard, or make it a link to that page.",
        ],
    );
    fault.why = Some(
        "Anybody could bring you such an answer and sign you in as somebody else. So only answers to a question of ours are taken.".to_owned(),
    );
    fault
}
