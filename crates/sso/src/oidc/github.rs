//! GitHub: OAuth 2.0 without OpenID Connect. There is no ID token and no nonce; PKCE and `state` carry the sign-in, and
//! the API says who the person is. Also GitHub Enterprise Server, whose API lies below its own name.

use portcullis_fetch::Fetcher;
use portcullis_wire::token::Sealed;
use portcullis_wire::{json, limit};
use serde_json::{Map, Value};
use url::Url;

use super::fault;
use super::object::Object;
use super::preset::GITHUB;
use super::userinfo::bearer;
use crate::{Act, Fault, Identity};

/// Most organisations or addresses one answer lists; a full page may be followed by another.
const PAGE: usize = 100;
const CODE: &str = "github_field";

/// Its addresses, which no document tells.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) authorization: Url,
    pub(crate) token: Url,
    user: Url,
    emails: Url,
    orgs: Url,
}

impl Endpoints {
    /// Those of GitHub, or of an own server of it.
    pub(crate) fn of(issuer: &str) -> Option<Self> {
        let base = issuer.trim_end_matches('/');
        let api = if base == GITHUB { "https://api.github.com".to_owned() } else { format!("{base}/api/v3") };
        let at = |start: &str, path: &str| Url::parse(&format!("{start}{path}")).ok();
        Some(Self {
            authorization: at(base, "/login/oauth/authorize")?,
            token: at(base, "/login/oauth/access_token")?,
            user: at(&api, "/user")?,
            emails: at(&api, "/user/emails?per_page=100")?,
            orgs: at(&api, "/user/orgs?per_page=100")?,
        })
    }
}

/// Who the access token belongs to.
pub(crate) async fn identity(
    fetcher: &Fetcher,
    endpoints: &Endpoints,
    issuer: &str,
    scopes: &[String],
    access: &Sealed,
) -> Result<Identity, Fault> {
    let asked = |scope: &str| scopes.iter().any(|asked| asked == scope);
    let user = Object::read(
        &bearer(fetcher, &endpoints.user, access, fault::Ask::Api).await?,
        CODE,
        "answer at /user",
    )?;
    let id = user
        .members
        .get("id")
        .and_then(Value::as_u64)
        .filter(|id| *id > 0)
        .ok_or_else(|| user.wrong("id"))?;
    let mut claims = Map::new();
    claims.insert("login".to_owned(), user.text("login")?.into());
    // A person without a public name has `null` here: GitHub's own way to say so.
    match user.members.get("name") {
        Some(Value::String(name)) => {
            claims.insert("name".to_owned(), name.as_str().into());
        }
        Some(Value::Null) | None => {}
        Some(_) => return Err(user.wrong("name")),
    }
    if asked("user:email") || asked("user") {
        let bytes = bearer(fetcher, &endpoints.emails, access, fault::Ask::Api).await?;
        primary(&list(&bytes, "answer at /user/emails")?, &mut claims)?;
    }
    if asked("read:org") {
        let bytes = bearer(fetcher, &endpoints.orgs, access, fault::Ask::Api).await?;
        claims.insert("orgs".to_owned(), orgs(&list(&bytes, "answer at /user/orgs")?)?);
    }
    claims.insert("sub".to_owned(), id.to_string().into());
    Ok(Identity { issuer: issuer.to_owned(), subject: id.to_string(), authenticated_at: None, claims })
}

fn list(bytes: &[u8], document: &'static str) -> Result<Vec<Object>, Fault> {
    let wrong = || fault::field(CODE, document, "the list");
    let Ok(Value::Array(entries)) = json::parse(bytes, limit::JSON_DEPTH) else { return Err(wrong()) };
    entries
        .into_iter()
        .map(|entry| match entry {
            Value::Object(members) => Ok(Object::new(members, CODE, document)),
            _ => Err(wrong()),
        })
        .collect()
}

/// The primary address, and whether it is verified. Exactly one is primary, or none is taken.
fn primary(entries: &[Object], claims: &mut Map<String, Value>) -> Result<(), Fault> {
    let mut found = None;
    for entry in entries {
        let member =
            |name: &str| entry.members.get(name).and_then(Value::as_bool).ok_or_else(|| entry.wrong(name));
        let (address, primary, verified) = (entry.text("email")?, member("primary")?, member("verified")?);
        if primary && found.replace((address, verified)).is_some() {
            return Err(entry.wrong("primary"));
        }
    }
    if let Some((address, verified)) = found {
        claims.insert("email".to_owned(), address.into());
        claims.insert("email_verified".to_owned(), verified.into());
    }
    Ok(())
}

fn orgs(entries: &[Object]) -> Result<Value, Fault> {
    if entries.len() >= PAGE {
        return Err(Fault::new(
            "github_orgs",
            Act::Person,
            "the person is in more organisations than GitHub tells at once",
            "a group could be missed",
            "leave some of the organisations, or ask the administrator to do without `read:org`",
        ));
    }
    let names = entries.iter().map(|entry| entry.text("login").map(Value::from));
    names.collect::<Result<Vec<_>, _>>().map(Value::Array)
}
