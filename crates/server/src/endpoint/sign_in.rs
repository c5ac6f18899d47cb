//! `/sign-in` and `/sign-out`: who is this person?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::mint::{Opaque, Session};
use portcullis_rules::model::{PasswordHash, account_key};
use portcullis_rules::people::{self, FreshSession, SigningIn};
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
use crate::client::Standing;
use crate::endpoint::authorize::{onward, sealed_into, ticket_in};
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{Empty, ProviderButton, SignIn, SignInFault, SignedOut, Waiting};
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie, source};
use crate::ticket::{Behind, Holder, PendingRequest, Purpose};
use crate::view::face;

const KNOWN: &[u8] = b"known browser";
/// How long a browser that signed in stays known to an account, in seconds.
const KNOWN_LIFE: u64 = 365 * 24 * 60 * 60;

/// The form, or what an empty installation says in its place.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let visitor = Visitor::read(&app, &parts.headers);
    let behind = match ticket_in(&parts.uri) {
        None => None,
        Some(text) => match app.tickets.open(&text, visitor.holder(), app.now()).map(|ticket| ticket.purpose)
        {
            Some(Purpose::Request(pending)) => Some(Behind::Request(pending)),
            Some(Purpose::Question { id }) => Some(Behind::Question(id)),
            _ => return Fault::form().page(&app),
        },
    };
    show(&app, &visitor, Shown::new(behind, StatusCode::OK), source(&app, &parts)).await
}

/// What the page shows of an attempt before.
pub(crate) struct Shown {
    behind: Option<Behind>,
    status: StatusCode,
    name: String,
    fault: Option<SignInFault>,
    address: String,
    address_fault: Option<String>,
}

impl Shown {
    /// Nothing yet.
    pub(crate) fn new(behind: Option<Behind>, status: StatusCode) -> Self {
        Self { behind, status, name: String::new(), fault: None, address: String::new(), address_fault: None }
    }

    /// A name that was typed, and why that did not work.
    fn failed(self, name: &str, fault: &str) -> Self {
        let fault = SignInFault { text: fault.to_owned(), retry_after: None };
        Self { name: name.to_owned(), fault: Some(fault), ..self }
    }

    /// A work address that was typed, and why that led nowhere.
    pub(crate) fn lost(self, address: &str, fault: &str) -> Self {
        Self { address: address.to_owned(), address_fault: Some(fault.to_owned()), ..self }
    }
}

