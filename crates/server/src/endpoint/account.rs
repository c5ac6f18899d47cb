//! `/account`: the agents that act for a person, and the switches to stop them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_rules::consent::signed_in;
use portcullis_rules::facts::{AgentQuery, AgentRow};
use portcullis_rules::model::{Grant, Session, Subject, User};
use portcullis_rules::people;
use portcullis_rules::personal;
use portcullis_rules::refusal::Refusal;
use portcullis_rules::revoke;
use portcullis_rules::verdict::Expect;
use portcullis_rules::want;
use portcullis_store::BrowserAsk;
use portcullis_wire::form::Form;
use portcullis_wire::id::{GrantId, UserId};
use portcullis_wire::limit;
use portcullis_wire::scope::{Scope, Scopes};
use portcullis_wire::text::displayable;

use crate::app::{App, Unavailable};
use crate::client::Standing;
use crate::endpoint::approve::questions;
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{
    Account, AccountClient, AgentLine, Claim, ClientFace, ClientKind, Notice, ResourceLine, WantedLine,
};
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie, source};
use crate::ticket::Purpose;
use crate::view::{agent_label, ago, day, face, scope_lines};

/// Most agents one page shows, newest first.
const AGENTS_SHOWN: usize = 200;

async fn here(app: &App, visitor: &Visitor) -> Result<(Session, User), Response> {
    let ask = BrowserAsk { client: None, session: visitor.session_ask(), ticket: None };
    let facts = app.store.browser_facts(ask).await.map_err(|_| Fault::unavailable().page(app))?;
    match signed_in(&facts, app.now()) {
        Ok((session, user)) => Ok((session.clone(), user.clone())),
        Err(_) => Err(reply::see_other(&app.settings.url("/sign-in"))),
    }
}

/// How many agents act for a person.
pub(crate) async fn agent_count(app: &App, user: UserId) -> usize {
    let query = AgentQuery { user: Some(user), most: AGENTS_SHOWN, ..AgentQuery::default() };
    app.agents(query).await.map_or(0, |agents| agents.len())
}

/// Shows the page.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let visitor = Visitor::read(&app, request.headers());
    let response = match here(&app, &visitor).await {
        Ok((_, user)) => show(&app, &visitor, &user, None, StatusCode::OK, false).await,
        Err(response) => response,
    };
    // The tickets in the forms belong to this browser, which must be able to say that it is the one.
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
    user: &User,
    notice: Option<Notice>,
    status: StatusCode,
    password_open: bool,
) -> Response {
    let query = AgentQuery { user: Some(user.id), most: AGENTS_SHOWN, ..AgentQuery::default() };
    let (Ok(rows), Ok(questions)) = (app.agents(query).await, questions(app, user).await) else {
        return Fault::unavailable().page(app);
    };
    let now = app.now();
    let make = || {
        app.tickets.make(
            Purpose::Account,
            visitor.holder(),
            now + app.settings.lifetimes.form,
            app.entropy.bytes(),
        )
    };
    let mut clients: Vec<(String, AccountClient)> = Vec::new();
    for row in rows {
        let key = row.grant.client.to_string();
        let line = line(app, &row, make);
        match clients.iter_mut().find(|(id, _)| *id == key) {
            Some((_, client)) => client.agents.push(line),
            None => {
                let face = match &row.client {
                    _ if personal::is_client(&row.grant.client) => {
                        ClientFace::new(&key, None, ClientKind::Personal)
                    }
                    Some(client) => face(client, row.grant.redirect.as_ref()),
                    None => ClientFace::new(&key, None, ClientKind::Machine),
                };
                clients.push((
                    key,
                    AccountClient {
                        is_personal: personal::is_client(&row.grant.client),
                        face,
                        agents: vec![line],
                    },
                ));
            }
        }
    }
    let page = Account {
        host: app.settings.site(),
        name: user.name.clone(),
        through: user.provider.as_ref().map(|link| {
            let provider = app.providers.by_issuer(&link.issuer);
            Claim::name(provider.map_or(link.issuer.as_str(), |provider| &provider.label))
        }),
        has_password: user.password.is_some() && app.settings.sign_in.passwords,
        clients: clients.into_iter().map(|(_, client)| client).collect(),
        resources: app
            .settings
            .catalog
            .entries()
            .iter()
            .map(|entry| ResourceLine { name: entry.name.clone(), url: entry.resource.to_string() })
            .collect(),
        questions,
        notice,
        password_open,
        ticket: make(),
    };
    render(&page, status, None)
}

