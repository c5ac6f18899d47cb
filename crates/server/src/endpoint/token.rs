//! `POST /token` (RFC 6749 §3.2): a code, a refresh token or a machine's own proof becomes an access token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::mint::{Code, Opaque, Refresh};
use portcullis_jose::seal;
use portcullis_rules::code::{CodeExchange, FreshGrant, Granted, RefreshOut, redeem};
use portcullis_rules::machine;
use portcullis_rules::model::Subject;
use portcullis_rules::proof::prove;
use portcullis_rules::refresh::{self, Successor};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::Verdict;
use portcullis_wire::id::{CodeId, GrantId};
use portcullis_wire::pkce::CodeVerifier;
use portcullis_wire::token::{Sealed, TokenReply, TokenRequest};

use crate::app::{App, Unavailable};
use crate::client_auth::{Caller, caller};
use crate::entropy::EntropyShapes as _;
use crate::reply;
use crate::request::{form, source};

/// What the sealed successor of a refresh token is bound to.
const SUCCESSOR: &[u8] = b"successor";

/// Issues tokens.
pub(crate) async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts.headers, body).await {
        Ok(form) => form,
        Err(fault) => return reply::unreadable(&fault),
    };
    let asked = match TokenRequest::read(&form) {
        Ok(asked) => asked,
        Err(fault) => return reply::malformed(fault),
    };
    let caller = match caller(&app, &parts.headers, &form, source(&app, &parts)).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let outcome = match &asked {
        TokenRequest::Code { code, redirect_uri, verifier, resources } => {
            exchange(&app, &caller, code, redirect_uri.as_deref(), verifier.as_ref(), resources).await
        }
        TokenRequest::Refresh { token, scope, resources } => {
            rotate(&app, &caller, token, scope.as_deref(), resources).await
        }
        TokenRequest::ClientCredentials { scope, resources } => {
            machine_token(&app, &caller, scope.as_deref(), resources).await
        }
    };
    match outcome {
        Ok(Ok(token)) => reply::json(StatusCode::OK, &token),
        Ok(Err(refusal)) => reply::refused(refusal),
        Err(unavailable) => reply::unavailable(unavailable),
    }
}

type Outcome = Result<Result<TokenReply, Refusal>, Unavailable>;

async fn exchange(
    app: &App,
    caller: &Caller,
    code: &Sealed,
    redirect_uri: Option<&str>,
    verifier: Option<&Sealed>,
    resources: &[String],
) -> Outcome {
    let Some(presented) = app.mint.read::<Code>(code.expose()) else {
        return Ok(Err(unknown(app, caller, Refusal::CodeUnknown).await?));
    };
    let verifier = verifier.and_then(|text| CodeVerifier::parse(text.expose()));
    let ask = CodeExchange {
        code: presented.digest,
        proof: &caller.proof,
        redirect_uri,
        verifier: verifier.as_ref(),
        resources,
    };
    let outcome = app
        .settle_while(
            |store| {
                store.code_facts(
                    CodeId::from_number(presented.number),
                    caller.id.clone(),
                    caller.proof.spend(),
                )
            },
            |facts, now| {
                let id = GrantId::from_number(app.entropy.number(now));
                let refresh = app.mint.mint::<Refresh>(id.number(), app.entropy.bytes());
                let verdict = redeem(
                    &ask,
                    facts,
                    &app.settings.catalog,
                    FreshGrant { id, refresh: refresh.digest() },
                    &app.settings.lifetimes,
                    now,
                );
                verdict.map(|granted| (granted, refresh))
            },
            |(granted, _)| access_token(app, granted),
        )
        .await?;
    Ok(match outcome {
        Ok(((granted, refresh), token)) => {
            Ok(answer(app, &granted, token?, (granted.refresh == RefreshOut::New).then_some(refresh)))
        }
        Err(refusal) => Err(refusal),
    })
}

