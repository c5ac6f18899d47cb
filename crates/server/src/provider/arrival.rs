//! Who came back from a provider: what is kept of them, what the rules say, and the session that opens.

use std::collections::BTreeSet;

use axum::response::Response;
use portcullis_jose::mint::Session;
use portcullis_rules::federation::{self, Arriving, Presented};
use portcullis_rules::groups::Group;
use portcullis_rules::model::account_key;
use portcullis_rules::people::FreshSession;
use portcullis_rules::refusal::Refusal;
use portcullis_sso::{Identity, Mapped};
use portcullis_store::{ArrivalAsk, BrowserAsk};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{SessionId, UserId};
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::party::Provider;
use crate::app::{App, Unavailable};
use crate::endpoint::sign_in::{after, signed_in};
use crate::entropy::EntropyShapes as _;
use crate::reply;
use crate::request::Visitor;
use crate::ticket::Behind;

/// What is kept of a person between the verified response and the browser's return.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptPresented {
    subject: String,
    name: Option<String>,
    /// The address, if it counts as verified.
    email: Option<String>,
    groups: Option<BTreeSet<String>>,
    /// When they proved there who they are, if it is known.
    proven_at: Option<UnixTime>,
}

impl std::fmt::Debug for KeptPresented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptPresented(…)")
    }
}

impl KeptPresented {
    /// What the mapping made of an identity. `asked_again` is when a fresh proof was asked for, and so given since: that one
    /// is as fresh as can be, however coarse the provider's clock.
    pub(crate) fn new(identity: &Identity, mapped: &Mapped, asked_again: Option<UnixTime>) -> Self {
        Self {
            subject: identity.subject.clone(),
            proven_at: identity.authenticated_at.max(asked_again),
            name: mapped.name.clone(),
            email: mapped
                .email
                .as_ref()
                .filter(|email| email.verified)
                .and_then(|email| federation::address(&email.address)),
            // More than one may be in is refused, and need not be carried further.
            groups: mapped.groups.as_ref().map(|names| {
                let ours = names.iter().filter(|name| Group::parse(name).is_some());
                ours.take(limit::GROUPS + 1).cloned().collect()
            }),
        }
    }

    /// As the rules take it. A group whose name is none of ours is nobody's.
    pub(crate) fn presented(self, issuer: &str) -> Presented {
        let groups = |names: BTreeSet<String>| names.iter().filter_map(|name| Group::parse(name)).collect();
        Presented {
            issuer: issuer.to_owned(),
            subject: self.subject,
            name: self.name,
            email: self.email,
            groups: self.groups.map(groups),
        }
    }
}

/// How an arrival ended.
pub(crate) enum Arrived {
    /// Signed in, and on the way.
    In(Response),
    /// Not let in.
    Refused(Refusal),
}

fn ask(
    presented: &Presented,
    provider: &Provider,
    new: UserId,
    handoff: Option<Digest>,
    at: UnixTime,
) -> ArrivalAsk {
    ArrivalAsk {
        issuer: presented.issuer.clone(),
        subject: presented.subject.clone(),
        email: presented.email.clone(),
        names: federation::names(presented, &provider.name, new)
            .iter()
            .map(|name| account_key(name))
            .collect(),
        handoff,
        at,
    }
}

/// Settles who came back: whose account it is, whether they are let in, and opens a session.
pub(crate) async fn arrive(
    app: &App,
    visitor: &Visitor,
    provider: &Provider,
    presented: KeptPresented,
    handoff: Digest,
    behind: Option<Behind>,
) -> Result<Arrived, Unavailable> {
    // A provider that keeps people signed in sends them back at once: that proves nothing of who sits there now.
    let proven_at = presented.proven_at.unwrap_or(UnixTime::from_seconds(0));
    let presented = presented.presented(&provider.issuer);
    let browser = BrowserAsk { client: None, session: visitor.session_ask(), ticket: None };
    let here = app.store.browser_facts(browser).await?;
    let fresh = app.mint.mint::<Session>(app.entropy.number(app.now()), app.entropy.bytes());
    let number = app.mint.read::<Session>(fresh.expose()).map_or(0, |presented| presented.number);
    let new_user = UserId::from_number(app.entropy.secret_number());
    let arriving = Arriving {
        presented: &presented,
        joining: &provider.joining,
        provider: &provider.name,
        handoff,
        proven_at,
        held: here.session.as_ref().map(|(session, _)| session),
        fresh: FreshSession { id: SessionId::from_number(number), digest: fresh.digest() },
        new_user,
        tell: app.told.take((provider.name.clone(), "not_let_in"), app.now()).is_ok(),
    };
    // One after the other, so that what is remembered last of somebody's groups is what was written last.
    let turn = app.membership.turn.lock().await;
    let outcome = app
        .settle(
            |store| store.arrival_facts(ask(&presented, provider, new_user, Some(handoff), app.now())),
            |facts, now| federation::arrive(&arriving, facts, &app.settings.lifetimes, now),
        )
        .await?;
    let arrival = match outcome {
        Ok(arrival) => arrival,
        Err(refusal) => return Ok(Arrived::Refused(refusal)),
    };
    if let Some(user) = app.store.user(arrival.user).await? {
        app.membership.note(&user);
    }
    drop(turn);
    let next = reply::see_other(&after(app, behind, visitor));
    Ok(Arrived::In(signed_in(app, next, visitor, &fresh, None)))
}

/// What a trial tells of somebody who was there: each claim and what became of it, and what would be decided.
pub(crate) async fn judged(
    app: &App,
    provider: &Provider,
    identity: &Identity,
) -> Result<Value, Unavailable> {
    let mapped = provider.mapping.apply(identity);
    let presented = KeptPresented::new(identity, &mapped, None).presented(&provider.issuer);
    let nobody = UserId::from_number(0);
    let facts = app.store.arrival_facts(ask(&presented, provider, nobody, None, app.now())).await?;
    let judged = federation::judge(&presented, &provider.joining, &provider.name, &facts);
    let claims: Vec<_> = mapped
        .trace
        .iter()
        .map(|line| json!({ "claim": line.claim, "value": line.value, "became": line.became }))
        .collect();
    let names = |groups: &BTreeSet<Group>| groups.iter().map(|group| group.as_str().to_owned()).collect();
    let groups: Vec<String> = names(&judged.groups);
    Ok(json!({
        "state": "done",
        "issuer": identity.issuer,
        "subject": identity.subject,
        "claims": claims,
        "mapped": {
            "name": mapped.name,
            "email": mapped.email.as_ref().map(|email| &email.address),
            "email_verified": mapped.email.as_ref().is_some_and(|email| email.verified),
            "groups": mapped.groups,
        },
        "account": judged.name,
        "groups": groups,
        "verdict": if judged.outcome.is_ok() { "in" } else { "refused" },
        "how": match judged.outcome { Ok(how) => how.as_str(), Err(why) => why.as_str() },
        "why": judged.why(),
    }))
}
