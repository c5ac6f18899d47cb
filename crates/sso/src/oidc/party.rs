//! The relying party: out to the provider, and back.

use std::fmt;

use portcullis_fetch::{Fetcher, Limits, Reach};
use portcullis_jose::JoseError;
use portcullis_jose::key::KeySet;
use portcullis_wire::pkce::CodeVerifier;
use portcullis_wire::time::UnixTime;
use serde_json::Value;
use url::Url;

use super::cache::{Cache, FRESH, Found, ROTATION};
use super::discovery::{self, Discovered};
use super::github::{self, Endpoints};
use super::id_token::{self, Checked, Expected};
use super::preset::{GITHUB, Preset, groups_overage};
use super::settings::{ClientAuth, Settings, issuer_form, issuer_url};
use super::token::{Redeem, Tokens, redeem};
use super::{fault, userinfo};
use crate::{Act, Fault, Identity};

/// Longest hint of who signs in, in bytes.
const HINT: usize = 254;

/// What a sign-in begins with. All of it is drawn by the caller, and kept by it.
#[derive(Clone)]
pub struct Begin {
    /// Our callback address of this provider alone.
    pub redirect_uri: String,
    /// The handle under which the rest is kept.
    pub state: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// The PKCE verifier (RFC 7636 §4.1).
    pub verifier: String,
    /// The work address the person typed, if they did.
    pub login_hint: Option<String>,
    /// Whether the person has to prove anew who they are.
    pub again: bool,
}

/// What came back in the query.
#[derive(Clone)]
pub struct Back {
    /// The code.
    pub code: String,
    /// `iss` (RFC 9207 §2).
    pub iss: Option<String>,
}

/// What was kept since [`Begin`].
#[derive(Clone)]
pub struct Kept {
    /// As it was in [`Begin`].
    pub redirect_uri: String,
    /// As it was in [`Begin`].
    pub nonce: String,
    /// As it was in [`Begin`].
    pub verifier: String,
    /// Since when a sign-in at the provider counts; none where any does.
    pub again_since: Option<UnixTime>,
}

/// The relying party of one provider. It remembers that provider's discovery document and keys, and nobody else's.
pub struct RelyingParty {
    pub(super) settings: Settings,
    pub(super) base: Url,
    pub(super) fetcher: Fetcher,
    pub(super) discovered: Cache<Discovered>,
    pub(super) keys: Cache<KeySet>,
    pub(super) github: Option<Endpoints>,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

impl RelyingParty {
    /// For the provider of `settings`. Nothing is fetched yet.
    ///
    /// # Errors
    /// A [`Fault`] for an issuer that is no https address, or an empty client id.
    pub fn new(mut settings: Settings, fetcher: Fetcher) -> Result<Self, Fault> {
        settings.issuer = settings.known_as()?;
        if settings.scopes.is_empty() {
            settings.scopes = settings.preset.scopes().iter().map(|scope| (*scope).to_owned()).collect();
        }
        if settings.preset != Preset::GitHub && !settings.scopes.iter().any(|scope| scope == "openid") {
            settings.scopes.insert(0, "openid".to_owned());
        }
        let base = issuer_url(&settings.issuer)?;
        let github = (settings.preset == Preset::GitHub).then(|| Endpoints::of(&settings.issuer)).flatten();
        let reach = if settings.private_network { Reach::PrivateNetwork } else { Reach::Public };
        let fetcher = fetcher.reaching(reach);
        Ok(Self { settings, base, fetcher, discovered: Cache::new(), keys: Cache::new(), github })
    }

