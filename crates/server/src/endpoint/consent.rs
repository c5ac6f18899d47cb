//! `/consent`: what may this agent do? Always shown, answered by the very browser that asked.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::mint::Code;
use portcullis_rules::consent::{Answer, FreshCode, Reply, admitted, decide, replaceable, signed_in};
use portcullis_rules::facts::BrowserFacts;
use portcullis_rules::model::{Client, Origin, Session, User};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::register::fingerprint;
use portcullis_rules::verdict::Write;
use portcullis_rules::want;
use portcullis_store::BrowserAsk;
use portcullis_wire::authorize::AuthorizeReply;
use portcullis_wire::base64url;
use portcullis_wire::form::Form;
use portcullis_wire::id::CodeId;
use portcullis_wire::scope::{Scope, Scopes};

use crate::app::{App, Unavailable};
use crate::client_auth::changes;
use crate::endpoint::authorize::{onward, ticket_in};
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{Closed, Consent, Fact, Replaceable, RightKind};
use crate::reply;
use crate::request::{Visitor, form, is_own_form, source};
use crate::ticket::{PendingRequest, Purpose, Ticket};
use crate::view::{agent_label, ago, day, face, scope_lines};

/// Shows the page.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let visitor = Visitor::read(&app, &parts.headers);
    let ticket = ticket_in(&parts.uri).and_then(|text| app.tickets.open(&text, visitor.holder(), app.now()));
    let Some(Purpose::Request(pending)) = ticket.map(|ticket| ticket.purpose) else {
        return Fault::form().page(&app);
    };
    show(&app, &visitor, pending, None, StatusCode::OK, source(&app, &parts)).await
}

async fn facts(
    app: &App,
    visitor: &Visitor,
    pending: &PendingRequest,
    ticket: Option<&Ticket>,
) -> Result<BrowserFacts, Unavailable> {
    let ask = BrowserAsk {
        client: Some(pending.asked.client.clone()),
        session: visitor.session_ask(),
        ticket: ticket.map(|ticket| ticket.digest),
    };
    Ok(app.store.browser_facts(ask).await?)
}

/// The client as it is now: its document where it has one, its row otherwise.
async fn client(
    app: &App,
    pending: &PendingRequest,
    row: Option<&Client>,
    source: IpAddr,
) -> Result<Client, Fault> {
    let id = &pending.asked.client;
    if !id.is_url() {
        return row.cloned().ok_or_else(|| Fault::asker(Refusal::ClientUnknown));
    }
    let mut client = app
        .documents
        .client_with(id, row.is_some(), source, &app.settings.lifetimes)
        .await
        .map_err(|fault| Fault::document(fault).fact(Fact::mono("App id", id.as_str())))?;
    client.enabled = row.is_none_or(|row| row.enabled);
    Ok(client)
}

/// The session, if it counts for this request: `prompt=login` wants one that is newer than the request.
fn session<'a>(
    facts: &'a BrowserFacts,
    pending: &PendingRequest,
    app: &App,
) -> Result<(&'a Session, &'a User), Refusal> {
    let (session, user) = signed_in(facts, app.now())?;
    match pending.signed_in_after {
        Some(after) if session.created_at < after => Err(Refusal::SignedOut),
        _ => Ok((session, user)),
    }
}

