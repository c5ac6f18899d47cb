//! Who calls: what is left of a token once it was verified.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use portcullis_jose::claims::AccessClaims;
use portcullis_mcp::ToolTable;
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::denied::TokenFault;

/// One install of a client, acting for one person (or for itself) at this resource. Only a guard makes one, from a
/// verified token, so that a handler that asks for it runs for no one else. Cheap to clone: what is known stands in one
/// place, [`Known`], whose members are read as the agent's own.
#[derive(Clone)]
pub struct Agent(Arc<Known>);

/// What is known of an [`Agent`].
#[non_exhaustive]
pub struct Known {
    /// The grant behind the token, if its issuer is a Portcullis.
    pub grant: Option<GrantId>,
    /// The client, by its exact `client_id`.
    pub client: ClientId,
    /// On whose behalf: the token's `sub`, unique to the issuer. A client that acts for itself is its own subject.
    pub subject: String,
    /// What the token allows, as it stands there. For a decision ask [`Agent::may`], which knows what implies what.
    pub scopes: Scopes,
    /// Where it is allowed: here.
    pub resource: Resource,
    /// The token's name (`jti`), good for logs.
    pub token: String,
    /// When the token ends.
    pub expires: UnixTime,
    tools: Arc<ToolTable>,
    proof: Arc<Proof>,
}

impl Deref for Agent {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

/// The verified claims behind an agent and the name of the key that signed them, empty if it has none: what is asked
/// again and again, since time passes and grants end.
pub(crate) struct Proof {
    pub(crate) claims: AccessClaims,
    pub(crate) kid: String,
}

impl Agent {
    pub(crate) fn new(
        claims: AccessClaims,
        kid: String,
        resource: &Resource,
        tools: &Arc<ToolTable>,
    ) -> Result<Self, TokenFault> {
        Ok(Self(Arc::new(Known {
            grant: claims.grant.as_deref().and_then(|grant| grant.parse().ok()),
            client: ClientId::parse(&claims.client_id).ok_or(TokenFault::Client)?,
            subject: claims.sub.clone(),
            scopes: Scopes::parse(claims.scope.as_deref().unwrap_or_default())
                .map_err(|_| TokenFault::Scope)?,
            resource: resource.clone(),
            token: claims.jti.clone(),
            expires: UnixTime::from_seconds(claims.exp),
            tools: Arc::clone(tools),
            proof: Arc::new(Proof { claims, kid }),
        })))
    }

    pub(crate) fn proof(&self) -> &Arc<Proof> {
        &self.proof
    }

    /// Whether the agent may call `tool`: the very question that the guard asks when it is called.
    pub fn may(&self, tool: &str) -> bool {
        self.tools.may(&self.scopes, tool)
    }

    /// Whether the agent holds `scopes`, or scopes that imply them.
    pub fn holds(&self, scopes: &Scopes) -> bool {
        self.tools.covers(&self.scopes, scopes)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("grant", &self.grant)
            .field("client", &self.client)
            .field("subject", &self.subject)
            .field("scopes", &self.scopes)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// A handler asks for an [`Agent`] on a route that has no guard before it. Nobody is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this route asks who is calling, and no guard stands before it; add the layer of Guard::require to it"
)]
pub struct Unguarded;

impl IntoResponse for Unguarded {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": "server_error", "error_description": self.to_string() });
        let headers =
            [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (WWW_AUTHENTICATE, "Bearer")];
        (StatusCode::UNAUTHORIZED, headers, body.to_string()).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Agent {
    type Rejection = Unguarded;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Unguarded> {
        parts.extensions.get::<Self>().cloned().ok_or(Unguarded)
    }
}
