//! An honest client: it reads what it is told, registers, asks with PKCE, and keeps its tokens.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use serde_json::{Value, json};

use crate::ask::{Answer, Ask};
use crate::browser::Browser;
use crate::net::Net;

/// Where a client on this computer is answered.
pub const LOOPBACK: &str = "http://127.0.0.1:7777/cb";
/// Where a client on the web is answered.
pub const WEB: &str = "https://client.example/cb";

static VERIFIERS: AtomicU64 = AtomicU64::new(0);

/// The challenge of a verifier (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    base64url::encode(Digest::of(verifier.as_bytes()).as_bytes())
}

/// The claims of a JWT, unverified.
#[track_caller]
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The parameters of a good authorization request without scope and resource.
pub fn authorization(client: &str, redirect: &str, verifier: &str) -> Vec<(String, String)> {
    [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("state", "state-of-the-client"),
        ("code_challenge", &challenge(verifier)),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// A code, and what is needed to redeem it.
#[derive(Clone, Debug)]
pub struct Code {
    /// The code.
    pub code: String,
    /// Its verifier.
    pub verifier: String,
    /// Where it was sent.
    pub redirect: String,
}

/// What `/token` gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token; empty if there is none.
    pub refresh: String,
    /// What was granted.
    pub scope: String,
}

impl Tokens {
    /// Reads a 200 of `/token`.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let json = answer.is(200).json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), scope: text("scope") }
    }

    /// The agent behind them, by its id.
    #[track_caller]
    pub fn agent(&self) -> String {
        claims(&self.access)["grant"].as_str().unwrap().to_owned()
    }
}

/// A client that does everything right.
#[derive(Clone, Debug)]
pub struct HonestClient {
    net: Net,
    /// Path of the resource it talks to.
    pub path: String,
    /// The resource, as its metadata names it.
    pub resource: String,
    /// The authorization server's metadata.
    pub metadata: Value,
    /// What the challenge said to ask for.
    pub scope: Option<String>,
    /// Its `client_id`.
    pub id: String,
    /// Where it is answered.
    pub redirect: String,
}

impl HonestClient {
    /// From a bare 401 to a registration: what every SDK does first.
    pub(crate) async fn arrive(net: Net, path: &str, redirect: &str) -> Self {
        let challenge = net.send(Ask::tool(path, "read_note")).await.is_challenged(401, None);
        let about = net.get(&net.target(challenge.get("resource_metadata").unwrap())).await.is(200).json();
        let server = about["authorization_servers"][0].as_str().unwrap().to_owned();
        assert_eq!(server, net.issuer());
        // The well-known part goes between host and path (RFC 8414 §3.1).
        let issuer = net.target(&format!("{server}/"));
        let document = format!("/.well-known/oauth-authorization-server{}", issuer.trim_end_matches('/'));
        let metadata = net.get(&document).await.is(200).json();
        assert_eq!(metadata["issuer"], about["authorization_servers"][0]);
        let mut client = Self {
            path: path.to_owned(),
            resource: about["resource"].as_str().unwrap().to_owned(),
            scope: challenge.get("scope").map(str::to_owned),
            metadata,
            id: String::new(),
            redirect: redirect.to_owned(),
            net,
        };
        client.register().await;
        client
    }

    /// Registers, or registers again.
    pub async fn register(&mut self) {
        let body = json!({
            "client_name": "Notebook", "redirect_uris": [self.redirect], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        let target = self.net.target(self.metadata["registration_endpoint"].as_str().unwrap());
        let answer = self.net.send(Ask::post(&target).json(&body)).await;
        self.id = answer.is(201).json()["client_id"].as_str().unwrap().to_owned();
    }

    /// A verifier of its own for every request.
    pub fn verifier() -> String {
        let number = VERIFIERS.fetch_add(1, Ordering::SeqCst);
        base64url::encode(Digest::of(format!("verifier {number}").as_bytes()).as_bytes())
    }

    /// A good authorization request for this client's resource.
    pub fn request(&self, verifier: &str, scope: Option<&str>) -> Vec<(String, String)> {
        let mut request = authorization(&self.id, &self.redirect, verifier);
        request.push(("resource".to_owned(), self.resource.clone()));
        if let Some(scope) = scope {
            request.push(("scope".to_owned(), scope.to_owned()));
        }
        request
    }

    /// Asks through a browser in which somebody is signed in, who allows everything.
    pub async fn code(&self, browser: &mut Browser, scope: Option<&str>) -> Code {
        let verifier = Self::verifier();
        let page = browser.page(&self.request(&verifier, scope)).await;
        page.answer.is(200);
        let answer = browser.allow(&page).await;
        assert_eq!(answer.landed("state").as_deref(), Some("state-of-the-client"), "{answer:?}");
        assert_eq!(answer.landed("iss").as_deref(), Some(self.net.issuer()));
        let code = answer.landed("code").unwrap_or_else(|| panic!("no code: {answer:?}"));
        Code { code, verifier, redirect: self.redirect.clone() }
    }

    /// The form that redeems a code.
    pub fn exchange(&self, code: &Code) -> Vec<(String, String)> {
        [
            ("grant_type", "authorization_code"),
            ("client_id", &self.id),
            ("code", &code.code),
            ("code_verifier", &code.verifier),
            ("redirect_uri", &code.redirect),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Redeems a code, which must work.
    pub async fn redeem(&self, code: &Code) -> Tokens {
        Tokens::of(&self.net.token(&self.exchange(code)).await)
    }

    /// From a signed-in browser to tokens.
    pub async fn connect(&self, browser: &mut Browser, scope: Option<&str>) -> Tokens {
        let code = self.code(browser, scope).await;
        self.redeem(&code).await
    }

    /// The form that refreshes.
    pub fn refreshing(&self, refresh: &str) -> Vec<(String, String)> {
        [("grant_type", "refresh_token"), ("client_id", &self.id), ("refresh_token", refresh)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// Refreshes.
    pub async fn refresh(&self, refresh: &str) -> Answer {
        self.net.token(&self.refreshing(refresh)).await
    }

    /// Calls a tool at its resource.
    pub async fn call(&self, tool: &str, access: &str) -> Answer {
        self.net.call(&self.path, tool, access).await
    }

    /// Takes a token back (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Answer {
        self.net.post("/revoke", &[("client_id", self.id.as_str()), ("token", token)]).await
    }
}