async fn rotate(
    app: &App,
    caller: &Caller,
    token: &Sealed,
    scope: Option<&str>,
    resources: &[String],
) -> Outcome {
    let Some(presented) = app.mint.read::<Refresh>(token.expose()) else {
        return Ok(Err(unknown(app, caller, Refusal::RefreshUnknown).await?));
    };
    let next = app.mint.mint::<Refresh>(presented.number, app.entropy.bytes());
    let sealed = seal::seal_under(token.expose(), SUCCESSOR, app.entropy.bytes(), next.expose().as_bytes());
    let successor = Successor { digest: next.digest(), sealed };
    let ask = refresh::Refresh { token: presented.digest, proof: &caller.proof, scope, resources };
    let outcome = app
        .settle_while(
            |store| {
                store.grant_facts(
                    GrantId::from_number(presented.number),
                    Some(caller.id.clone()),
                    caller.proof.spend(),
                )
            },
            |facts, now| {
                refresh::decide(&ask, facts, &app.settings.catalog, &successor, &app.settings.lifetimes, now)
            },
            |granted| access_token(app, granted),
        )
        .await?;
    let (granted, access) = match outcome {
        Ok(yes) => yes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let refresh = match &granted.refresh {
        RefreshOut::None => None,
        RefreshOut::New => Some(next),
        // The very successor of the first answer, which may have been lost on the way.
        RefreshOut::Again(sealed) => Some(
            seal::open_under(token.expose(), SUCCESSOR, sealed)
                .and_then(|opened| app.mint.restore::<Refresh>(&opened))
                .ok_or(Unavailable)?,
        ),
    };
    Ok(Ok(answer(app, &granted, access?, refresh)))
}

async fn machine_token(app: &App, caller: &Caller, scope: Option<&str>, resources: &[String]) -> Outcome {
    let entry = match app.settings.catalog.named(resources) {
        Ok(entry) => entry,
        Err(refusal) => return Ok(Err(unknown(app, caller, refusal).await?)),
    };
    let outcome = app
        .settle_while(
            |store| store.machine_facts(caller.id.clone(), entry.resource.clone(), caller.proof.spend()),
            |facts, now| {
                machine::decide(
                    &caller.proof,
                    scope,
                    entry,
                    facts,
                    GrantId::from_number(app.entropy.number(now)),
                    now,
                )
            },
            |granted| access_token(app, granted),
        )
        .await?;
    Ok(match outcome {
        Ok((granted, token)) => Ok(answer(app, &granted, token?, None)),
        Err(refusal) => Err(refusal),
    })
}

/// Who cannot prove who they are learns that first, whatever else is wrong (RFC 6749 §5.2).
async fn unknown(app: &App, caller: &Caller, otherwise: Refusal) -> Result<Refusal, Unavailable> {
    let nothing = GrantId::from_number(0);
    let outcome = app
        .settle(
            |store| store.grant_facts(nothing, Some(caller.id.clone()), caller.proof.spend()),
            |facts, _| match prove(facts.client.as_ref(), &caller.proof, facts.spent) {
                Ok(_) => Verdict::<()>::refuse(otherwise).spending(&caller.proof),
                Err(refusal) => Verdict::refuse(refusal),
            },
        )
        .await?;
    Ok(outcome.err().unwrap_or(otherwise))
}

/// Signs an access token (RFC 9068 §2).
fn access_token(app: &App, granted: &Granted) -> Result<String, Unavailable> {
    let now = app.now().seconds();
    let life = i64::try_from(app.settings.lifetimes.access_token.as_secs()).unwrap_or(i64::MAX);
    let claims = AccessClaims {
        iss: app.settings.issuer.to_string(),
        sub: match granted.subject {
            Subject::Person(person) => person.to_string(),
            Subject::Machine => granted.client.to_string(),
        },
        aud: Audience::one(granted.resource.as_str()),
        client_id: granted.client.to_string(),
        exp: now.saturating_add(life),
        iat: now,
        nbf: None,
        jti: app.entropy.text(),
        scope: Some(granted.scopes.to_string()),
        grant: Some(granted.grant.to_string()),
        rev: Some(granted.rev),
    };
    let rs256 = app.settings.catalog.entry(&granted.resource).is_some_and(|entry| entry.rs256);
    let ring = app.keyring.load();
    let signer = ring.signer(rs256).ok_or(Unavailable)?;
    signer.sign("at+jwt", &claims).map_err(|error| {
        tracing::error!(%error, "an access token could not be signed");
        Unavailable
    })
}

fn answer(
    app: &App,
    granted: &Granted,
    access_token: String,
    refresh: Option<Opaque<Refresh>>,
) -> TokenReply {
    TokenReply {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: app.settings.lifetimes.access_token.as_secs(),
        scope: granted.scopes.to_string(),
        refresh_token: refresh.map(|token| token.expose().to_owned()),
    }
}
