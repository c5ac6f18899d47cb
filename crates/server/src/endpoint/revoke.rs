//! `POST /revoke` (RFC 7009): either token ends the grant. One agent, one switch.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::jws::{self, Profile};
use portcullis_jose::key::Alg;
use portcullis_jose::mint::{Personal, Presented, Refresh};
use portcullis_rules::model::Subject;
use portcullis_rules::revoke::{by_client, by_person};
use portcullis_rules::verdict::Verdict;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::GrantId;

use crate::app::App;
use crate::client_auth::caller;
use crate::reply;
use crate::request::{form, source};

/// Our own access tokens.
pub(crate) const ACCESS: Profile<'static> = Profile { typ: &["at+jwt"], algs: &[Alg::Es256, Alg::Rs256] };

/// Takes back the grant behind a token.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts.headers, body).await {
        Ok(form) => form,
        Err(fault) => return reply::unreadable(&fault),
    };
    if let Err(fault) = form.each_once(&[]) {
        return reply::malformed(fault.into());
    }
    // Whoever holds a personal token acts as its person: no client stands behind it that could prove itself.
    if let Some(token) = form.one("token").ok().flatten().and_then(|token| app.mint.read::<Personal>(token)) {
        return personal(&app, token).await;
    }
    let caller = match caller(&app, &parts.headers, &form, source(&app, &parts)).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    // A hint of a type we do not have would be unsupported_token_type (RFC 7009 §2.2.1); a wrong one is just wrong.
    match form.one("token_type_hint") {
        Ok(None | Some("access_token" | "refresh_token")) | Err(_) => {}
        Ok(Some(_)) => {
            return reply::error(
                StatusCode::BAD_REQUEST,
                ErrorCode::UnsupportedTokenType,
                "token_type_hint must be access_token or refresh_token.",
            );
        }
    }
    let Ok(Some(token)) = form.one("token") else {
        return reply::error(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            "The parameter token is missing.",
        );
    };
    // No grant has the number 0: a token that is not ours is answered like one that is unknown.
    let grant = grant_of(&app, token).unwrap_or(GrantId::from_number(0));
    let outcome = app
        .settle(
            |store| store.grant_facts(grant, Some(caller.id.clone()), caller.proof.spend()),
            |facts, now| by_client(&caller.proof, facts, now),
        )
        .await;
    match outcome {
        Ok(Ok(())) => reply::json(StatusCode::OK, &serde_json::json!({})),
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

/// Ends the agent of a personal token. One that is unknown is answered like one that was ended (RFC 7009 §2.2).
async fn personal(app: &App, token: Presented<Personal>) -> Response {
    let grant = GrantId::from_number(token.number);
    let outcome = app
        .settle(
            |store| store.grant_facts(grant, None, None),
            |facts, now| {
                let own = facts
                    .grant
                    .as_ref()
                    .filter(|grant| grant.personal.is_some_and(|digest| digest.matches(&token.digest)));
                match own.map(|grant| grant.subject) {
                    Some(Subject::Person(person)) => by_person(person, facts, now),
                    _ => Verdict::yes(()),
                }
            },
        )
        .await;
    match outcome {
        Ok(Ok(())) => reply::json(StatusCode::OK, &serde_json::json!({})),
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

/// The grant behind a refresh token or an access token of ours, expired or not.
fn grant_of(app: &App, token: &str) -> Option<GrantId> {
    if let Some(refresh) = app.mint.read::<Refresh>(token) {
        return Some(GrantId::from_number(refresh.number));
    }
    let ring = app.keyring.load();
    let verified = jws::verify::<AccessClaims>(token, &ACCESS, ring.verifying()).ok()?;
    (verified.claims.iss == app.settings.issuer.as_str()).then_some(())?;
    verified.claims.grant?.parse().ok()
}