fn line(app: &App, row: &AgentRow, make: impl Fn() -> String) -> AgentLine {
    let grant = &row.grant;
    let now = app.now();
    let entry = app.settings.catalog.entry(&grant.resource);
    let idle = grant.last_used_at + app.settings.lifetimes.grant_idle;
    AgentLine {
        id: grant.id.to_string(),
        label: agent_label(grant),
        resource_name: entry.map_or_else(|| grant.resource.to_string(), |entry| entry.name.clone()),
        scopes: scope_lines(entry, &grant.scopes, &Scopes::none()),
        wanted: scope_lines(entry, &wanted(app, grant), &Scopes::none())
            .into_iter()
            .map(|line| WantedLine {
                when_text: grant
                    .wanted
                    .iter()
                    .find(|wanted| wanted.scope.as_str() == line.scope)
                    .map(|wanted| ago(wanted.at, now))
                    .unwrap_or_default(),
                line,
                ticket: make(),
            })
            .collect(),
        connected_text: day(grant.created_at),
        last_used_text: format!("Last used {}", ago(grant.last_used_at, now)),
        ends_text: match (grant.personal, grant.expires_at) {
            (Some(_), Some(end)) => day(end),
            (_, end) => format!("{}, unless it is used before", day(end.map_or(idle, |end| end.min(idle)))),
        },
        ticket: make(),
    }
}

/// What an agent was refused lately, as far as its resource still offers it.
fn wanted(app: &App, grant: &Grant) -> Scopes {
    let offered =
        app.settings.catalog.entry(&grant.resource).map(|entry| entry.offered()).unwrap_or_default();
    want::open(grant, app.now()).intersection(&offered)
}

/// A form of the account page: from this site, with a ticket of this browser and session.
async fn acting(
    app: &App,
    request: Request,
) -> Result<(Visitor, Session, User, Form, std::net::IpAddr), Response> {
    let (parts, body) = request.into_parts();
    if !is_own_form(app, &parts.headers) {
        return Err(Fault::foreign_form().page(app));
    }
    let form = form(&parts.headers, body).await.map_err(|fault| Fault::unreadable(fault.0).page(app))?;
    let visitor = Visitor::read(app, &parts.headers);
    let ticket = form
        .one("ticket")
        .ok()
        .flatten()
        .and_then(|text| app.tickets.open(text, visitor.holder(), app.now()));
    if !ticket.is_some_and(|ticket| ticket.purpose == Purpose::Account) {
        return Err(Fault::form().page(app));
    }
    let (session, user) = here(app, &visitor).await?;
    Ok((visitor, session, user, form, source(app, &parts)))
}

fn agent(form: &Form) -> GrantId {
    form.one("agent").ok().flatten().and_then(|id| id.parse().ok()).unwrap_or(GrantId::from_number(0))
}

fn problem(refusal: Refusal) -> Option<Notice> {
    Some(Notice::Problem(refusal.description().to_owned()))
}

