//! The OpenID relying party against a provider of our own, honest and otherwise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop, and say where")]

mod absent;
mod answers;
mod flow;
mod moods;
mod presets;
mod provider;
mod tokens;

use std::collections::HashMap;

use portcullis_fetch::{Fetcher, Loopback};
use portcullis_sso::oidc::{Back, Begin, Kept, Preset, RelyingParty, Secret, Settings};
use portcullis_sso::{Fault, Identity};
use portcullis_wire::time::UnixTime;
use provider::Provider;
use url::Url;

const REDIRECT: &str = "https://mcp.example/callback/acme";
const VERIFIER: &str = "the-verifier-of-this-sign-in-0123456789-abcdef";

/// A relying party of `provider`, and what its sign-ins are made of.
struct Side {
    provider: Provider,
    party: RelyingParty,
    begin: Begin,
    kept: Kept,
}

impl Side {
    async fn new(preset: Preset) -> Self {
        Self::with(preset, |_| {}).await
    }

    async fn with(preset: Preset, change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Provider::start().await, preset, change)
    }

    fn at(provider: Provider, preset: Preset, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(preset, provider.issuer(), "portcullis");
        settings.client_secret = Some(Secret::new("s3cret/of+ours"));
        change(&mut settings);
        let party = RelyingParty::new(settings, fetcher()).unwrap();
        let begin = Begin {
            redirect_uri: REDIRECT.to_owned(),
            state: "state-1".to_owned(),
            nonce: "nonce-1".to_owned(),
            verifier: VERIFIER.to_owned(),
            login_hint: None,
            again: false,
        };
        let kept = Kept {
            redirect_uri: REDIRECT.to_owned(),
            nonce: "nonce-1".to_owned(),
            verifier: VERIFIER.to_owned(),
            again_since: None,
        };
        Self { provider, party, begin, kept }
    }

    fn now(&self) -> UnixTime {
        self.provider.state().now
    }

    /// Out, through the person's hands, and what came back.
    async fn away(&self) -> Result<Back, Fault> {
        let url = self.party.begin(&self.begin, self.now()).await?;
        let back = Url::parse(&self.provider.visit(&url)).unwrap();
        let query: HashMap<String, String> = back.query_pairs().into_owned().collect();
        assert_eq!(query["state"], "state-1");
        Ok(Back { code: query["code"].clone(), iss: query.get("iss").cloned() })
    }

    async fn back(&self, back: &Back) -> Result<Identity, Fault> {
        self.party.finish(back, &self.kept, self.now()).await
    }

    /// A whole sign-in.
    async fn sign_in(&self) -> Result<Identity, Fault> {
        let back = self.away().await?;
        self.back(&back).await
    }

    /// The code of the fault a whole sign-in ends with.
    async fn refusal(&self) -> &'static str {
        match self.sign_in().await {
            Ok(_) => "signed in",
            Err(fault) => {
                assert!(!fault.what.is_empty() && !fault.why.is_empty() && !fault.fix.is_empty());
                let told = format!("{fault:?}");
                for secret in ["s3cret", "access-of-ada", "refresh-of-ada", "code-1", VERIFIER, "ada@"] {
                    assert!(!told.contains(secret), "{told}");
                }
                fault.code
            }
        }
    }
}

fn fetcher() -> Fetcher {
    let loopback = Loopback::AllowPlainAndTls;
    Fetcher::new(portcullis_fetch::Settings { loopback, ..Default::default() }).unwrap()
}
