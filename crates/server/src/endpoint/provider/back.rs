//! Back from a provider, whichever protocol it speaks: is it this browser's, this provider's, still good? And who is it?

use axum::response::Response;
use portcullis_rules::refusal::Refusal;
use portcullis_sso::Identity;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;

use super::fault::{refused, row};
use crate::app::{App, Unavailable};
use crate::endpoint::fault::{Fault, render};
use crate::page::Tried;
use crate::provider::{Arrived, Kept, KeptPresented, Provider, arrive, judged, open, take};
use crate::request::Visitor;

/// What somebody brought back, once it is known to be this browser's and this provider's.
pub(crate) struct Returned {
    pub(crate) digest: Digest,
    pub(crate) kept: Kept,
}

/// What lies under a handle, if it belongs to this provider. A handle at another provider's address is taken: whoever
/// mixed it up, nobody goes on with it.
pub(crate) async fn named(app: &App, provider: &Provider, handle: Option<&str>) -> Result<Returned, Fault> {
    let handle = handle.ok_or_else(Fault::handoff)?;
    let found = open(app, handle).await.map_err(|Unavailable| Fault::unavailable())?;
    let (digest, kept) = found.ok_or_else(Fault::handoff)?;
    if kept.provider != provider.name || kept.issuer != provider.issuer {
        tracing::warn!(
            at = provider.name,
            of = kept.provider,
            "an answer came to another provider's address"
        );
        let also = row(app, provider, "provider_mixed_up").into_iter().collect();
        take(app, digest, also).await.map_err(|Unavailable| Fault::unavailable())?;
        return Err(Fault::mixed_up());
    }
    Ok(Returned { digest, kept })
}

/// Whether it is this browser that went. If not, nobody goes on with it: neither who began nor who came back.
pub(crate) async fn mine(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    returned: Returned,
) -> Result<Returned, Fault> {
    if returned.kept.browser == base64url::encode(visitor.digest().as_bytes()) {
        return Ok(returned);
    }
    tracing::warn!(provider = provider.name, "a sign-in came back in another browser");
    let also = row(app, provider, "callback_other_browser").into_iter().collect();
    take(app, returned.digest, also).await.map_err(|Unavailable| Fault::unavailable())?;
    Err(Fault::other_browser())
}

/// The end of a sign-in: a session and the way on, or a page that says why not.
pub(crate) async fn arrived(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    presented: KeptPresented,
    returned: Returned,
) -> Response {
    let Returned { digest, kept } = returned;
    let behind = kept.behind.clone();
    match arrive(app, visitor, provider, presented, digest, kept.behind).await {
        Ok(Arrived::In(response)) => response,
        Ok(Arrived::Refused(refusal)) => {
            if let Refusal::NotLetIn(why) = refusal {
                let (word, why) = (why.as_str(), why.why());
                tracing::info!(provider = provider.name, word, why, "somebody was not let in");
            }
            refused(app, visitor.holder(), provider, refusal, behind).page(app)
        }
        Err(Unavailable) => Fault::unavailable().page(app),
    }
}

/// The end of a trial, in the browser; what came of it is told on the terminal.
pub(crate) fn tried(app: &App) -> Response {
    render(&Tried { host: app.settings.site() }, http::StatusCode::OK, None)
}

/// What a trial found about somebody who was there.
pub(crate) async fn report(
    app: &App,
    provider: &Provider,
    identity: &Identity,
) -> Result<serde_json::Value, Unavailable> {
    judged(app, provider, identity).await
}