    /// The issuer accounts are linked by.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// The address the person is sent to (OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// A [`Fault`] when the provider's document cannot be had, or the provider cannot do what is asked.
    pub async fn begin(&self, begin: &Begin, now: UnixTime) -> Result<String, Fault> {
        if begin.again && !self.settings.preset.proves_again() {
            return Err(no_proof_again());
        }
        let verifier = CodeVerifier::parse(&begin.verifier).ok_or_else(own_verifier)?;
        let challenge = verifier.challenge();
        let mut url = match &self.github {
            Some(endpoints) => endpoints.authorization.clone(),
            None => self.discover(now).await?.value.authorization.clone(),
        };
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("redirect_uri", &begin.redirect_uri)
                .append_pair("scope", &self.settings.scopes.join(" "))
                .append_pair("state", &begin.state)
                .append_pair("code_challenge", challenge.as_str())
                .append_pair("code_challenge_method", "S256");
            let hint = begin.login_hint.as_deref().filter(|hint| !hint.is_empty() && hint.len() <= HINT);
            if self.github.is_some() {
                // GitHub's name for it takes an account name or an address.
                if let Some(hint) = hint {
                    query.append_pair("login", hint);
                }
            } else {
                query.append_pair("nonce", &begin.nonce);
                if let Some(hint) = hint {
                    query.append_pair("login_hint", hint);
                }
                if begin.again {
                    query.append_pair("prompt", "login").append_pair("max_age", "0");
                }
            }
        }
        Ok(url.into())
    }

