//! `GET /callback/{name}`: back from an OpenID provider (RFC 6749 §4.1.2). Each provider has an address of its own, so
//! that an answer of one is never taken for another's (RFC 9700 §4.4).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use portcullis_sso::{Act, Fault as Cause, oidc};
use portcullis_wire::form::Form;
use portcullis_wire::limit;

use super::back::{Returned, arrived, mine, named, report, tried};
use super::fault::{denied, from_provider, told};
use super::trial::fault_report;
use super::with::redirect_uri;
use crate::app::{App, Unavailable};
use crate::endpoint::fault::Fault;
use crate::provider::{KeptPresented, Party, Provider, Step, take};
use crate::request::Visitor;

/// Takes the answer, whatever it says, once.
pub(crate) async fn endpoint(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Some(provider) = app.providers.find(&name).cloned() else {
        return Fault::no_provider().page(&app);
    };
    let query = parts.uri.query().unwrap_or_default();
    let form = match Form::parse(query.as_bytes()) {
        Ok(form) if query.len() <= limit::QUERY => form,
        _ => return Fault::unreadable(http::StatusCode::BAD_REQUEST).page(&app),
    };
    let visitor = Visitor::read(&app, &parts.headers);
    let returned = match named(&app, &provider, form.one("state").ok().flatten()).await {
        Ok(returned) => returned,
        Err(fault) => return fault.page(&app),
    };
    match mine(&app, &visitor, &provider, returned).await {
        Ok(returned) => {
            let digest = returned.digest;
            let Some(_turn) = app.returning.enter(&digest) else { return Fault::handoff().page(&app) };
            answered(&app, &visitor, &provider, &form, returned).await
        }
        Err(fault) => fault.page(&app),
    }
}

/// What the provider answered this very browser.
async fn answered(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    form: &Form,
    returned: Returned,
) -> Response {
    let (Party::Oidc(party), Step::Oidc { nonce, verifier }) = (&provider.party, &returned.kept.step) else {
        return Fault::handoff().page(app);
    };
    let read = (form.one("code"), form.one("iss"), form.one("error"));
    let (Ok(code), Ok(iss), Ok(error)) = read else {
        return failed(app, visitor, provider, returned, repeated()).await;
    };
    let Ok(_place) = provider.room.try_acquire() else { return Fault::unavailable().page(app) };
    if let Some(error) = error {
        return match party.answered(iss, app.now()).await {
            Ok(()) => refused_there(app, visitor, provider, returned, error).await,
            Err(cause) => failed(app, visitor, provider, returned, cause).await,
        };
    }
    let Some(code) = code else { return failed(app, visitor, provider, returned, no_code()).await };
    let back = oidc::Back { code: code.to_owned(), iss: iss.map(str::to_owned) };
    let kept = oidc::Kept {
        redirect_uri: redirect_uri(app, &provider.name),
        nonce: nonce.clone(),
        verifier: verifier.clone(),
        again_since: returned.kept.again_since,
    };
    let identity = match party.finish(&back, &kept, app.now()).await {
        Ok(identity) => identity,
        Err(cause) => return failed(app, visitor, provider, returned, cause).await,
    };
    if let Some(trial) = &returned.kept.trial {
        let (Ok(report), Ok(_)) =
            (report(app, provider, &identity).await, take(app, returned.digest, Vec::new()).await)
        else {
            return Fault::unavailable().page(app);
        };
        app.trials.end(trial, report, app.now());
        return tried(app);
    }
    let presented =
        KeptPresented::new(&identity, &provider.mapping.apply(&identity), returned.kept.again_since);
    arrived(app, visitor, provider, presented, returned).await
}

/// Ends it for a fault.
async fn failed(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    returned: Returned,
    cause: Cause,
) -> Response {
    if let Err(Unavailable) = take(app, returned.digest, Vec::new()).await {
        return Fault::unavailable().page(app);
    }
    told(app, provider, &cause).await;
    if let Some(trial) = &returned.kept.trial {
        app.trials.end(trial, fault_report(&cause), app.now());
        return tried(app);
    }
    from_provider(app, visitor.holder(), provider, &cause, returned.kept.behind).page(app)
}

/// The provider says no (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
async fn refused_there(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    returned: Returned,
    error: &str,
) -> Response {
    let by_person = matches!(error, "access_denied" | "consent_required" | "interaction_required");
    if !by_person || returned.kept.trial.is_some() {
        return failed(app, visitor, provider, returned, said_no(error)).await;
    }
    if let Err(Unavailable) = take(app, returned.digest, Vec::new()).await {
        return Fault::unavailable().page(app);
    }
    denied(app, visitor.holder(), provider, returned.kept.behind).page(app)
}

fn said_no(error: &str) -> Cause {
    let (why, fix) = match error {
        "access_denied" => (
            "the provider, or the person, refused",
            "if nobody pressed Cancel: assign the person to this application there",
        ),
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
            ("the provider wants something of the person that it did not get", "begin again")
        }
        "unauthorized_client" | "invalid_client" => (
            "the provider does not let this application ask",
            "look whether the client id is right, and the application switched on there",
        ),
        "invalid_scope" => (
            "the provider does not give the scopes that were asked for",
            "change `scopes` of this provider, or allow them there",
        ),
        "temporarily_unavailable" | "server_error" => {
            return Cause::new(
                "provider_unavailable",
                Act::Provider,
                "the provider cannot sign anybody in at the moment",
                "it said so itself",
                "try again in a moment",
            )
            .passing();
        }
        _ => (
            "the provider answered with an error",
            "look into the provider's own log for the cause; the redirect address must be registered there exactly",
        ),
    };
    Cause::new("provider_error", Act::Administrator, "the provider signed nobody in", why, fix)
}

fn repeated() -> Cause {
    Cause::new(
        "callback_malformed",
        Act::Provider,
        "the answer could not be read",
        "a parameter is there twice",
        "begin again; an honest provider sends each once (RFC 6749 §3.1)",
    )
}

fn no_code() -> Cause {
    Cause::new(
        "callback_no_code",
        Act::Provider,
        "the answer holds no code",
        "there is nothing to redeem",
        "the application must be allowed the code flow there; implicit answers are not read",
    )
}
