//! `POST /sign-in/with`: out to a provider. Only a form of ours leads there, never a link (threats, control 12).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_rules::federation::NotLetIn;
use portcullis_rules::refusal::Refusal;
use portcullis_sso::oidc;
#[cfg(feature = "saml")]
use portcullis_sso::saml;
use portcullis_wire::base64url;

use super::fault::{from_provider, refused, told};
use crate::app::{App, Unavailable};
use crate::client::source_prefix;
use crate::endpoint::fault::{Fault, render};
use crate::endpoint::sign_in::{Shown, show};
use crate::page::{ADDRESS_MAX, Claim, Leaving};
use crate::provider::{Kept, Party, Provider, Step, put, state_text};
use crate::reply;
use crate::request::{BROWSER_LIFE, Visitor, form, is_own_form, set_cookie, source};
use crate::ticket::{Behind, Purpose};

/// Chooses the provider: by its button, or by a work address.
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
    let Some(Purpose::SignIn { behind }) = ticket.map(|ticket| ticket.purpose) else {
        return Fault::form().page(&app);
    };
    let source = source(&app, &parts);
    let named = form.one("provider").ok().flatten().and_then(|name| app.providers.find(name));
    let typed = form.one("address").ok().flatten().map(str::trim).unwrap_or_default();
    let address = if typed.len() <= ADDRESS_MAX { typed } else { "" };
    let Some(provider) = named.or_else(|| app.providers.by_address(address)).cloned() else {
        let shown = Shown::new(behind, StatusCode::BAD_REQUEST)
            .lost(address, "No company that signs in here has that address.");
        return show(&app, &visitor, shown, source).await;
    };
    match app.providers.on(&*app.store).await {
        Ok(on) if on.iter().any(|one| one.name == provider.name) => {}
        Ok(_) => {
            // Nobody is sent on a way that ends in a refusal.
            let off = Refusal::NotLetIn(NotLetIn::ProviderOff);
            return refused(&app, visitor.holder(), &provider, off, behind).page(&app);
        }
        Err(error) => {
            let Unavailable = error.into();
            return Fault::unavailable().page(&app);
        }
    }
    let hint = (named.is_none()).then(|| address.to_owned());
    leave(&app, &visitor, &provider, Leave { behind, hint, trial: None }, source).await
}

/// With what somebody leaves for a provider.
pub(crate) struct Leave {
    /// What waits behind the sign-in.
    pub(crate) behind: Option<Behind>,
    /// The work address that was typed.
    pub(crate) hint: Option<String>,
    /// The trial it belongs to.
    pub(crate) trial: Option<String>,
}

/// Remembers what has to be, and says where the browser goes.
pub(crate) async fn leave(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    leave: Leave,
    source: IpAddr,
) -> Response {
    if let Err(wait) = app.handoffs.take(source_prefix(source), app.now()) {
        return Fault::too_many(wait).page(app);
    }
    let again_since =
        leave.behind.as_ref().and_then(Behind::request).and_then(|pending| pending.signed_in_after);
    let handle = state_text(app);
    let (url, step) = match out(app, provider, &handle, leave.hint, again_since.is_some()).await {
        Ok(out) => out,
        Err(fault) => {
            told(app, provider, &fault).await;
            if let Some(trial) = &leave.trial {
                app.trials.end(trial, super::trial::fault_report(&fault), app.now());
            }
            return from_provider(app, visitor.holder(), provider, &fault, leave.behind).page(app);
        }
    };
    let kept = Kept {
        provider: provider.name.clone(),
        issuer: provider.issuer.clone(),
        browser: base64url::encode(visitor.digest().as_bytes()),
        behind: leave.behind,
        again_since,
        trial: leave.trial,
        step,
    };
    match put(app, &handle, &kept).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(Unavailable) => return Fault::unavailable().page(app),
    }
    let destination = url::Url::parse(&url)
        .ok()
        .and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        })
        .unwrap_or_default();
    let page = Leaving {
        host: app.settings.site(),
        label: Claim::name(&provider.label),
        destination: Claim::long(&destination),
        url,
    };
    let response = render(&page, StatusCode::OK, None);
    match &visitor.fresh {
        Some(fresh) => {
            reply::with_cookie(response, &set_cookie(app, "browser", fresh.expose(), BROWSER_LIFE))
        }
        None => response,
    }
}

/// The address to go to, and what its answer must fit.
async fn out(
    app: &App,
    provider: &Provider,
    handle: &str,
    hint: Option<String>,
    again: bool,
) -> Result<(String, Step), portcullis_sso::Fault> {
    match &provider.party {
        Party::Oidc(party) => {
            let (nonce, verifier) = (state_text(app), state_text(app));
            let begin = oidc::Begin {
                redirect_uri: redirect_uri(app, &provider.name),
                state: handle.to_owned(),
                nonce: nonce.clone(),
                verifier: verifier.clone(),
                login_hint: hint,
                again,
            };
            let url = party.begin(&begin, app.now()).await?;
            Ok((url, Step::Oidc { nonce, verifier }))
        }
        #[cfg(feature = "saml")]
        Party::Saml(party) => {
            let _no_place_for_it = hint;
            // An xs:ID begins with a letter or an underscore.
            let request = format!("_{}", state_text(app));
            let begin = saml::Begin { request_id: request.clone(), relay_state: handle.to_owned(), again };
            let url = party.begin(&begin, app.now()).await?;
            Ok((url, Step::Saml { request }))
        }
    }
}

/// Where a provider's answers come: an address of its own (threats, control 13).
pub(crate) fn redirect_uri(app: &App, name: &str) -> String {
    app.settings.url(&format!("/callback/{name}"))
}
