//! `/setup`: the first account, or a new password, by a link that works once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::mint::{Session, SetupLink};
use portcullis_rules::model::{User, account_key};
use portcullis_rules::people::{self, FreshSession};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;
use portcullis_wire::id::{SessionId, UserId};

use crate::app::{App, Unavailable};
use crate::endpoint::fault::{Fault, render};
use crate::endpoint::sign_in::signed_in;
use crate::entropy::EntropyShapes as _;
use crate::page::Setup;
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie};
use crate::ticket::{Holder, Purpose};
use crate::view::moment;

/// Shows the form behind a good link.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let visitor = Visitor::read(&app, &parts.headers);
    let link = Form::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .ok()
        .and_then(|form| form.one("link").ok().flatten().and_then(|text| app.mint.read::<SetupLink>(text)));
    let Some(link) = link else { return Fault::link().page(&app) };
    let response = show(&app, &visitor, link.number, link.digest, "", None, StatusCode::OK).await;
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(&app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

async fn show(
    app: &App,
    visitor: &Visitor,
    number: u64,
    digest: Digest,
    name: &str,
    fault: Option<String>,
    status: StatusCode,
) -> Response {
    let Ok(facts) = app.store.setup_facts(Some(number)).await else { return Fault::unavailable().page(app) };
    let Ok(link) = people::setup_link(&digest, &facts, app.now()) else { return Fault::link().page(app) };
    let holder = Holder { session: None, ..visitor.holder() };
    let purpose = Purpose::Setup { number, digest: base64url::encode(digest.as_bytes()) };
    let page = Setup {
        host: app.settings.site(),
        ticket: app.tickets.make(purpose, holder, link.expires_at, app.entropy.bytes()),
        expires_at_text: moment(link.expires_at),
        reset_for: link.reset.and(facts.user.as_ref()).map(|user| user.name.clone()),
        name_prefill: name.to_owned(),
        fault,
    };
    render(&page, status, None)
}

/// Makes the account, or sets the password, and signs in.
pub(crate) async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_own_form(&app, &parts.headers) {
        return Fault::foreign_form().page(&app);
    }
    let Ok(form) = form(&parts.headers, body).await else {
        return Fault::unreadable(StatusCode::BAD_REQUEST).page(&app);
    };
    let visitor = Visitor::read(&app, &parts.headers);
    let purpose = form
        .one("ticket")
        .ok()
        .flatten()
        .and_then(|text| app.tickets.open(text, visitor.holder(), app.now()))
        .map(|ticket| ticket.purpose);
    let Some(Purpose::Setup { number, digest }) = purpose else { return Fault::form().page(&app) };
    let Some(digest) =
        base64url::decode(&digest).and_then(|bytes| bytes.try_into().ok()).map(Digest::from_bytes)
    else {
        return Fault::form().page(&app);
    };
    let (name, password) = (
        form.one("name").ok().flatten().unwrap_or_default(),
        form.one("password").ok().flatten().unwrap_or_default(),
    );
    let Ok(facts) = app.store.setup_facts(Some(number)).await else { return Fault::unavailable().page(&app) };
    let reset = facts.link.as_ref().is_some_and(|link| link.reset.is_some());
    let judged = people::password_fits(password)
        .and_then(|()| if reset { Ok(String::new()) } else { people::account_name(name) });
    let fit_name = match judged {
        Ok(name) => name,
        Err(refusal) => {
            return show(
                &app,
                &visitor,
                number,
                digest,
                name,
                Some(refusal.description().to_owned()),
                StatusCode::BAD_REQUEST,
            )
            .await;
        }
    };
    let Ok(hash) = app.passwords.hash(password.to_owned(), app.entropy.bytes()).await else {
        return Fault::unavailable().page(&app);
    };
    let key = account_key(facts.user.as_ref().filter(|_| reset).map_or(fit_name.as_str(), |user| &user.name));
    let fresh = app.mint.mint::<Session>(app.entropy.number(app.now()), app.entropy.bytes());
    let session = app.mint.read::<Session>(fresh.expose()).map_or(0, |presented| presented.number);
    let outcome = app
        .settle(
            |store| store.setup_facts(Some(number)),
            |facts, now| {
                let id = UserId::from_number(app.entropy.secret_number());
                let first = User { admin: true, ..User::new(id, fit_name.clone(), Some(hash.clone()), now) };
                people::set_up(
                    &digest,
                    first,
                    facts,
                    FreshSession { id: SessionId::from_number(session), digest: fresh.digest() },
                    &app.settings.lifetimes,
                    now,
                )
            },
        )
        .await;
    match outcome {
        Ok(Ok(_)) => {
            signed_in(&app, reply::see_other(&app.settings.url("/account")), &visitor, &fresh, Some(&key))
        }
        Ok(Err(Refusal::LinkDead | Refusal::UserUnknown)) => Fault::link().page(&app),
        Ok(Err(refusal)) => {
            show(
                &app,
                &visitor,
                number,
                digest,
                name,
                Some(refusal.description().to_owned()),
                StatusCode::BAD_REQUEST,
            )
            .await
        }
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}
