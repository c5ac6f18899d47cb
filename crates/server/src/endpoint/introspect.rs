//! `POST /introspect` (RFC 7662): for resource servers that would rather ask than verify. Each learns of tokens for
//! its own resource and of no others; everything else is `active: false` and nothing more.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::claims::AccessClaims;
use portcullis_jose::jws;
use portcullis_jose::mint::{Personal, Presented};
use portcullis_rules::facts::GrantFacts;
use portcullis_rules::model::{GrantState, Subject};
use portcullis_rules::personal::{CLIENT, Standing, present};
use portcullis_rules::proof::{ClientProof, prove};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::Verdict;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::time::UnixTime;
use portcullis_wire::token::IntrospectionReply;

use crate::app::{App, Unavailable};
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
    // A personal token is no statement of its own: what it stands for is read, and judged as at a guard.
    let standing = match app.mint.read::<Personal>(token) {
        None => None,
        Some(token) => match standing(&app, &token).await {
            Ok(standing) => standing,
            Err(unavailable) => return reply::unavailable(unavailable),
        },
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
            |facts, now| match prove(facts.client.as_ref(), &caller.proof, facts.spent) {
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
                            .filter(|claims| claims.aud.only() == Some(own.as_str()) && lives(facts, now))
                            .map(reply_of);
                        let standing = standing.as_ref().filter(|standing| standing.resource == *own);
                        let active = active.or_else(|| standing.map(|standing| reply_for(&app, standing)));
                        // An assertion is spent even for a look.
                        Verdict::yes(active).proven(client, &caller.proof)
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

/// What a personal token stands for now, if for anything.
async fn standing(app: &App, token: &Presented<Personal>) -> Result<Option<Standing>, Unavailable> {
    let grant = GrantId::from_number(token.number);
    let facts = app.store.grant_facts(grant, ClientId::parse(CLIENT), None).await?;
    let settings = &app.settings;
    Ok(present(&token.digest, &facts, &settings.catalog, &settings.lifetimes, app.now()).ok())
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

/// The store's word beside the token's: grant live, person may act.
fn lives(facts: &GrantFacts, now: UnixTime) -> bool {
    facts.grant.as_ref().is_some_and(|grant| {
        grant.state == GrantState::Live
            && match grant.subject {
                Subject::Person(_) => facts.user.as_ref().is_some_and(|user| user.stands(now)),
                Subject::Machine => true,
            }
    })
}

fn reply_for(app: &App, standing: &Standing) -> IntrospectionReply {
    let subject = match standing.subject {
        Subject::Person(person) => person.to_string(),
        Subject::Machine => standing.client.to_string(),
    };
    IntrospectionReply {
        active: true,
        scope: Some(standing.scopes.to_string()),
        client_id: Some(standing.client.to_string()),
        sub: Some(subject),
        aud: Some(standing.resource.to_string()),
        iss: Some(app.settings.issuer.to_string()),
        exp: Some(standing.expires_at.seconds()),
        iat: Some(standing.created_at.seconds()),
        jti: None,
        token_type: Some("Bearer".to_owned()),
        grant: Some(standing.grant.to_string()),
    }
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