/// Stops one agent; the others go on.
pub(crate) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Response {
    let (visitor, _, user, form, _) = match acting(&app, request).await {
        Ok(acting) => acting,
        Err(response) => return response,
    };
    let outcome = app
        .settle(
            |store| store.grant_facts(agent(&form), None, None),
            |facts, now| revoke::by_person(user.id, facts, now),
        )
        .await;
    match outcome {
        Ok(Ok(())) => {
            show(
                &app,
                &visitor,
                &user,
                Some(Notice::Done("It has stopped. Its next call is refused.".to_owned())),
                StatusCode::OK,
                false,
            )
            .await
        }
        Ok(Err(refusal)) => show(&app, &visitor, &user, problem(refusal), StatusCode::NOT_FOUND, false).await,
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}

/// Answers what one agent was refused: allowed, it is that agent's alone, and its next refresh brings it.
pub(crate) async fn wanting(State(app): State<Arc<App>>, request: Request) -> Response {
    let (visitor, session, user, form, _) = match acting(&app, request).await {
        Ok(acting) => acting,
        Err(response) => return response,
    };
    let allow = match form.one("answer").ok().flatten() {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Fault::form().page(&app),
    };
    let Some(scope) = form.one("scope").ok().flatten().and_then(|scope| Scope::parse(scope).ok()) else {
        return Fault::form().page(&app);
    };
    // Whose client it is stands in the grant alone; it never changes.
    let Ok(facts) = app.store.grant_facts(agent(&form), None, None).await else {
        return Fault::unavailable().page(&app);
    };
    let client = facts.grant.map(|grant| grant.client);
    let outcome = app
        .settle(
            |store| store.grant_facts(agent(&form), client.clone(), None),
            |facts, now| {
                let lifetimes = &app.settings.lifetimes;
                let verdict = match allow {
                    true => want::allow(user.id, &scope, facts, &app.settings.catalog, lifetimes, now),
                    false => want::deny(user.id, &scope, facts, lifetimes, now),
                };
                match verdict.outcome {
                    Ok(()) => verdict.expecting(Expect::SessionLive(session.id)),
                    Err(_) => verdict,
                }
            },
        )
        .await;
    let (notice, status) = match outcome {
        Ok(Ok(())) if allow => {
            (Notice::Done("Allowed, for this agent alone. Its next try works.".to_owned()), StatusCode::OK)
        }
        Ok(Ok(())) => (Notice::Done("Denied. It is not shown again for a day.".to_owned()), StatusCode::OK),
        Ok(Err(refusal @ (Refusal::AgentUnknown | Refusal::NotWanted | Refusal::GrantEnded))) => {
            (Notice::Problem(refusal.description().to_owned()), StatusCode::NOT_FOUND)
        }
        Ok(Err(refusal)) => (Notice::Problem(refusal.description().to_owned()), StatusCode::FORBIDDEN),
        Err(Unavailable) => return Fault::unavailable().page(&app),
    };
    show(&app, &visitor, &user, Some(notice), status, false).await
}

/// Names one agent.
pub(crate) async fn rename(State(app): State<Arc<App>>, request: Request) -> Response {
    let (visitor, _, user, form, _) = match acting(&app, request).await {
        Ok(acting) => acting,
        Err(response) => return response,
    };
    let label = form
        .one("label")
        .ok()
        .flatten()
        .map(|text| displayable(text, limit::LABEL))
        .filter(|label| !label.is_empty());
    let outcome = app
        .settle(
            |store| store.grant_facts(agent(&form), None, None),
            |facts, now| revoke::rename(user.id, label.clone(), facts, now),
        )
        .await;
    match outcome {
        Ok(Ok(())) => {
            show(
                &app,
                &visitor,
                &user,
                Some(Notice::Done("The name was changed.".to_owned())),
                StatusCode::OK,
                false,
            )
            .await
        }
        Ok(Err(refusal)) => show(&app, &visitor, &user, problem(refusal), StatusCode::NOT_FOUND, false).await,
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}

/// Stops every agent and signs out every browser.
pub(crate) async fn stop(State(app): State<Arc<App>>, request: Request) -> Response {
    let (_, _, user, _, _) = match acting(&app, request).await {
        Ok(acting) => acting,
        Err(response) => return response,
    };
    match app.settle(|store| store.user(user.id), |_, now| people::stop_everything(user.id, now)).await {
        Ok(_) => {
            let page = crate::page::SignedOut { host: app.settings.site(), agents: 0 };
            reply::with_cookie(render(&page, StatusCode::OK, None), &set_cookie(&app, "session", "", 0))
        }
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}

/// Changes the password: the current one is asked for, and other browsers are signed out.
pub(crate) async fn password(State(app): State<Arc<App>>, request: Request) -> Response {
    let (visitor, session, user, form, source) = match acting(&app, request).await {
        Ok(acting) => acting,
        Err(response) => return response,
    };
    let again = |text: &str| Some(Notice::Problem(text.to_owned()));
    let (Ok(Some(current)), Ok(Some(new))) = (form.one("current"), form.one("new")) else {
        return show(
            &app,
            &visitor,
            &user,
            again("Enter the current and the new password."),
            StatusCode::BAD_REQUEST,
            true,
        )
        .await;
    };
    let Some(held) = user.password.clone().filter(|_| app.settings.sign_in.passwords) else {
        return Fault::no_passwords().page(&app);
    };
    if let Err(refusal) = people::password_fits(new) {
        return show(&app, &visitor, &user, problem(refusal), StatusCode::BAD_REQUEST, true).await;
    }
    let counted = format!("{}\0password", user.id);
    let Ok(attempt) = app.sign_ins.check(&counted, source, Standing::Known, app.now()) else {
        return show(
            &app,
            &visitor,
            &user,
            again("There were too many failed attempts. Try again later."),
            StatusCode::TOO_MANY_REQUESTS,
            true,
        )
        .await;
    };
    let current: String = current.chars().take(limit::PASSWORD_MAX + 1).collect();
    match app.passwords.matches(current, Some(held.clone()), Standing::Known).await {
        Ok(true) => attempt.succeed(),
        Ok(false) => {
            attempt.fail(app.now());
            return show(
                &app,
                &visitor,
                &user,
                again("The current password is wrong."),
                StatusCode::FORBIDDEN,
                true,
            )
            .await;
        }
        Err(_) => return Fault::unavailable().page(&app),
    }
    let Ok(hash) = app.passwords.hash(new.to_owned(), app.entropy.bytes()).await else {
        return Fault::unavailable().page(&app);
    };
    let proven = held.digest();
    let outcome = app
        .settle(
            |store| store.user(user.id),
            |_, now| {
                people::change_password(user.id, hash.clone(), Some(session.id), now)
                    .expecting(Expect::PasswordIs(user.id, proven))
                    .expecting(Expect::SessionLive(session.id))
            },
        )
        .await;
    match outcome {
        Ok(Ok(())) => {
            let done = "The password was changed, and every other browser is signed out. Your agents go on.";
            show(&app, &visitor, &user, Some(Notice::Done(done.to_owned())), StatusCode::OK, false).await
        }
        Ok(Err(refusal)) => {
            show(&app, &visitor, &user, problem(refusal), StatusCode::BAD_REQUEST, true).await
        }
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}

/// Whose grant it is, for lists.
pub(crate) fn subject(row: &AgentRow) -> String {
    match row.grant.subject {
        Subject::Person(id) => row.user_name.clone().unwrap_or_else(|| id.to_string()),
        Subject::Machine => row.grant.client.to_string(),
    }
}
