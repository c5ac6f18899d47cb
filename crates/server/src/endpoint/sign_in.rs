//! `/sign-in` and `/sign-out`: who is this person?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::mint::{Opaque, Session};
use portcullis_rules::model::account_key;
use portcullis_rules::people::{self, FreshSession};
use portcullis_rules::refusal::Refusal;
use portcullis_store::BrowserAsk;
use portcullis_wire::authorize::AuthorizeReply;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;
use portcullis_wire::id::{ClientId, SessionId};
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;

use crate::app::{App, Unavailable};
use crate::endpoint::authorize::{onward, ticket_in};
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{Empty, SignIn, SignInFault, SignedOut, Waiting};
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie, source};
use crate::ticket::{Holder, PendingRequest, Purpose};
use crate::view::face;

const KNOWN: &[u8] = b"known browser";

/// The form, or what an empty installation says in its place.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let visitor = Visitor::read(&app, &parts.headers);
    let pending = match ticket_in(&parts.uri) {
        None => None,
        Some(text) => match app.tickets.open(&text, visitor.holder(), app.now()).map(|ticket| ticket.purpose)
        {
            Some(Purpose::Request(pending)) => Some(pending),
            _ => return Fault::form().page(&app),
        },
    };
    show(&app, &visitor, pending, "", None, StatusCode::OK, source(&app, &parts)).await
}

async fn show(
    app: &App,
    visitor: &Visitor,
    pending: Option<PendingRequest>,
    name: &str,
    fault: Option<SignInFault>,
    status: StatusCode,
    source: IpAddr,
) -> Response {
    let client = pending.as_ref().map(|pending| pending.asked.client.clone());
    let facts = match app.store.browser_facts(BrowserAsk { client, session: None, ticket: None }).await {
        Ok(facts) => facts,
        Err(error) => {
            let Unavailable = error.into();
            return Fault::unavailable().page(app);
        }
    };
    let response = if facts.has_users {
        let waiting = match &pending {
            Some(pending) => waiting(app, pending, facts.client, source).await,
            None => None,
        };
        let holder = Holder { session: None, ..visitor.holder() };
        let leads_to = pending.as_ref().map(|pending| pending.asked.redirect_uri.clone());
        let ticket = app.tickets.make(
            Purpose::SignIn { request: pending },
            holder,
            app.now() + app.settings.lifetimes.form,
            app.entropy.bytes(),
        );
        let page = SignIn {
            host: app.settings.site(),
            stop: waiting.is_some(),
            waiting,
            ticket,
            name_prefill: name.to_owned(),
            fault,
        };
        render(&page, status, leads_to.as_ref())
    } else {
        render(&Empty { host: app.settings.site() }, StatusCode::OK, None)
    };
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

async fn waiting(
    app: &App,
    pending: &PendingRequest,
    row: Option<portcullis_rules::model::Client>,
    source: IpAddr,
) -> Option<Waiting> {
    let id: &ClientId = &pending.asked.client;
    let client = if id.is_url() {
        app.documents.client(id, source, &app.settings.lifetimes).await.ok().or(row)
    } else {
        row
    }?;
    let resource_name = app.settings.catalog.entry(&pending.asked.resource)?.name.clone();
    Some(Waiting { client: face(&client, Some(&pending.asked.redirect_uri)), resource_name })
}

/// Signs in, or stops and returns to the client.
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
    let Some((ticket, Purpose::SignIn { request })) =
        ticket.map(|ticket| (people::Ticket { digest: ticket.digest, until: ticket.until }, ticket.purpose))
    else {
        return Fault::form().page(&app);
    };
    if form.one("answer").ok().flatten() == Some("stop")
        && let Some(pending) = &request
    {
        let asked = &pending.asked;
        let answer = AuthorizeReply::Error(Refusal::Denied.code(), Refusal::Denied.description());
        return reply::see_other(&answer.location(
            asked.redirect_uri.as_str(),
            asked.state.as_deref(),
            app.settings.issuer.as_str(),
        ));
    }
    attempt(&app, &visitor, &form, ticket, request, source(&app, &parts)).await
}

