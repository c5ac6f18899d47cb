//! A look at a provider without a person, for `portcullis sso test`.

use portcullis_wire::time::UnixTime;
use serde_json::Value;
use url::Url;

use super::cache::FRESH;
use super::discovery::Discovered;
use super::fault;
use super::party::RelyingParty;
use super::settings::ClientAuth;
use super::token::{Redeem, ask, is_about_client, refused};
use crate::{Fault, Finding};

/// A code that nobody gave, and a verifier beside it: what the token endpoint says of them tells whether it knows us.
const NO_CODE: &str = "portcullis-sso-test";
const NO_VERIFIER: &str = "portcullis-sso-test-portcullis-sso-test-verifier";

fn fine(what: impl Into<String>) -> Finding {
    Finding { what: what.into(), fault: None }
}

fn wrong(what: impl Into<String>, fault: Fault) -> Finding {
    Finding { what: what.into(), fault: Some(fault) }
}

fn judged(what: impl Into<String>, found: Result<(), Fault>) -> Finding {
    Finding { what: what.into(), fault: found.err() }
}

impl RelyingParty {
    /// Looks at the discovery document, the keys and the token endpoint, all fetched anew.
    pub async fn check(&self, now: UnixTime) -> Vec<Finding> {
        if let Some(endpoints) = &self.github {
            let auth =
                if self.settings.client_secret.is_some() { ClientAuth::Post } else { ClientAuth::None };
            return vec![self.credentials(&endpoints.token, auth).await];
        }
        self.discovered.forget().await;
        self.keys.forget().await;
        let heading = format!("discovery document of {}", self.settings.issuer);
        let discovered = match self.discover(now).await {
            Ok(found) => found.value,
            Err(fault) => return vec![wrong(heading, fault)],
        };
        let mut findings = vec![
            fine(format!("{heading}: read, its issuer is the configured one, its endpoints are secure")),
            fine("authorization code flow: supported"),
            pkce(&discovered),
            fine(format!(
                "signatures: {}",
                discovered.algs.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ")
            )),
            self.scopes(&discovered),
            self.usable_keys(&discovered, now).await,
            fine(if discovered.answers_with_issuer {
                "answers name their issuer (RFC 9207)"
            } else {
                "answers do not name their issuer (RFC 9207); the callback address of its own stands in for it"
            }),
        ];
        match discovered.auth(self.settings.auth, self.settings.client_secret.is_some()) {
            Err(fault) => findings.push(wrong("client authentication", fault)),
            Ok(auth) => findings.push(self.credentials(&discovered.token, auth).await),
        }
        findings
    }

    fn scopes(&self, discovered: &Discovered) -> Finding {
        let Some(known) = &discovered.scopes else { return fine("scopes: the provider does not list them") };
        let missing: Vec<&str> =
            self.settings.scopes.iter().filter(|scope| !known.contains(scope)).map(String::as_str).collect();
        judged(
            format!("scopes: {}", self.settings.scopes.join(" ")),
            missing.is_empty().then_some(()).ok_or_else(|| {
                fault::administrator(
                    "scopes_unsupported",
                    format!("the provider does not list the scope {}", missing.join(", ")),
                    "it may refuse the sign-in, or leave out the claims that come with it",
                    "take it out of `scopes`, or define it at the provider",
                )
            }),
        )
    }

    async fn usable_keys(&self, discovered: &Discovered, now: UnixTime) -> Finding {
        match self.keys.get(now, FRESH, self.fetch_keys(discovered)).await {
            Err(fault) => wrong("key set", fault),
            Ok(found) => {
                let usable = found.value.iter().filter(|key| discovered.algs.contains(&key.alg())).count();
                judged(
                    format!("key set: {usable} usable keys"),
                    (usable > 0).then_some(()).ok_or_else(|| {
                        fault::provider(
                            "keys_none",
                            "the provider's key set holds no key that its ID tokens could be proven with",
                            "no ID token would be believed",
                            "have the provider publish an RSA key of 2048 bits or more, a P-256 key or an Ed25519 key",
                        )
                    }),
                )
            }
        }
    }

    /// Redeems a code that nobody gave. Whoever does not know us says so; whoever does, refuses the code.
    async fn credentials(&self, endpoint: &Url, auth: ClientAuth) -> Finding {
        let request = Redeem { code: NO_CODE, redirect_uri: None, verifier: NO_VERIFIER };
        let what = match auth {
            ClientAuth::None => "client id at the token endpoint",
            _ => "client id and secret at the token endpoint",
        };
        let answer = match ask(&self.fetcher, endpoint, &self.settings, auth, &request).await {
            Ok(answer) => answer,
            Err(fault) => return wrong(what, fault),
        };
        let error = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| body.get("error").and_then(Value::as_str).map(str::to_owned));
        match error {
            Some(error) if is_about_client(&error) => wrong(what, refused(&error, answer.status)),
            Some(_) => fine(format!("{what}: accepted")),
            None => wrong(
                what,
                fault::provider(
                    "token_answer",
                    format!(
                        "the token endpoint answered a made-up code with status {} and no error",
                        answer.status
                    ),
                    "RFC 6749 §5.2 wants an error code, and without one nobody knows what went wrong",
                    "see whether `token_endpoint` leads where it should",
                ),
            ),
        }
    }
}

fn pkce(discovered: &Discovered) -> Finding {
    fine(match discovered.pkce {
        Some(_) => "PKCE with S256: supported",
        None => "PKCE with S256: sent; the provider does not say whether it is heeded",
    })
}
