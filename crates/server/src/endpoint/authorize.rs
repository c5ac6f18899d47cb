//! `GET /authorize` (RFC 6749 §3.1): judge, then send the browser on to sign-in or consent with a sealed ticket.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use portcullis_rules::authorize::{ReturnTo, judge, prompt, prove_asker};
use portcullis_rules::consent::{admitted, signed_in};
use portcullis_rules::facts::BrowserFacts;
use portcullis_rules::model::{Client, Origin};
use portcullis_rules::refusal::Refusal;
use portcullis_store::BrowserAsk;
use portcullis_wire::authorize::{Asker, AuthorizeReply, AuthorizeRequest};
use portcullis_wire::form::Form;
use portcullis_wire::id::ClientId;
use portcullis_wire::limit;
use portcullis_wire::redirect::Landing;

use crate::app::{App, Unavailable};
use crate::endpoint::fault::Fault;
use crate::entropy::EntropyShapes as _;
use crate::page::Fact;
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, set_cookie, source};
use crate::ticket::{Holder, PendingRequest, Purpose};

/// Reads an authorization request, from the query or (RFC 6749 §3.1 allows it) from a form.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let parameters = if parts.method == Method::POST {
        match form(&parts.headers, body).await {
            Ok(form) => form,
            Err(fault) => return Fault::unreadable(fault.0).page(&app),
        }
    } else {
        let query = parts.uri.query().unwrap_or_default();
        match Form::parse(query.as_bytes()) {
            Ok(form) if query.len() <= limit::QUERY => form,
            _ => return Fault::unreadable(http::StatusCode::BAD_REQUEST).page(&app),
        }
    };
    let visitor = Visitor::read(&app, &parts.headers);
    if parts.method == Method::POST && visitor.fresh.is_some() && !is_from_here(&parts.headers) {
        return again(&app, &parameters);
    }
    let response = match decide(&app, &parameters, &visitor, &parts).await {
        Ok(url) => reply::see_other(&url),
        Err(Stop::Page(fault)) => fault.page(&app),
        Err(Stop::Redirect(url)) => reply::see_other(&url),
    };
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(&app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

/// Whether a page of ours, or the person alone, sent this (Fetch Metadata §2.4).
fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
}

/// The same request as a `GET`. A form of another site comes without our `SameSite` cookies, whether the browser has
/// them or not: to answer it with fresh ones would take the browser's own away. They come with the `GET`.
fn again(app: &App, parameters: &Form) -> Response {
    let query = parameters.to_query();
    if query.len() > limit::QUERY {
        return Fault::unreadable(http::StatusCode::BAD_REQUEST).page(app);
    }
    reply::see_other(&format!("{}?{query}", app.settings.url("/authorize")))
}

enum Stop {
    Page(Box<Fault>),
    Redirect(String),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Page(Box::new(fault))
    }
}
impl From<Unavailable> for Stop {
    fn from(_: Unavailable) -> Self {
        Fault::unavailable().into()
    }
}

async fn decide(
    app: &App,
    parameters: &Form,
    visitor: &Visitor,
    parts: &http::request::Parts,
) -> Result<String, Stop> {
    let asker = Asker::read(parameters).map_err(|_| Fault::asker(Refusal::RedirectUnknown))?;
    let id = asker
        .client_id
        .as_deref()
        .and_then(ClientId::parse)
        .ok_or_else(|| Fault::asker(Refusal::ClientUnknown))?;
    let ask = || BrowserAsk { client: Some(id.clone()), session: visitor.session_ask(), ticket: None };
    let facts = app.store.browser_facts(ask()).await.map_err(Unavailable::from)?;
    let client = client(app, &id, &facts, parts).await?;
    // Before client and redirect URI are proven, an error is shown and never redirected (RFC 6749 §4.1.2.1).
    let to = prove_asker(&asker, client.as_ref()).map_err(|refusal| {
        let fault = Fault::asker(refusal).fact(Fact::mono("App id", id.as_str()));
        match &asker.redirect_uri {
            Some(uri) => fault.fact(Fact::mono("Asked for", uri)),
            None => fault,
        }
    })?;
    let client = client.ok_or_else(|| Fault::asker(Refusal::ClientUnknown))?;
    let state = parameters.one("state").ok().flatten().filter(|state| state.len() <= limit::STATE);
    let now = app.now();
    let here = signed_in(&facts, now);
    let is_here = here.is_ok();
    let back = |refusal: Refusal| back(app, &client, &to, state, is_here, refusal);
    let request = AuthorizeRequest::read(parameters).map_err(|_| back(Refusal::RequestMalformed))?;
    let asked = judge(&request, &client, &to, &app.settings.catalog).map_err(back)?;
    let quietly =
        request.prompt.as_deref().is_some_and(|prompt| prompt.split(' ').any(|word| word == "none"));
    if let (true, Ok((_, user))) = (quietly, &here) {
        admitted(&asked, user, &app.settings.catalog).map_err(back)?;
    }
    prompt(&request, here.is_ok()).map_err(back)?;
    let again = request.prompt.as_deref().is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"));
    let pending = PendingRequest { asked, signed_in_after: again.then_some(now), shown: None };
    let page = if here.is_ok() && !again { "/consent" } else { "/sign-in" };
    Ok(onward(app, page, pending, visitor))
}

