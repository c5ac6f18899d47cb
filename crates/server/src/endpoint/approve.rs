//! `/approve`: one call of an agent, put before the one person it acts for (protocol R20).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{StatusCode, Uri};
use portcullis_rules::approve::{Approval, ApprovalState, decide, shown_to};
use portcullis_rules::consent::signed_in;
use portcullis_rules::facts::{ApprovalQuery, ApprovalRow};
use portcullis_rules::model::{Grant, GrantState, Session, User};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::Expect;
use portcullis_store::BrowserAsk;
use portcullis_wire::form::Form;
use portcullis_wire::id::ApprovalId;

use crate::app::{App, Unavailable};
use crate::endpoint::authorize::sealed_into;
use crate::endpoint::fault::{Fault, render};
use crate::entropy::EntropyShapes as _;
use crate::page::{Answered, Approve, Claim, ClientFace, ClientKind, Outcome, Question, ShownCall};
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie};
use crate::ticket::Purpose;
use crate::view::{agent_label, face, kind_of_tool, time_of_day};

/// Most open questions a list shows: the newest, oldest first.
const QUESTIONS_SHOWN: usize = 50;

/// Where a question is answered.
pub(crate) fn address(app: &App, id: ApprovalId) -> String {
    format!("{}?id={id}", app.settings.url("/approve"))
}

fn named(uri: &Uri) -> Option<ApprovalId> {
    let form = Form::parse(uri.query()?.as_bytes()).ok()?;
    form.one("id").ok().flatten()?.parse().ok()
}

