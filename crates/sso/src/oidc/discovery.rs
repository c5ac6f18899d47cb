//! The provider's own description (OpenID Connect Discovery §3, §4.3).

use portcullis_jose::key::Alg;
use url::Url;

use super::fault;
use super::object::Object;
use super::settings::ClientAuth;
use crate::Fault;

const CODE: &str = "discovery_field";
const DOCUMENT: &str = "discovery document";

/// What is used of the document.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) authorization: Url,
    pub(crate) token: Url,
    pub(crate) keys: Url,
    pub(crate) userinfo: Option<Url>,
    /// RFC 9207 §3.
    pub(crate) answers_with_issuer: bool,
    /// Those of its algorithms that we take.
    pub(crate) algs: Vec<Alg>,
    /// `None`: nothing was said of PKCE.
    pub(crate) pkce: Option<bool>,
    /// `None`: nothing was said of scopes.
    pub(crate) scopes: Option<Vec<String>>,
    /// The methods of client authentication, by the names of Core §9.
    pub(crate) auth: Vec<String>,
}

/// Where the document stands (Discovery §4.1): below the issuer, whose last slash does not count.
pub(crate) fn address(issuer: &str) -> Option<Url> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()
}

impl Discovered {
    /// Reads the document of `issuer`.
    pub(crate) fn read(bytes: &[u8], issuer: &str, base: &Url) -> Result<Self, Fault> {
        let document = Object::read(bytes, CODE, DOCUMENT)?;
        let named = document.text("issuer")?;
        if named != issuer {
            return Err(other_issuer(issuer, named));
        }
        if !document.texts("response_types_supported")?.contains(&"code") {
            return Err(unsupported("response_types_supported", "code", "the authorization code flow"));
        }
        let grants = document.texts_if_any("grant_types_supported")?;
        if grants.is_some_and(|grants| !grants.contains(&"authorization_code")) {
            return Err(unsupported(
                "grant_types_supported",
                "authorization_code",
                "the authorization code flow",
            ));
        }
        let pkce =
            document.texts_if_any("code_challenge_methods_supported")?.map(|known| known.contains(&"S256"));
        if pkce == Some(false) {
            return Err(unsupported("code_challenge_methods_supported", "S256", "PKCE"));
        }
        let algs: Vec<Alg> = document
            .texts("id_token_signing_alg_values_supported")?
            .into_iter()
            .filter_map(Alg::parse)
            .collect();
        if algs.is_empty() {
            return Err(unsupported(
                "id_token_signing_alg_values_supported",
                "RS256",
                "signatures that are proven with a public key",
            ));
        }
        let authorization = document.endpoint_needed("authorization_endpoint", base)?;
        if authorization.query_pairs().any(|(name, _)| OURS.contains(&name.as_ref())) {
            return Err(document.wrong("authorization_endpoint"));
        }
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        Ok(Self {
            authorization,
            token: document.endpoint_needed("token_endpoint", base)?,
            keys: document.endpoint_needed("jwks_uri", base)?,
            userinfo: document.endpoint("userinfo_endpoint", base)?,
            answers_with_issuer: document.flag("authorization_response_iss_parameter_supported")?,
            algs,
            pkce,
            scopes: document.texts_if_any("scopes_supported")?.map(owned),
            auth: document
                .texts_if_any("token_endpoint_auth_methods_supported")?
                .map_or_else(|| vec![BASIC.to_owned()], owned),
        })
    }

    /// How we say who we are, of what is configured and what is supported.
    pub(crate) fn auth(&self, wanted: ClientAuth, has_secret: bool) -> Result<ClientAuth, Fault> {
        let knows = |name: &str| self.auth.iter().any(|known| known == name);
        let (chosen, name) = match wanted {
            ClientAuth::None => return Ok(ClientAuth::None),
            ClientAuth::Supported if !has_secret => return Ok(ClientAuth::None),
            ClientAuth::Supported if knows(BASIC) || !knows(POST) => (ClientAuth::Basic, BASIC),
            ClientAuth::Supported | ClientAuth::Post => (ClientAuth::Post, POST),
            ClientAuth::Basic => (ClientAuth::Basic, BASIC),
        };
        if knows(name) {
            Ok(chosen)
        } else {
            Err(unsupported("token_endpoint_auth_methods_supported", name, "a client secret"))
        }
    }
}

/// Parameters of the authorization request; an endpoint that brings one of its own would have it twice.
const OURS: [&str; 12] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "prompt",
    "max_age",
    "resource",
];

pub(crate) const BASIC: &str = "client_secret_basic";
pub(crate) const POST: &str = "client_secret_post";

/// T-issuer-bind: an issuer that changed is another provider.
fn other_issuer(configured: &str, named: &str) -> Fault {
    let named = portcullis_wire::text::displayable(named, 200);
    fault::administrator(
        "discovery_issuer",
        format!("the discovery document below `{configured}` is that of `{named}`"),
        "accounts belong to an issuer for good: one that calls itself otherwise, if only by a slash, is another",
        "if that is the provider you mean, set `issuer` to exactly what its document says; if it has changed by \
         itself, ask the provider's administrator first",
    )
}

fn unsupported(field: &str, missing: &str, what: &str) -> Fault {
    fault::provider(
        "discovery_unsupported",
        format!("`{field}` does not hold `{missing}`"),
        format!("signing in here needs {what}"),
        format!("allow {what} (`{missing}`) for this application at the provider"),
    )
}