async fn show(
    app: &App,
    visitor: &Visitor,
    pending: PendingRequest,
    fault: Option<String>,
    status: StatusCode,
    source: IpAddr,
) -> Response {
    let facts = match facts(app, visitor, &pending, None).await {
        Ok(facts) => facts,
        Err(Unavailable) => return Fault::unavailable().page(app),
    };
    let user = match session(&facts, &pending, app) {
        Ok((_, user)) => user,
        Err(Refusal::PersonDisabled) => return Fault::person().page(app),
        Err(_) => return reply::see_other(&onward(app, "/sign-in", pending, visitor)),
    };
    let client = match client(app, &pending, facts.client.as_ref(), source).await {
        Ok(client) => client,
        Err(fault) => return fault.page(app),
    };
    let asked = &pending.asked;
    let entry = app.settings.catalog.entry(&asked.resource);
    let now = app.now();
    // What the person may not have is not asked of them.
    let Ok(may) = admitted(asked, user, &app.settings.catalog) else {
        return closed(app, visitor, &pending, user, &client);
    };
    let before = replaceable(&facts, asked).fold(Scopes::none(), |held, grant| held.union(&grant.scopes));
    // What is held is folded away beside what is new; where nothing is new, all of it is the question. Only what
    // reads is folded away: which of the person's installs asks cannot be known, and none may get another's right to
    // change or delete without a tick.
    let held = if before.covers(&may) { Scopes::none() } else { before };
    let mut lines = scope_lines(entry, &may, &held);
    for line in &mut lines {
        line.held &= line.kind == RightKind::Reads;
    }
    let extra =
        want::extra(&facts.grants, asked, &client, user, &app.settings.catalog, &app.settings.lifetimes, now);
    let first_seen = match client.origin {
        Origin::Preregistered => Some("An administrator of this server entered it.".to_owned()),
        _ if facts.grants.is_empty() => Some("You have not used it here before.".to_owned()),
        _ => None,
    };
    let page = Consent {
        host: app.settings.site(),
        account: user.name.clone(),
        client: face(&client, Some(&asked.redirect_uri)),
        return_host: asked.redirect_uri.authority(),
        return_uri: asked.redirect_uri.to_string(),
        resource_name: entry.map_or_else(|| asked.resource.to_string(), |entry| entry.name.clone()),
        resource_uri: asked.resource.to_string(),
        only_new: lines.iter().any(|line| line.held) && lines.iter().any(|line| !line.held),
        scopes: lines,
        wanted: scope_lines(entry, &extra, &Scopes::none()),
        replaces: replaceable(&facts, asked)
            .map(|grant| Replaceable {
                id: grant.id.to_string(),
                label: agent_label(grant),
                last_used_text: format!("Last used {}", ago(grant.last_used_at, now)),
            })
            .collect(),
        first_seen_text: first_seen,
        lifetime_text: format!(
            "Until you revoke it. It ends by itself after {} days without use, and on {} at the latest.",
            app.settings.lifetimes.grant_idle.as_secs() / 86_400,
            day(now + app.settings.lifetimes.grant)
        ),
        ticket: ticket(app, visitor, &pending, &client),
        fault,
    };
    render(&page, status, Some(&asked.redirect_uri))
}

fn ticket(app: &App, visitor: &Visitor, pending: &PendingRequest, client: &Client) -> String {
    app.tickets.make(
        Purpose::Consent(PendingRequest { shown: Some(print_of(client)), ..pending.clone() }),
        visitor.holder(),
        app.now() + app.settings.lifetimes.form,
        app.entropy.bytes(),
    )
}

/// The resource is not for this person: whom to ask, and the way back to the app, which is told.
fn closed(app: &App, visitor: &Visitor, pending: &PendingRequest, user: &User, client: &Client) -> Response {
    let asked = &pending.asked;
    let page = Closed {
        host: app.settings.site(),
        account: user.name.clone(),
        client: face(client, Some(&asked.redirect_uri)),
        resource_name: app
            .settings
            .catalog
            .entry(&asked.resource)
            .map_or_else(|| asked.resource.to_string(), |entry| entry.name.clone()),
        resource_uri: asked.resource.to_string(),
        ticket: ticket(app, visitor, pending, client),
    };
    render(&page, StatusCode::FORBIDDEN, Some(&asked.redirect_uri))
}

/// Takes the answer.
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
    let Some((ticket, pending)) = ticket.and_then(|ticket| match ticket.purpose.clone() {
        Purpose::Consent(pending) => Some((ticket, pending)),
        _ => None,
    }) else {
        return Fault::form().page(&app);
    };
    let Some(answer) = answer(&form, &ticket) else { return Fault::form().page(&app) };
    settle(&app, &visitor, pending, &answer, &ticket, source(&app, &parts)).await
}

/// What stands for all a client says of itself.
fn print_of(client: &Client) -> String {
    base64url::encode(fingerprint(&client.metadata).as_bytes())
}

