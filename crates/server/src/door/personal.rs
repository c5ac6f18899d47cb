//! Personal tokens at the guard: read from their rows, judged as a refresh is, and good for less than a minute before
//! they are judged again.

use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::{BoxFuture, Clock, OpaqueFault, OpaqueTokens};
use portcullis_jose::claims::{AccessClaims, Audience};
use portcullis_jose::mint::{self, Kind as _, Mint};
use portcullis_rules::model::Subject;
use portcullis_rules::personal::{self, Standing};
use portcullis_store::Store;
use portcullis_wire::id::{ClientId, GrantId};

use crate::app::App;
use crate::entropy::{Entropy, EntropyShapes as _};
use crate::settings::Settings;

/// For how long an answer may be reused. What is taken away by a cut is taken away at once; a person who lost a group, or a
/// scope that is offered no more, is noticed within this time.
const REUSED_FOR: Duration = Duration::from_secs(30);

/// Reads personal tokens.
pub(crate) struct PersonalTokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    mint: Arc<Mint>,
    settings: Arc<Settings>,
}

impl PersonalTokens {
    pub(crate) fn of(app: &App) -> Self {
        Self {
            store: Arc::clone(&app.store),
            clock: Arc::clone(&app.clock),
            entropy: Arc::clone(&app.entropy),
            mint: Arc::clone(&app.mint),
            settings: Arc::clone(&app.settings),
        }
    }

    async fn look_up(&self, token: &str) -> Result<AccessClaims, OpaqueFault> {
        // Nothing but our own tokens costs a look at the store.
        let presented = self.mint.read::<mint::Personal>(token).ok_or(OpaqueFault::Refused)?;
        let client = ClientId::parse(personal::CLIENT).ok_or(OpaqueFault::Refused)?;
        let facts = self
            .store
            .grant_facts(GrantId::from_number(presented.number), Some(client), None)
            .await
            .map_err(|error| {
                tracing::error!(%error, "a personal token could not be looked up");
                OpaqueFault::Unavailable
            })?;
        let (settings, now) = (&self.settings, self.clock.now());
        let standing =
            personal::present(&presented.digest, &facts, &settings.catalog, &settings.lifetimes, now);
        let Standing { grant, subject, client, resource, scopes, expires_at, rev, .. } =
            standing.map_err(|_| OpaqueFault::Refused)?;
        let Subject::Person(person) = subject else { return Err(OpaqueFault::Refused) };
        Ok(AccessClaims {
            iss: settings.issuer.as_str().to_owned(),
            sub: person.to_string(),
            aud: Audience::one(resource.as_str()),
            client_id: client.to_string(),
            exp: expires_at.min(now + REUSED_FOR).seconds(),
            iat: now.seconds(),
            nbf: None,
            jti: self.entropy.text(),
            scope: Some(scopes.to_string()),
            grant: Some(grant.to_string()),
            rev: Some(rev),
        })
    }
}

impl OpaqueTokens for PersonalTokens {
    fn is_one(&self, token: &str) -> bool {
        token.starts_with(mint::Personal::PREFIX)
    }

    fn claims<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<AccessClaims, OpaqueFault>> {
        Box::pin(self.look_up(token))
    }
}
