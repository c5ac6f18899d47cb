//! Who calls, told to the server behind the door: a short-lived statement signed with our keys, which that server
//! verifies by the published ones. It is no access token and is never taken for one: its type and audience differ.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderValue};
use portcullis_gateway::door::Internal;
use portcullis_gateway::{Asserting, Assertions, Refusal};
use portcullis_guard::Agent;
use serde::Serialize;

use crate::app::App;
use crate::entropy::EntropyShapes as _;

/// The `typ` of the statement (RFC 8725 §3.11).
const TYP: &str = "portcullis-identity+jwt";
/// How long a statement counts: as long as a request may take to reach the server behind.
const LIFE: Duration = Duration::from_secs(60);

/// Signs statements.
pub(crate) struct Statements(pub(crate) Arc<App>);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Statements {
    /// About an agent; about ourselves, where the door asks for itself to learn what tools there are.
    fn sign(&self, agent: Option<&Agent>, audience: &str) -> Option<HeaderValue> {
        let (app, now) = (&self.0, self.0.now());
        let issuer = app.settings.issuer.as_str();
        let claims = Claims {
            iss: issuer,
            sub: agent.map_or(issuer, |agent| &agent.subject),
            aud: audience,
            client_id: agent.map_or(issuer, |agent| agent.client.as_str()),
            agent: agent.and_then(|agent| agent.grant).map(|grant| grant.to_string()),
            scope: agent.map(|agent| agent.scopes.to_string()).unwrap_or_default(),
            resource: agent.map(|agent| agent.resource.as_str()),
            iat: now.seconds(),
            exp: (now + LIFE).seconds(),
            jti: app.entropy.text(),
        };
        let ring = app.keyring.load();
        let text = ring.signer(false)?.sign(TYP, &claims).ok()?;
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Assertions for Statements {
    fn header<'a>(&'a self, caller: &'a Extensions, audience: &'a str) -> Asserting<'a> {
        let made = match (caller.get::<Agent>(), caller.get::<Internal>()) {
            (None, None) => None,
            (agent, _) => self.sign(agent, audience),
        };
        Box::pin(std::future::ready(made.ok_or(Refusal)))
    }
}