fn answer(form: &Form, ticket: &Ticket) -> Option<Answer> {
    let allow = match form.one("answer").ok().flatten() {
        Some("allow") => true,
        Some("deny") => false,
        _ => return None,
    };
    Some(Answer {
        allow,
        ticked: form.all("scope").filter_map(|scope| Scope::parse(scope).ok()).collect(),
        started: form.one("started").ok().flatten() == Some("yes"),
        replaces: form.one("replaces").ok().flatten().and_then(|id| id.parse().ok()),
        ticket: ticket.digest,
        ticket_until: ticket.until,
    })
}

async fn settle(
    app: &App,
    visitor: &Visitor,
    pending: PendingRequest,
    answer: &Answer,
    ticket: &Ticket,
    source: IpAddr,
) -> Response {
    let row = match facts(app, visitor, &pending, Some(ticket)).await {
        Ok(facts) => facts.client,
        Err(Unavailable) => return Fault::unavailable().page(app),
    };
    let client = match client(app, &pending, row.as_ref(), source).await {
        Ok(client) => client,
        Err(fault) => return fault.page(app),
    };
    if answer.allow && pending.shown.as_deref() != Some(print_of(&client).as_str()) {
        let text =
            "What this app says of itself has changed since you opened this page. Look again.".to_owned();
        return show(app, visitor, pending, Some(text), StatusCode::CONFLICT, source).await;
    }
    let asked = &pending.asked;
    let ask = || BrowserAsk {
        client: Some(asked.client.clone()),
        session: visitor.session_ask(),
        ticket: Some(ticket.digest),
    };
    let outcome = app
        .settle(
            |store| store.browser_facts(ask()),
            |facts, now| {
                let number = app.entropy.number(now);
                let code = app.mint.mint::<Code>(number, app.entropy.bytes());
                let fresh = FreshCode { id: CodeId::from_number(number), digest: code.digest() };
                let mut verdict = decide(
                    Reply { asked, answer, client: &client },
                    facts,
                    &app.settings.catalog,
                    fresh,
                    &app.settings.lifetimes,
                    now,
                );
                if client.origin == Origin::Document && verdict.outcome.is_ok() {
                    // The first row of a client with a document: the token endpoint will want it.
                    verdict.writes.insert(0, Write::PutClient(client.clone()));
                    if let Some(row) = &facts.client {
                        verdict.writes.extend(changes(row, &client, now));
                    }
                    verdict.expects.retain(|expect| {
                        !matches!(expect, portcullis_rules::verdict::Expect::ClientEnabled(_))
                            || facts.client.is_some()
                    });
                }
                verdict.map(|_| code)
            },
        )
        .await;
    let send = |reply: AuthorizeReply<'_>| {
        reply::see_other(&reply.location(
            asked.redirect_uri.as_str(),
            asked.state.as_deref(),
            app.settings.issuer.as_str(),
        ))
    };
    match outcome {
        Ok(Ok(code)) => send(AuthorizeReply::Code(code.expose())),
        Ok(Err(refusal @ (Refusal::Denied | Refusal::NotAdmitted))) => {
            send(AuthorizeReply::Error(refusal.code(), refusal.description()))
        }
        Ok(Err(refusal @ (Refusal::NothingTicked | Refusal::NotStarted))) => {
            let text = match refusal {
                Refusal::NothingTicked => "Tick at least one thing it may do, or deny.",
                _ => "Say that you started this yourself, or deny.",
            };
            show(app, visitor, pending, Some(text.to_owned()), StatusCode::BAD_REQUEST, source).await
        }
        Ok(Err(Refusal::SignedOut)) => reply::see_other(&onward(app, "/sign-in", pending, visitor)),
        Ok(Err(Refusal::PersonDisabled)) => Fault::person().page(app),
        Ok(Err(refusal @ (Refusal::ClientUnknown | Refusal::ClientDisabled | Refusal::RedirectUnknown))) => {
            Fault::asker(refusal).page(app)
        }
        Ok(Err(_)) => Fault::form().page(app),
        Err(Unavailable) => Fault::unavailable().page(app),
    }
}
