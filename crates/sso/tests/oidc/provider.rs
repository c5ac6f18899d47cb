//! An identity provider of our own, on loopback: OpenID Connect by the book, and GitHub's OAuth beside it. It keeps to
//! PKCE, client authentication and single use, so that a relying party that does not is refused; and it can be told to
//! lie, to hang, to forget and to change.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis_jose::key::{Alg, SigningKey};
use portcullis_wire::digest::Digest;
use portcullis_wire::form::Form;
use portcullis_wire::time::UnixTime;
use portcullis_wire::{base64url, form};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A change to a document before it is sent.
pub(crate) type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Document {
    /// `/.well-known/openid-configuration`.
    Discovery,
    /// The key set.
    Keys,
    /// The answer of the token endpoint.
    Token,
    /// The claims of the ID token.
    IdToken,
    /// Userinfo.
    Userinfo,
    /// GitHub's `/user`.
    User,
    /// GitHub's `/user/emails`.
    Emails,
    /// GitHub's `/user/orgs`.
    Orgs,
}

/// What it does instead of answering.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Never says a byte.
    Hang,
    /// Sends two megabytes.
    Huge,
    /// Sends these status, header lines and body.
    Raw(String, String),
}

/// How the ID token is signed.
#[derive(Clone, Default)]
pub(crate) enum Signature {
    /// With the newest key.
    #[default]
    Own,
    /// With this text as it is: header, claims and signature are the test's own doing.
    Forged(Arc<dyn Fn(&Value) -> String + Send + Sync>),
}

/// A request it got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and header lines.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

struct Granted {
    challenge: String,
    nonce: Option<String>,
    redirect_uri: String,
}

/// What it is, and what became of it.
pub(crate) struct State {
    /// The clock ID tokens are made by.
    pub(crate) now: UnixTime,
    /// What its clients are called.
    pub(crate) client_id: String,
    /// Their secret; none for public clients.
    pub(crate) secret: Option<String>,
    /// The person: claims of the ID token beside the protocol's own.
    pub(crate) claims: Map<String, Value>,
    /// More claims, at userinfo alone.
    pub(crate) userinfo: Map<String, Value>,
    /// Whether answers name the issuer (RFC 9207).
    pub(crate) names_issuer: bool,
    /// How ID tokens are signed.
    pub(crate) signature: Signature,
    /// Changes to documents.
    pub(crate) edits: HashMap<Document, Edit>,
    /// What happens at a path.
    pub(crate) moods: HashMap<String, Mood>,
    /// Header lines beside `Cache-Control` and the like: all that was asked, by path.
    pub(crate) asked: Vec<(String, Asked)>,
    /// Its keys; the last one signs.
    pub(crate) keys: Vec<SigningKey>,
    codes: HashMap<String, Granted>,
    counter: u64,
}