/// Shows the question to its person; anybody else signs in first, and then learns nothing of it.
pub(crate) async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(id) = named(&parts.uri) else { return Fault::question().page(&app) };
    let visitor = Visitor::read(&app, &parts.headers);
    let response = match here(&app, &visitor).await {
        Ok(Ok((_, user))) => show(&app, &visitor, &user, id).await,
        Ok(Err(Refusal::PersonDisabled)) => Fault::person().page(&app),
        Ok(Err(_)) => reply::see_other(&sealed_into(&app, "/sign-in", Purpose::Question { id }, &visitor)),
        Err(Unavailable) => Fault::unavailable().page(&app),
    };
    // The ticket belongs to this browser, which must be able to say that it is the one.
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(&app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

async fn show(app: &App, visitor: &Visitor, user: &User, id: ApprovalId) -> Response {
    let Ok(facts) = app.store.approval(id).await else { return Fault::unavailable().page(app) };
    match shown_to(user.id, &facts, &app.settings.lifetimes, app.now()) {
        Ok((approval, grant)) => {
            render(&question(app, visitor, user, &facts, approval, grant), StatusCode::OK, None)
        }
        Err(Refusal::ApprovalOver) => over(app, user, &facts).await,
        Err(Refusal::PersonDisabled) => Fault::person().page(app),
        Err(_) => Fault::question().page(app),
    }
}

fn question(
    app: &App,
    visitor: &Visitor,
    user: &User,
    facts: &ApprovalRow,
    approval: &Approval,
    grant: &Grant,
) -> Approve {
    let entry = app.settings.catalog.entry(&approval.resource);
    Approve {
        host: app.settings.site(),
        account: user.name.clone(),
        client: match &facts.client {
            _ if grant.personal.is_some() => {
                ClientFace::new(agent_label(grant).as_str(), None, ClientKind::Personal)
            }
            Some(client) => face(client, grant.redirect.as_ref()),
            None => ClientFace::new(grant.client.as_str(), None, ClientKind::Website),
        },
        agent: agent_label(grant),
        resource_name: entry.map_or_else(|| approval.resource.to_string(), |entry| entry.name.clone()),
        tool: Claim::name(&approval.tool),
        kind: kind_of_tool(entry, &approval.tool),
        call: ShownCall::new(
            &approval.tool,
            &approval.shown.text,
            approval.shown.cut,
            approval.call.as_bytes(),
        ),
        until_text: time_of_day(approval.expires_at),
        ticket: app.tickets.make(
            Purpose::Approve { id: approval.id },
            visitor.holder(),
            app.now() + app.settings.lifetimes.form,
            app.entropy.bytes(),
        ),
    }
}

/// What became of a question of this person's.
async fn over(app: &App, user: &User, facts: &ApprovalRow) -> Response {
    let (Some(approval), Some(grant)) = (&facts.approval, &facts.grant) else {
        return Fault::question().page(app);
    };
    let now = app.now();
    let outcome = match approval.state {
        ApprovalState::Spent => Outcome::Used,
        ApprovalState::Denied => Outcome::Denied,
        _ if grant.state_at(&app.settings.lifetimes, now) != GrantState::Live => Outcome::Ended,
        ApprovalState::Approved if now < approval.expires_at => Outcome::Approved,
        ApprovalState::Open | ApprovalState::Approved => Outcome::Expired,
    };
    let page = Answered {
        host: app.settings.site(),
        outcome,
        agent: agent_label(grant),
        tool: Claim::name(&approval.tool),
        until_text: time_of_day(approval.expires_at),
        others: questions(app, user).await.map_or(0, |questions| questions.len()),
    };
    render(&page, StatusCode::OK, None)
}

/// The questions this person can answer now, for the list of their agents.
pub(crate) async fn questions(app: &App, user: &User) -> Result<Vec<Question>, Unavailable> {
    let now = app.now();
    let query = ApprovalQuery {
        user: Some(user.id),
        open_at: Some(now),
        most: QUESTIONS_SHOWN,
        ..ApprovalQuery::default()
    };
    let rows = app.store.approvals(query).await?;
    let open = rows.iter().rev().filter_map(|row| shown_to(user.id, row, &app.settings.lifetimes, now).ok());
    Ok(open
        .map(|(approval, grant)| Question {
            id: approval.id.to_string(),
            tool: Claim::name(&approval.tool),
            agent: agent_label(grant),
            resource_name: app
                .settings
                .catalog
                .entry(&approval.resource)
                .map_or_else(|| approval.resource.to_string(), |entry| entry.name.clone()),
            until_text: time_of_day(approval.expires_at),
        })
        .collect())
}

async fn here(app: &App, visitor: &Visitor) -> Result<Result<(Session, User), Refusal>, Unavailable> {
    let ask = BrowserAsk { client: None, session: visitor.session_ask(), ticket: None };
    let facts = app.store.browser_facts(ask).await?;
    Ok(signed_in(&facts, app.now()).map(|(session, user)| (session.clone(), user.clone())))
}

/// Takes the answer. It counts once, whatever is sent again.
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
    let Some(Purpose::Approve { id }) = ticket.map(|ticket| ticket.purpose) else {
        return Fault::form().page(&app);
    };
    let yes = match form.one("answer").ok().flatten() {
        Some("approve") => true,
        Some("deny") => false,
        _ => return Fault::form().page(&app),
    };
    let (session, user) = match here(&app, &visitor).await {
        Ok(Ok(here)) => here,
        Ok(Err(Refusal::PersonDisabled)) => return Fault::person().page(&app),
        Ok(Err(_)) => {
            return reply::see_other(&sealed_into(&app, "/sign-in", Purpose::Question { id }, &visitor));
        }
        Err(Unavailable) => return Fault::unavailable().page(&app),
    };
    let outcome = app
        .settle(
            |store| store.approval(id),
            |facts, now| {
                let verdict = decide(user.id, yes, facts, &app.settings.lifetimes, now);
                match verdict.outcome {
                    Ok(_) => verdict.expecting(Expect::SessionLive(session.id)),
                    Err(_) => verdict,
                }
            },
        )
        .await;
    match outcome {
        Ok(Ok(_)) => {
            // Whoever holds the agent's call open meanwhile looks again.
            app.answered.notify_waiters();
            reply::see_other(&address(&app, id))
        }
        // Too late, or answered before: the page says which.
        Ok(Err(Refusal::ApprovalOver)) => reply::see_other(&address(&app, id)),
        Ok(Err(Refusal::PersonDisabled)) => Fault::person().page(&app),
        Ok(Err(_)) => Fault::question().page(&app),
        Err(Unavailable) => Fault::unavailable().page(&app),
    }
}