/// The URL of a page with the request sealed into it.
pub(crate) fn onward(app: &App, page: &str, pending: PendingRequest, visitor: &Visitor) -> String {
    sealed_into(app, page, Purpose::Request(pending), visitor)
}

/// The URL of a page with a ticket of this browser in it, whoever will be signed in there.
pub(crate) fn sealed_into(app: &App, page: &str, purpose: Purpose, visitor: &Visitor) -> String {
    sealed_for(app, page, purpose, visitor.holder())
}

/// The same, for a browser that is known by what stands for its cookie.
pub(crate) fn sealed_for(app: &App, page: &str, purpose: Purpose, holder: Holder) -> String {
    let holder = Holder { session: None, ..holder };
    let ticket =
        app.tickets.make(purpose, holder, app.now() + app.settings.lifetimes.form, app.entropy.bytes());
    format!("{}?request={ticket}", app.settings.url(page))
}

/// The client: by its document where its id is a URL, by its row otherwise.
async fn client(
    app: &App,
    id: &ClientId,
    facts: &BrowserFacts,
    parts: &http::request::Parts,
) -> Result<Option<Client>, Stop> {
    if !id.is_url() {
        return Ok(facts.client.clone());
    }
    let mut client = app
        .documents
        .client_with(id, facts.client.is_some(), source(app, parts), &app.settings.lifetimes)
        .await
        .map_err(|fault| Fault::document(fault).fact(Fact::mono("App id", id.as_str())))?;
    client.enabled = facts.client.as_ref().is_none_or(|row| row.enabled);
    Ok(Some(client))
}

/// Whether a refusal is shown and not sent back. Whoever registers a website, or puts a document on the web, can write
/// a link that is refused at once: we are nobody's open redirector (RFC 9700 §4.11.2). A document names the domain that
/// answers for it, so it is believed where somebody has signed in.
fn is_shown(origin: Origin, landing: Landing, is_here: bool) -> bool {
    match (origin, landing) {
        (Origin::Registered, Landing::Web) => true,
        (Origin::Document, Landing::Web) => !is_here,
        _ => false,
    }
}

/// A refusal goes back to the client with `state` and `iss`, or is shown.
fn back(
    app: &App,
    client: &Client,
    to: &ReturnTo,
    state: Option<&str>,
    is_here: bool,
    refusal: Refusal,
) -> Stop {
    if is_shown(client.origin, to.uri().landing(), is_here) {
        return Fault::request(refusal).fact(Fact::mono("App", to.uri().as_str())).into();
    }
    Stop::Redirect(AuthorizeReply::Error(refusal.code(), refusal.description()).location(
        to.uri().as_str(),
        state,
        app.settings.issuer.as_str(),
    ))
}

/// The `request` parameter of one of our pages.
pub(crate) fn ticket_in(uri: &Uri) -> Option<String> {
    let form = Form::parse(uri.query()?.as_bytes()).ok()?;
    form.one("request").ok().flatten().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_rfc9700_4_11_2_nobody_is_sent_to_a_website_by_a_strangers_link() {
        for (origin, landing, is_here, expected) in [
            (Origin::Registered, Landing::Web, false, true),
            (Origin::Registered, Landing::Web, true, true),
            (Origin::Document, Landing::Web, false, true),
            (Origin::Document, Landing::Web, true, false),
            (Origin::Preregistered, Landing::Web, false, false),
            (Origin::Registered, Landing::Loopback, false, false),
            (Origin::Document, Landing::Loopback, false, false),
            (Origin::Document, Landing::PrivateUse, false, false),
        ] {
            assert_eq!(is_shown(origin, landing, is_here), expected, "{origin:?} {landing:?} {is_here}");
        }
    }
}
