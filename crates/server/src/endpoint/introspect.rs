//! `POST /introspect` (RFC 7662): for resource servers that would rather ask than verify. Each learns of tokens for
//! its own resource and of no others; everything else is `active: false` and nothing more.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::jws;
use portcullis_rules::facts::GrantFacts;
use portcullis_rules::model::{GrantState, Subject};
use portcullis_rules::proof::{ClientProof, prove};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::Verdict;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::GrantId;
use portcullis_wire::token::IntrospectionReply;

use crate::app::App;
use crate::client_auth::caller;
use crate::endpoint::revoke::ACCESS;
use crate::reply;
use crate::request::{form, source};

/// Says what a token is worth now.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts.headers, body).await {
        Ok(form) => form,
        Err(fault) => return reply::unreadable(&fault),
    };
    if let Err(fault) = form.each_once(&[]) {
        return reply::malformed(fault.into());
    }
    let caller = match caller(&app, &parts.headers, &form, source(&app, &parts)).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let Ok(Some(token)) = form.one("token") else {
        return reply::error(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            "The parameter token is missing.",
        );
    };
    let claims = read(&app, token);
    let grant =
        claims.as_ref().and_then(|claims| claims.grant.as_deref()).and_then(|grant| grant.parse().ok());
    let outcome = app
        .settle(
            |store| {
                store.grant_facts(
                    grant.unwrap_or(GrantId::from_number(0)),
                    Some(caller.id.clone()),
                    caller.proof.spend(),
                )
            },
            |facts, _| match prove(facts.client.as_ref(), &caller.proof, facts.spent) {
                Err(refusal) => Verdict::refuse(refusal),
                // RFC 7662 §2.1: whoever shows nothing but an id would scan for tokens that live.
                Ok(_) if matches!(caller.proof, ClientProof::Public) => {
                    Verdict::refuse(Refusal::MethodMismatch)
                }
                Ok(client) => match &client.introspects {
                    None => Verdict::refuse(Refusal::MayNotIntrospect).spending(&caller.proof),
                    Some(own) => {
                        let active = claims
                            .as_ref()
                            .filter(|claims| claims.aud.only() == Some(own.as_str()) && lives(facts));
                        // An assertion is spent even for a look.
                        Verdict::yes(active.map(reply_of)).proven(client, &caller.proof)
                    }
                },
            },
        )
        .await;
    match outcome {
        Ok(Ok(active)) => reply::json(StatusCode::OK, &active.unwrap_or_default()),
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

/// The same judgement as a guard's: signature, times, cuts.
fn read(app: &App, token: &str) -> Option<AccessClaims> {
    let ring = app.keyring.load();
    let verified = jws::verify::<AccessClaims>(token, &ACCESS, ring.verifying()).ok()?;
    let claims = verified.claims;
    let aud = claims.aud.only()?.to_owned();
    claims.check(app.settings.issuer.as_str(), &aud, app.now(), 0).ok()?;
    (!app.cuts.touches(&claims, verified.kid.as_deref().unwrap_or_default())).then_some(claims)
}

/// The store's word beside the token's: grant live, person enabled.
fn lives(facts: &GrantFacts) -> bool {
    facts.grant.as_ref().is_some_and(|grant| {
        grant.state == GrantState::Live
            && match grant.subject {
                Subject::Person(_) => facts.user.as_ref().is_some_and(|user| user.enabled),
                Subject::Machine => true,
            }
    })
}

fn reply_of(claims: &AccessClaims) -> IntrospectionReply {
    IntrospectionReply {
        active: true,
        scope: claims.scope.clone(),
        client_id: Some(claims.client_id.clone()),
        sub: Some(claims.sub.clone()),
        aud: claims.aud.only().map(str::to_owned),
        iss: Some(claims.iss.clone()),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        jti: Some(claims.jti.clone()),
        token_type: Some("Bearer".to_owned()),
        grant: claims.grant.clone(),
    }
}