async fn attempt(
    app: &App,
    visitor: &Visitor,
    form: &Form,
    ticket: people::Ticket,
    request: Option<PendingRequest>,
    source: IpAddr,
) -> Response {
    let (Ok(Some(name)), Ok(Some(password))) = (form.one("name"), form.one("password")) else {
        let fault = SignInFault { text: "Enter your name and your password.".to_owned(), retry_after: None };
        return show(app, visitor, request, "", Some(fault), StatusCode::BAD_REQUEST, source).await;
    };
    let key = account_key(&name.chars().take(limit::ACCOUNT_NAME + 1).collect::<String>());
    // A browser that signed in to this account before has a counter of its own: strangers never slow it.
    let counted = if knows(app, visitor, &key) {
        format!("{key}\0{}", base64url::encode(visitor.digest().as_bytes()))
    } else {
        key.clone()
    };
    if let Err(wait) = app.sign_ins.check(&counted, source, app.now()) {
        return slowed(app, visitor, request, name, wait, source).await;
    }
    let user = match app.store.user_by_key(key.clone()).await {
        Ok(user) => user,
        Err(error) => {
            let Unavailable = error.into();
            return Fault::unavailable().page(app);
        }
    };
    let hash = user.map(|user| user.password);
    let fits = password.chars().count() <= limit::PASSWORD_MAX;
    let proven = match app
        .passwords
        .matches(if fits { password.to_owned() } else { String::new() }, hash.clone())
        .await
    {
        Ok(matches) => hash.filter(|_| matches && fits).map(|hash| hash.digest()),
        Err(_) => return slowed(app, visitor, request, name, Duration::from_secs(2), source).await,
    };
    let fresh = app.mint.mint::<Session>(app.entropy.number(app.now()), app.entropy.bytes());
    let session = app.mint.read::<Session>(fresh.expose()).map_or(0, |presented| presented.number);
    let outcome = app
        .settle(
            |store| store.sign_in_facts(key.clone(), ticket.digest),
            |facts, now| {
                people::sign_in(
                    proven,
                    ticket,
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
            app.sign_ins.succeed(&counted, source);
            let next = match request {
                Some(pending) => onward(app, "/consent", pending, visitor),
                None => app.settings.url("/account"),
            };
            signed_in(app, reply::see_other(&next), &fresh, &key, app.now())
        }
        Ok(Err(Refusal::FormSpent)) => Fault::form().page(app),
        Ok(Err(_)) => {
            app.sign_ins.fail(&counted, source, app.now());
            let fault =
                SignInFault { text: "Name and password do not go together.".to_owned(), retry_after: None };
            show(app, visitor, request, name, Some(fault), StatusCode::FORBIDDEN, source).await
        }
        Err(Unavailable) => Fault::unavailable().page(app),
    }
}

async fn slowed(
    app: &App,
    visitor: &Visitor,
    request: Option<PendingRequest>,
    name: &str,
    wait: Duration,
    source: IpAddr,
) -> Response {
    let fault = SignInFault {
        text: "There were too many failed attempts.".to_owned(),
        retry_after: Some(wait.as_secs().max(1)),
    };
    let mut response =
        show(app, visitor, request, name, Some(fault), StatusCode::TOO_MANY_REQUESTS, source).await;
    response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// Whether the browser carries our own note that it signed in to this account before.
fn knows(app: &App, visitor: &Visitor, key: &str) -> bool {
    let note = visitor
        .known
        .as_deref()
        .and_then(base64url::decode)
        .and_then(|sealed| app.sealer.open(KNOWN, &sealed));
    note.is_some_and(|note| note.as_slice() == Digest::of(key.as_bytes()).as_bytes())
}

/// Sets the cookies of a new session: its id is new, whatever the browser held before (threats, control 47).
pub(crate) fn signed_in(
    app: &App,
    response: Response,
    session: &Opaque<Session>,
    key: &str,
    _now: UnixTime,
) -> Response {
    let note = app.sealer.seal(KNOWN, app.entropy.bytes(), Digest::of(key.as_bytes()).as_bytes());
    let response = reply::with_cookie(
        response,
        &set_cookie(app, "session", session.expose(), app.settings.lifetimes.session.as_secs()),
    );
    reply::with_cookie(response, &set_cookie(app, "known", &base64url::encode(&note), BROWSER_LIFE))
}

/// Signs out this browser. "Not you?" on a consent page comes here too and goes on to sign-in.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_own_form(&app, &parts.headers) {
        return Fault::foreign_form().page(&app);
    }
    let Ok(form) = form(&parts.headers, body).await else {
        return Fault::unreadable(StatusCode::BAD_REQUEST).page(&app);
    };
    let visitor = Visitor::read(&app, &parts.headers);
    let Some(ticket) = form
        .one("ticket")
        .ok()
        .flatten()
        .and_then(|text| app.tickets.open(text, visitor.holder(), app.now()))
    else {
        return Fault::form().page(&app);
    };
    let ask = BrowserAsk { client: None, session: visitor.session_ask(), ticket: None };
    let Ok(facts) = app.store.browser_facts(ask).await else { return Fault::unavailable().page(&app) };
    let mut agents = 0;
    if let Some((session, user)) = facts.session {
        agents = crate::endpoint::account::agent_count(&app, user.id).await;
        let ended = app
            .settle(
                |store| store.browser_facts(BrowserAsk::default()),
                |_, now| people::sign_out(&session, now),
            )
            .await;
        if ended.is_err() {
            return Fault::unavailable().page(&app);
        }
    }
    let response = match ticket.purpose {
        Purpose::Consent(pending) if form.one("again").ok().flatten().is_some() => {
            reply::see_other(&onward(&app, "/sign-in", pending, &visitor))
        }
        _ => render(&SignedOut { host: app.settings.site(), agents }, StatusCode::OK, None),
    };
    reply::with_cookie(response, &set_cookie(&app, "session", "", 0))
}