    /// Who came back.
    ///
    /// # Errors
    /// A [`Fault`], by cause. Nothing of the provider's tokens is kept, whatever comes out.
    pub async fn finish(&self, back: &Back, kept: &Kept, now: UnixTime) -> Result<Identity, Fault> {
        let request =
            Redeem { code: &back.code, redirect_uri: Some(&kept.redirect_uri), verifier: &kept.verifier };
        self.answered(back.iss.as_deref(), now).await?;
        if let Some(endpoints) = &self.github {
            return self.finish_github(endpoints, kept, &request).await;
        }
        let discovered = self.discover(now).await?.value;
        let auth = discovered.auth(self.settings.auth, self.settings.client_secret.is_some())?;
        let tokens = redeem(&self.fetcher, &discovered.token, &self.settings, auth, &request).await?;
        let verified = self.verified(&tokens, &discovered, now).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &kept.nonce,
            access_token: tokens.access.expose(),
            again_since: kept.again_since,
        };
        let Checked { subject, authenticated_at, mut claims } = id_token::check(verified, &expected, now)?;
        if let Some(endpoint) = discovered.userinfo.as_ref().filter(|_| self.settings.preset.asks_userinfo())
        {
            userinfo::add(&self.fetcher, endpoint, &tokens.access, &subject, &mut claims).await?;
        }
        self.quirks(&claims)?;
        Ok(Identity { issuer: self.settings.issuer.clone(), subject, authenticated_at, claims })
    }

    async fn finish_github(
        &self,
        endpoints: &Endpoints,
        kept: &Kept,
        request: &Redeem<'_>,
    ) -> Result<Identity, Fault> {
        if kept.again_since.is_some() {
            return Err(no_proof_again());
        }
        let auth = if self.settings.client_secret.is_some() { ClientAuth::Post } else { ClientAuth::None };
        let tokens = redeem(&self.fetcher, &endpoints.token, &self.settings, auth, request).await?;
        github::identity(
            &self.fetcher,
            endpoints,
            &self.settings.issuer,
            &self.settings.scopes,
            &tokens.access,
        )
        .await
    }

    /// Whether an answer is this provider's, by its `iss` (RFC 9207 §2.4, T-mixup). [`finish`](Self::finish) asks this
    /// itself; an answer that holds an error is the caller's to judge.
    ///
    /// # Errors
    /// `answer_issuer` for another's; `answer_issuer_absent` where the provider says that it names itself and the answer
    /// does not; what keeps the provider's document from being had, where it decides.
    pub async fn answered(&self, iss: Option<&str>, now: UnixTime) -> Result<(), Fault> {
        match iss {
            Some(iss) if self.is_named(iss) => Ok(()),
            Some(_) => Err(other_answer()),
            None if self.github.is_some() || !self.discover(now).await?.value.answers_with_issuer => Ok(()),
            None => Err(fault::provider(
                "answer_issuer_absent",
                "the answer does not name its issuer (`iss`), though the provider says it does",
                "what is absent may have been taken away by who stands in between",
                "see that nothing between the provider and the browser changes the address of our callback",
            )),
        }
    }

    /// Where GitHub names itself in an answer, it may do so by the path of its OAuth endpoints.
    fn is_named(&self, iss: &str) -> bool {
        let is_github = self.github.is_some() && self.settings.issuer == GITHUB;
        iss == self.settings.issuer || is_github && iss == format!("{GITHUB}/login/oauth")
    }

    pub(super) async fn discover(&self, now: UnixTime) -> Result<Found<Discovered>, Fault> {
        self.discovered.get(now, FRESH, self.fetch_discovery()).await
    }

    async fn fetch_discovery(&self) -> Result<Discovered, Fault> {
        let url =
            discovery::address(&self.settings.issuer).ok_or_else(|| issuer_form(&self.settings.issuer))?;
        let document = self
            .fetcher
            .fetch(&url, Limits::METADATA)
            .await
            .map_err(|error| fault::unreachable(fault::Ask::Discovery, error))?;
        Discovered::read(&document.body, &self.settings.issuer, &self.base)
    }

    pub(super) async fn fetch_keys(&self, discovered: &Discovered) -> Result<KeySet, Fault> {
        let document = self
            .fetcher
            .fetch(&discovered.keys, Limits::KEY_SET)
            .await
            .map_err(|error| fault::unreachable(fault::Ask::Keys, error))?;
        KeySet::parse(&document.body).map_err(|error| {
            fault::provider(
                "keys_form",
                "the provider's key set is refused",
                error.to_string(),
                "have the provider publish public keys alone, each under a name of its own",
            )
        })
    }

    /// Verifies the ID token, with the keys fetched anew once if it may be a new key that signed it.
    async fn verified(
        &self,
        tokens: &Tokens,
        discovered: &Discovered,
        now: UnixTime,
    ) -> Result<portcullis_jose::jws::Verified<serde_json::Map<String, Value>>, Fault> {
        let token = tokens.answer.text("id_token")?;
        if let Some(fault) = id_token::forbidden_alg(token) {
            return Err(fault);
        }
        let known = self.keys.get(now, FRESH, self.fetch_keys(discovered)).await?;
        match id_token::verify(token, &discovered.algs, &known.value) {
            Ok(verified) => return Ok(verified),
            Err(JoseError::UnknownKey | JoseError::Signature | JoseError::AlgorithmOfKey) => {}
            Err(error) => return Err(fault::jose(error)),
        }
        let fresh = self.keys.get(now, ROTATION, self.fetch_keys(discovered)).await?;
        id_token::verify(token, &discovered.algs, &fresh.value).map_err(fault::jose)
    }

    fn quirks(&self, claims: &serde_json::Map<String, Value>) -> Result<(), Fault> {
        if self.settings.preset == Preset::Entra
            && let Some(fault) = groups_overage(claims)
        {
            return Err(fault);
        }
        let hosted = &self.settings.hosted_domains;
        if self.settings.preset == Preset::Google && !hosted.is_empty() {
            let is_ours = claims
                .get("hd")
                .and_then(Value::as_str)
                .is_some_and(|domain| hosted.iter().any(|h| h == domain));
            if !is_ours {
                return Err(Fault::new(
                    "hosted_domain",
                    Act::Person,
                    "the Google account does not belong to the organisation",
                    "Google signs in everybody; only its claim `hd` says who belongs to an organisation",
                    "sign in with the work account; an administrator finds the organisations in `domains`",
                ));
            }
        }
        Ok(())
    }
}

fn other_answer() -> Fault {
    fault::provider(
        "answer_issuer",
        "the answer came from another provider",
        "a provider that is no friend of this one could catch its codes that way (RFC 9207)",
        "begin again; if it stays, see which provider's application has our callback address",
    )
}

fn no_proof_again() -> Fault {
    fault::administrator(
        "again_unsupported",
        "this provider cannot prove a fresh sign-in",
        "it does not heed `max_age`, and says nothing of when the person signed in",
        "use another provider where a step needs a fresh sign-in, or do not ask for one",
    )
}

fn own_verifier() -> Fault {
    fault::administrator(
        "verifier",
        "the PKCE verifier is not of RFC 7636's form",
        "the provider would refuse it",
        "this is a fault of this server: report it",
    )
}