/// Shows the page.
pub(crate) async fn show(app: &App, visitor: &Visitor, shown: Shown, source: IpAddr) -> Response {
    let Shown { behind, status, name, fault, address, address_fault } = shown;
    let pending = behind.as_ref().and_then(Behind::request);
    let client = pending.map(|pending| pending.asked.client.clone());
    let ask = BrowserAsk { client, session: None, ticket: None };
    let (facts, on) = match (app.store.browser_facts(ask).await, app.providers.on(&*app.store).await) {
        (Ok(facts), Ok(on)) => (facts, on),
        (Err(error), _) | (_, Err(error)) => {
            let Unavailable = error.into();
            return Fault::unavailable().page(app);
        }
    };
    let response = if facts.has_users || !app.providers.is_empty() {
        let waiting = match pending {
            Some(pending) => waiting(app, pending, facts.client, source).await,
            None => None,
        };
        let holder = Holder { session: None, ..visitor.holder() };
        let leads_to = pending.map(|pending| pending.asked.redirect_uri.clone());
        let question = matches!(behind, Some(Behind::Question(_)));
        let ticket = app.tickets.make(
            Purpose::SignIn { behind },
            holder,
            app.now() + app.settings.lifetimes.form,
            app.entropy.bytes(),
        );
        let page = SignIn {
            host: app.settings.site(),
            question,
            stop: waiting.is_some(),
            waiting,
            providers: on.iter().map(|one| ProviderButton::new(&one.name, &one.label)).collect(),
            work_address: on.iter().any(|one| !one.domains.is_empty()).then_some(address),
            address_fault,
            passwords: app.settings.sign_in.passwords,
            ticket,
            name_prefill: name,
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
    let Some((ticket, Purpose::SignIn { behind })) =
        ticket.map(|ticket| (people::Ticket { digest: ticket.digest, until: ticket.until }, ticket.purpose))
    else {
        return Fault::form().page(&app);
    };
    if form.one("answer").ok().flatten() == Some("stop")
        && let Some(pending) = behind.as_ref().and_then(Behind::request)
    {
        let asked = &pending.asked;
        let answer = AuthorizeReply::Error(Refusal::Denied.code(), Refusal::Denied.description());
        return reply::see_other(&answer.location(
            asked.redirect_uri.as_str(),
            asked.state.as_deref(),
            app.settings.issuer.as_str(),
        ));
    }
    if !app.settings.sign_in.passwords {
        return Fault::no_passwords().page(&app);
    }
    attempt(&app, &visitor, &form, ticket, behind, source(&app, &parts)).await
}

async fn attempt(
    app: &App,
    visitor: &Visitor,
    form: &Form,
    ticket: people::Ticket,
    behind: Option<Behind>,
    source: IpAddr,
) -> Response {
    let (Ok(Some(name)), Ok(Some(password))) = (form.one("name"), form.one("password")) else {
        let shown =
            Shown::new(behind, StatusCode::BAD_REQUEST).failed("", "Enter your name and your password.");
        return show(app, visitor, shown, source).await;
    };
    let key = account_key(&name.chars().take(limit::ACCOUNT_NAME + 1).collect::<String>());
    // A browser that signed in to this account before has a counter of its own: strangers never slow it.
    let (standing, counted) = if knows(app, visitor, &key) {
        (Standing::Known, format!("{key}\0{}", base64url::encode(visitor.digest().as_bytes())))
    } else {
        (Standing::Stranger, key.clone())
    };
    // Wherever this ends without a judgement, the attempt is dropped, and nothing is held against anybody.
    let attempt = match app.sign_ins.check(&counted, source, standing, app.now()) {
        Ok(attempt) => attempt,
        Err(wait) => return slowed(app, visitor, behind, name, wait, source).await,
    };
    let ask = BrowserAsk { client: None, session: visitor.session_ask(), ticket: None };
    let (Ok(facts), Ok(here)) =
        (app.store.sign_in_facts(key.clone(), ticket.digest).await, app.store.browser_facts(ask).await)
    else {
        return Fault::unavailable().page(app);
    };
    if facts.spent {
        return Fault::form().page(app);
    }
    let fits = password.chars().count() <= limit::PASSWORD_MAX;
    let text = if fits { password.to_owned() } else { String::new() };
    let hash = facts.user.as_ref().and_then(|user| user.password.clone());
    let Ok(matches) = app.passwords.matches(text, hash, standing).await else {
        return slowed(app, visitor, behind, name, Duration::from_secs(2), source).await;
    };
    let user = facts.user.filter(|user| matches && fits && user.stands(app.now()));
    let (attempt, tell) = match user {
        Some(_) => (Some(attempt), false),
        None => (None, attempt.fail(app.now())),
    };
    let proven = user.and_then(|user| user.password.as_ref().map(PasswordHash::digest));
    let fresh = app.mint.mint::<Session>(app.entropy.number(app.now()), app.entropy.bytes());
    let session = app.mint.read::<Session>(fresh.expose()).map_or(0, |presented| presented.number);
    let opened = FreshSession { id: SessionId::from_number(session), digest: fresh.digest() };
    let held = here.session.as_ref().map(|(session, _)| session);
    let ask = SigningIn { proven, ticket, held, fresh: opened, tell };
    let outcome = app
        .settle(
            |store| store.sign_in_facts(key.clone(), ticket.digest),
            |facts, now| people::sign_in(&ask, facts, &app.settings.lifetimes, now),
        )
        .await;
    match outcome {
        Ok(Ok(_)) => {
            if let Some(attempt) = attempt {
                attempt.succeed();
            }
            signed_in(app, reply::see_other(&after(app, behind, visitor)), visitor, &fresh, Some(&key))
        }
        Ok(Err(Refusal::FormSpent)) => Fault::form().page(app),
        Ok(Err(_)) => {
            // The password was changed, or the account switched off, since it was looked at.
            if let Some(attempt) = attempt {
                attempt.fail(app.now());
            }
            let shown = Shown::new(behind, StatusCode::FORBIDDEN)
                .failed(name, "Name and password do not go together.");
            show(app, visitor, shown, source).await
        }
        Err(Unavailable) => Fault::unavailable().page(app),
    }
}

async fn slowed(
    app: &App,
    visitor: &Visitor,
    behind: Option<Behind>,
    name: &str,
    wait: Duration,
    source: IpAddr,
) -> Response {
    let fault = SignInFault {
        text: "There were too many failed attempts.".to_owned(),
        retry_after: Some(wait.as_secs().max(1)),
    };
    let shown = Shown {
        name: name.to_owned(),
        fault: Some(fault),
        ..Shown::new(behind, StatusCode::TOO_MANY_REQUESTS)
    };
    let mut response = show(app, visitor, shown, source).await;
    response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// Where a person goes who has just signed in.
pub(crate) fn after(app: &App, behind: Option<Behind>, visitor: &Visitor) -> String {
    match behind {
        Some(Behind::Request(pending)) => onward(app, "/consent", pending, visitor),
        Some(Behind::Question(id)) => crate::endpoint::approve::address(app, id),
        None => app.settings.url("/account"),
    }
}

/// What our note says: this browser signed in to this account then.
fn note(browser: &Digest, key: &str, at: UnixTime) -> Vec<u8> {
    [Digest::of(key.as_bytes()).as_bytes(), browser.as_bytes(), at.millis().to_be_bytes().as_slice()].concat()
}

/// Whether the browser carries our own note that it, and no other, signed in to this account within the last year.
fn knows(app: &App, visitor: &Visitor, key: &str) -> bool {
    let sealed = visitor.known.as_deref().and_then(base64url::decode);
    let Some(told) = sealed.and_then(|sealed| app.sealer.open(KNOWN, &sealed)) else { return false };
    let Some(at) = told.last_chunk().map(|at| UnixTime::from_millis(i64::from_be_bytes(*at))) else {
        return false;
    };
    *told == note(&visitor.digest(), key, at) && app.now() < at + Duration::from_secs(KNOWN_LIFE)
}

/// Sets the cookies of a new session: its id is new, whatever the browser held before (threats, control 47). `key` is
/// the account whose password this browser has just shown to know, if it was one.
pub(crate) fn signed_in(
    app: &App,
    response: Response,
    visitor: &Visitor,
    session: &Opaque<Session>,
    key: Option<&str>,
) -> Response {
    let mut response = reply::with_cookie(
        response,
        &set_cookie(app, "session", session.expose(), app.settings.lifetimes.session.as_secs()),
    );
    if let Some(key) = key {
        let note = app.sealer.seal(KNOWN, app.entropy.bytes(), &note(&visitor.digest(), key, app.now()));
        response =
            reply::with_cookie(response, &set_cookie(app, "known", &base64url::encode(&note), KNOWN_LIFE));
    }
    // The note is about this browser's own cookie, so it must be the one that comes back.
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
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
        Purpose::Approve { id } if form.one("again").ok().flatten().is_some() => {
            reply::see_other(&sealed_into(&app, "/sign-in", Purpose::Question { id }, &visitor))
        }
        _ => render(&SignedOut { host: app.settings.site(), agents }, StatusCode::OK, None),
    };
    reply::with_cookie(response, &set_cookie(&app, "session", "", 0))
}