/// The provider. It ends with the runtime.
#[derive(Clone)]
pub(crate) struct Provider {
    issuer: String,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// One on a free port, with one person who works at acme.example.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let person = json!({
            "sub": "00u1ada", "name": "Ada Lovelace", "email": "ada@acme.example", "email_verified": true,
            "groups": ["engineers"],
        });
        let state = State {
            now: UnixTime::from_seconds(1_900_000_000),
            client_id: "portcullis".to_owned(),
            secret: Some("s3cret/of+ours".to_owned()),
            claims: person.as_object().unwrap().clone(),
            userinfo: Map::new(),
            names_issuer: true,
            signature: Signature::Own,
            edits: HashMap::new(),
            moods: HashMap::new(),
            asked: Vec::new(),
            keys: vec![SigningKey::generate(Alg::Es256).unwrap()],
            codes: HashMap::new(),
            counter: 0,
        };
        let provider = Self { issuer, state: Arc::new(Mutex::new(state)) };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = serving.clone();
                tokio::spawn(async move { provider.serve(stream).await });
            }
        });
        provider
    }

    /// Its issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its state, to look at and to change.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes a document from now on.
    pub(crate) fn edit(&self, document: Document, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.state().edits.insert(document, Arc::new(edit));
    }

    /// Sets a claim of the person.
    pub(crate) fn claim(&self, name: &str, value: Value) {
        self.state().claims.insert(name.to_owned(), value);
    }

    /// How often a path was asked.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|(asked, _)| asked == path).count()
    }

    /// The last request for a path.
    pub(crate) fn last(&self, path: &str) -> Option<Asked> {
        self.state().asked.iter().rev().find(|(asked, _)| asked == path).map(|(_, asked)| asked.clone())
    }

    /// The person signs in at this authorization URL: the callback address with code and state.
    pub(crate) fn visit(&self, authorization: &str) -> String {
        let url = Url::parse(authorization).unwrap();
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let mut state = self.state();
        assert_eq!(query.get("client_id"), Some(&state.client_id), "{authorization}");
        assert_eq!(query.get("response_type").map(String::as_str), Some("code"), "{authorization}");
        assert_eq!(query.get("code_challenge_method").map(String::as_str), Some("S256"), "{authorization}");
        assert!(!query.contains_key("resource"), "a provider is never told of resources: {authorization}");
        state.counter += 1;
        let code = format!("code-{}", state.counter);
        let redirect_uri = query["redirect_uri"].clone();
        let mut back = Url::parse(&redirect_uri).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &query["state"]);
        if state.names_issuer && url.path() == "/authorize" {
            back.query_pairs_mut().append_pair("iss", &self.issuer);
        }
        let challenge = query["code_challenge"].clone();
        state.codes.insert(code, Granted { challenge, nonce: query.get("nonce").cloned(), redirect_uri });
        back.into()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let path = target.split('?').next().unwrap_or("/").to_owned();
        let asked = Asked { head, body };
        self.state().asked.push((path.clone(), asked.clone()));
        let mood = self.state().moods.get(&path).cloned();
        let answer = match mood {
            Some(Mood::Hang) => pending().await,
            Some(Mood::Huge) => reply("200 OK", &format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20))),
            Some(Mood::Raw(status_and_headers, body)) => {
                format!("HTTP/1.1 {status_and_headers}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
            None => self.answer(&path, &target, &asked),
        };
        let _gone = stream.write_all(answer.as_bytes()).await;
        let _gone = stream.shutdown().await;
    }

    fn answer(&self, path: &str, target: &str, asked: &Asked) -> String {
        let at = |path: &str| format!("{}{path}", self.issuer);
        match path {
            "/.well-known/openid-configuration" => self.send(
                Document::Discovery,
                json!({
                    "issuer": self.issuer,
                    "authorization_endpoint": at("/authorize"),
                    "token_endpoint": at("/token"),
                    "jwks_uri": at("/keys"),
                    "userinfo_endpoint": at("/userinfo"),
                    "response_types_supported": ["code", "id_token"],
                    "subject_types_supported": ["public"],
                    "grant_types_supported": ["authorization_code", "refresh_token"],
                    "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256"],
                    "scopes_supported": ["openid", "profile", "email", "groups"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                    "code_challenge_methods_supported": ["S256"],
                    "authorization_response_iss_parameter_supported": self.state().names_issuer,
                }),
            ),
            "/keys" => {
                let keys: Vec<Value> = self
                    .state()
                    .keys
                    .iter()
                    .map(|key| serde_json::to_value(key.public_jwk()).unwrap())
                    .collect();
                self.send(Document::Keys, json!({"keys": keys}))
            }
            "/authorize" | "/login/oauth/authorize" => {
                let back = self.visit(&format!("{}{target}", self.issuer));
                format!("HTTP/1.1 303 See Other\r\nlocation: {back}\r\ncontent-length: 0\r\n\r\n")
            }
            "/token" | "/login/oauth/access_token" => self.token(path == "/token", asked),
            _ if header(&asked.head, "authorization").as_deref() != Some("Bearer access-of-ada") => {
                reply("401 Unauthorized", "{}")
            }
            "/userinfo" => {
                let mut claims = self.state().userinfo.clone();
                claims.insert("sub".to_owned(), self.state().claims["sub"].clone());
                self.send(Document::Userinfo, Value::Object(claims))
            }
            // Shapes as GitHub documents them, shortened.
            "/api/v3/user" => self.send(
                Document::User,
                json!({"login": "ada", "id": 583_231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "type": "User",
                       "name": "Ada Lovelace", "email": null, "two_factor_authentication": true}),
            ),
            "/api/v3/user/emails" => self.send(
                Document::Emails,
                json!([
                    {"email": "ada@home.example", "primary": false, "verified": true, "visibility": null},
                    {"email": "ada@acme.example", "primary": true, "verified": true, "visibility": "private"},
                ]),
            ),
            "/api/v3/user/orgs" => {
                self.send(Document::Orgs, json!([{"login": "acme", "id": 1}, {"login": "chess", "id": 2}]))
            }
            _ => reply("404 Not Found", "{}"),
        }
    }

    fn send(&self, document: Document, mut value: Value) -> String {
        self.edited(document, &mut value);
        reply("200 OK", &value.to_string())
    }

    fn edited(&self, document: Document, value: &mut Value) {
        let edit = self.state().edits.get(&document).cloned();
        if let Some(edit) = edit {
            edit(value);
        }
    }

    fn token(&self, is_openid: bool, asked: &Asked) -> String {
        let form = Form::parse(asked.body.as_bytes()).unwrap();
        let one = |name: &'static str| form.one(name).unwrap().map(str::to_owned);
        let error = |code: &str| {
            let status = if code == "invalid_client" { "401 Unauthorized" } else { "400 Bad Request" };
            reply(if is_openid { status } else { "200 OK" }, &json!({"error": code}).to_string())
        };
        if !self.knows_client(asked, &one) {
            return error(if is_openid { "invalid_client" } else { "incorrect_client_credentials" });
        }
        let granted = one("code").and_then(|code| self.state().codes.remove(&code));
        let fits = granted.as_ref().is_some_and(|granted| {
            let verifier = one("code_verifier").unwrap_or_default();
            let challenge = base64url::encode(Digest::of(verifier.as_bytes()).as_bytes());
            challenge == granted.challenge && one("redirect_uri").as_ref() == Some(&granted.redirect_uri)
        });
        let Some(granted) = granted.filter(|_| fits && one("resource").is_none()) else {
            return error(if is_openid { "invalid_grant" } else { "bad_verification_code" });
        };
        let mut answer = json!({
            "access_token": "access-of-ada", "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "refresh-of-ada", "scope": "openid",
        });
        if is_openid {
            answer["id_token"] = self.id_token(granted.nonce).into();
        }
        self.send(Document::Token, answer)
    }

    fn knows_client(&self, asked: &Asked, one: &impl Fn(&'static str) -> Option<String>) -> bool {
        let state = self.state();
        let Some(secret) = &state.secret else { return one("client_id").as_ref() == Some(&state.client_id) };
        let pair = format!("{}:{}", form::encode(&state.client_id), form::encode(secret));
        let basic = header(&asked.head, "authorization").and_then(|text| {
            let text = text.strip_prefix("Basic ")?.trim_end_matches('=').replace('+', "-").replace('/', "_");
            base64url::decode(&text)
        });
        let in_body = one("client_id").as_ref() == Some(&state.client_id)
            && one("client_secret").as_ref() == Some(secret);
        basic == Some(pair.into_bytes()) || in_body
    }

    fn id_token(&self, nonce: Option<String>) -> String {
        let (signature, mut claims) = {
            let state = self.state();
            let now = state.now.seconds();
            let hash = Digest::of(b"access-of-ada");
            let mut claims = json!({
                "iss": self.issuer, "aud": state.client_id, "exp": now + 300, "iat": now, "auth_time": now - 1,
                "at_hash": base64url::encode(&hash.as_bytes()[..16]),
            });
            claims.as_object_mut().unwrap().extend(state.claims.clone());
            (state.signature.clone(), claims)
        };
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        self.edited(Document::IdToken, &mut claims);
        match signature {
            Signature::Own => self.state().keys.last().unwrap().sign("JWT", &claims).unwrap(),
            Signature::Forged(forge) => forge(&claims),
        }
    }
}

fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
