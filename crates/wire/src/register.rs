//! Client metadata: what dynamic registration (RFC 7591 §2) and Client ID Metadata Documents share.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limit;
use crate::redirect::{Landing, RedirectError, RedirectUri};
use crate::scope::Scopes;
use crate::text::displayable;

/// How a client proves itself at the token endpoint (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client.
    None,
    /// A secret in the header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt]
            .into_iter()
            .find(|m| m.as_str() == text)
    }

    /// Whether it needs a secret.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// Grants a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// `application_type` (OpenID Connect Registration §2; the MCP revision of 2026-07-28 asks for it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// Runs on a server: https redirects only.
    Web,
    /// Runs on a person's device.
    Native,
}

/// Why metadata was refused (RFC 7591 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A redirect URI.
    #[error("{0}")]
    Redirect(#[from] RedirectError),
    /// None, or too many of them.
    #[error("redirect_uris must hold between 1 and 16 redirect URIs")]
    RedirectCount,
    /// `application_type` and a redirect URI do not go together.
    #[error(
        "a web application has https redirect URIs only; register as native for loopback or private-use ones"
    )]
    ApplicationType,
    /// A member has the wrong JSON type.
    #[error("the member {0} has the wrong type")]
    Type(&'static str),
    /// A value we do not support.
    #[error("the value of {0} is not supported here")]
    Unsupported(&'static str),
    /// A key set where none belongs, or none where one does, or a private key in it.
    #[error("jwks must be a set of public keys, sent with private_key_jwt and without jwks_uri")]
    Keys,
    /// A software statement.
    #[error("software statements are not accepted here")]
    SoftwareStatement,
}

/// Metadata that was judged: everything a client may say of itself that we act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Its own name, made displayable; a claim, never a proof.
    pub name: String,
    /// Where answers may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves itself.
    pub auth_method: AuthMethod,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// Its kind.
    pub application_type: ApplicationType,
    /// Scopes it will ask for: a hint.
    pub scope: Scopes,
    /// Its public keys as JSON text, for `private_key_jwt`.
    pub jwks: Option<String>,
    /// Where its public keys are.
    pub jwks_uri: Option<String>,
    /// A page about it; shown as text.
    pub client_uri: Option<String>,
}

fn text<'a>(json: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, MetadataError> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|t| !t.is_empty())),
        Some(_) => Err(MetadataError::Type(name)),
    }
}

fn texts<'a>(
    json: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<&'a str>>, MetadataError> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().ok_or(MetadataError::Type(name)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(MetadataError::Type(name)),
    }
}

impl ClientMetadata {
    /// Judges client metadata. Unknown members are ignored (RFC 7591 §2); null and empty texts count as absent.
    /// `default_method` is what an absent `token_endpoint_auth_method` means: `client_secret_basic` in a
    /// registration (RFC 7591 §2), `none` in a metadata document, which can hold no secret.
    ///
    /// # Errors
    /// [`MetadataError`], by cause.
    pub fn judge(
        json: &Map<String, Value>,
        default_method: AuthMethod,
        schemes: &[String],
    ) -> Result<Self, MetadataError> {
        if text(json, "software_statement")?.is_some() {
            return Err(MetadataError::SoftwareStatement);
        }
        let uris = texts(json, "redirect_uris")?.unwrap_or_default();
        if uris.is_empty() || uris.len() > limit::REDIRECT_URIS {
            return Err(MetadataError::RedirectCount);
        }
        let mut redirect_uris: Vec<RedirectUri> = Vec::new();
        for uri in uris {
            let uri = RedirectUri::parse(uri, schemes)?;
            if !redirect_uris.contains(&uri) {
                redirect_uris.push(uri);
            }
        }
        let auth_method = match text(json, "token_endpoint_auth_method")? {
            None => default_method,
            Some(word) => {
                AuthMethod::parse(word).ok_or(MetadataError::Unsupported("token_endpoint_auth_method"))?
            }
        };
        let (jwks, jwks_uri) = keys(json, auth_method)?;
        Ok(Self {
            name: displayable(text(json, "client_name")?.unwrap_or_default(), limit::CLIENT_NAME),
            application_type: application_type(json, &redirect_uris)?,
            redirect_uris,
            auth_method,
            grant_types: grant_types(json)?,
            scope: Scopes::parse(text(json, "scope")?.unwrap_or_default()).unwrap_or_default(),
            jwks,
            jwks_uri,
            client_uri: text(json, "client_uri")?
                .filter(|uri| uri.starts_with("https://") && uri.len() <= limit::CLIENT_ID)
                .map(str::to_owned),
        })
    }

    /// Whether it may use `grant`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether every answer stays on the person's own device.
    pub fn is_local(&self) -> bool {
        self.redirect_uris.iter().all(|uri| uri.landing() != Landing::Web)
    }
}

fn application_type(
    json: &Map<String, Value>,
    uris: &[RedirectUri],
) -> Result<ApplicationType, MetadataError> {
    let local = uris.iter().any(|uri| uri.landing() != Landing::Web);
    match text(json, "application_type")? {
        Some("web") if local => Err(MetadataError::ApplicationType),
        Some("web") => Ok(ApplicationType::Web),
        Some("native") => Ok(ApplicationType::Native),
        Some(_) => Err(MetadataError::Unsupported("application_type")),
        None => Ok(if local { ApplicationType::Native } else { ApplicationType::Web }),
    }
}

/// Grants we do not know are left out, not refused: editors register for more than any one server has.
fn grant_types(json: &Map<String, Value>) -> Result<Vec<GrantType>, MetadataError> {
    let code_and_refresh = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    if let Some(types) = texts(json, "response_types")?
        && !types.is_empty()
        && !types.contains(&"code")
    {
        return Err(MetadataError::Unsupported("response_types"));
    }
    let Some(words) = texts(json, "grant_types")?.filter(|words| !words.is_empty()) else {
        return Ok(code_and_refresh);
    };
    let known: Vec<GrantType> =
        code_and_refresh.into_iter().filter(|grant| words.contains(&grant.as_str())).collect();
    match known.contains(&GrantType::AuthorizationCode) {
        true => Ok(known),
        false => Err(MetadataError::Unsupported("grant_types")),
    }
}

/// The members of public keys (RFC 7517 §4, RFC 7518 §6), and no more: what a stranger adds is not kept.
fn public_keys(set: &Map<String, Value>) -> Result<String, MetadataError> {
    let known = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"];
    let Some(Value::Array(keys)) = set.get("keys") else { return Err(MetadataError::Keys) };
    let keys = keys
        .iter()
        .map(|key| {
            let members = key.as_object().ok_or(MetadataError::Keys)?;
            let kept = members.iter().filter(|(name, _)| known.contains(&name.as_str()));
            Ok(Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect()))
        })
        .collect::<Result<Vec<_>, MetadataError>>()?;
    Ok(serde_json::json!({ "keys": keys }).to_string())
}

fn keys(
    json: &Map<String, Value>,
    method: AuthMethod,
) -> Result<(Option<String>, Option<String>), MetadataError> {
    let jwks = match json.get("jwks") {
        None | Some(Value::Null) => None,
        Some(Value::Object(set)) => Some(public_keys(set)?),
        Some(_) => return Err(MetadataError::Keys),
    };
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    if let Some(Value::Array(set)) = json.get("jwks").and_then(|set| set.get("keys"))
        && set.iter().any(|key| private.iter().any(|member| key.get(member).is_some()))
    {
        return Err(MetadataError::Keys);
    }
    let jwks_uri = text(json, "jwks_uri")?.map(str::to_owned);
    match (method, &jwks, &jwks_uri) {
        (_, Some(_), Some(_)) | (AuthMethod::PrivateKeyJwt, None, None) => Err(MetadataError::Keys),
        (AuthMethod::PrivateKeyJwt, ..) => Ok((jwks, jwks_uri)),
        _ => Ok((None, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn judge(text: &str) -> Result<ClientMetadata, MetadataError> {
        let schemes: Vec<String> =
            crate::redirect::WELL_KNOWN_SCHEMES.iter().map(|s| (*s).to_owned()).collect();
        ClientMetadata::judge(
            &parse_object(text.as_bytes(), limit::JSON_DEPTH).unwrap(),
            AuthMethod::ClientSecretBasic,
            &schemes,
        )
    }

    #[test]
    fn g05_unknown_members_null_and_empty_texts_are_ignored() {
        let metadata = judge(r#"{"redirect_uris":["https://a.example/cb"],"client_uri":"","logo_uri":null,"tos_uri":"","x":{"y":[1]}}"#).unwrap();
        assert_eq!(metadata.auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(metadata.client_uri, None);
    }

    #[test]
    fn g07_mixed_sets_of_redirect_uris_are_accepted() {
        for body in [
            r#"{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"token_endpoint_auth_method":"none"}"#,
            r#"{"client_name":"Visual Studio Code","redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"]}"#,
        ] {
            assert!(judge(body).is_ok());
        }
    }

    #[test]
    fn g08_application_type_matrix() {
        for (kind, uri, expected) in [
            ("web", "https://a.example/", Ok(ApplicationType::Web)),
            ("web", "http://127.0.0.1/", Err(MetadataError::ApplicationType)),
            ("native", "https://a.example/", Ok(ApplicationType::Native)),
            ("native", "http://127.0.0.1/", Ok(ApplicationType::Native)),
            ("", "https://a.example/", Ok(ApplicationType::Web)),
            ("", "http://127.0.0.1/", Ok(ApplicationType::Native)),
            ("tv", "https://a.example/", Err(MetadataError::Unsupported("application_type"))),
        ] {
            let body = format!(r#"{{"redirect_uris":["{uri}"],"application_type":"{kind}"}}"#);
            assert_eq!(judge(&body).map(|m| m.application_type), expected, "{kind} {uri}");
        }
    }

    #[test]
    fn g11_of_a_key_set_only_what_makes_a_public_key_is_kept() {
        let metadata = judge(
            r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt",
                "jwks":{"x":"filler","keys":[{"kty":"EC","crv":"P-256","x":"1","y":"2","kid":"k","x5c":["filler"],"z":{"y":[1]}}]}}"#,
        )
        .unwrap();
        let kept: Value = serde_json::from_str(&metadata.jwks.unwrap()).unwrap();
        let expected =
            serde_json::json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "1", "y": "2", "kid": "k" }] });
        assert_eq!(kept, expected);
        for keys in ["{}", r#"{"keys":1}"#, r#"{"keys":[1]}"#] {
            let body = format!(
                r#"{{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt","jwks":{keys}}}"#
            );
            assert_eq!(judge(&body), Err(MetadataError::Keys), "{keys}");
        }
    }

    #[test]
    fn g04_each_fault_has_its_cause() {
        for (body, expected) in [
            (r#"{}"#, MetadataError::RedirectCount),
            (r#"{"redirect_uris":[]}"#, MetadataError::RedirectCount),
            (r#"{"redirect_uris":"https://a.example/"}"#, MetadataError::Type("redirect_uris")),
            (r#"{"redirect_uris":[1]}"#, MetadataError::Type("redirect_uris")),
            (r#"{"redirect_uris":["http://a.example/"]}"#, MetadataError::Redirect(RedirectError::Plain)),
            (
                r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"client_secret_jwt"}"#,
                MetadataError::Unsupported("token_endpoint_auth_method"),
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"grant_types":["implicit"]}"#,
                MetadataError::Unsupported("grant_types"),
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"response_types":["token"]}"#,
                MetadataError::Unsupported("response_types"),
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"software_statement":"x.y.z"}"#,
                MetadataError::SoftwareStatement,
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt"}"#,
                MetadataError::Keys,
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"EC","d":"x"}]}}"#,
                MetadataError::Keys,
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"client_name":7}"#,
                MetadataError::Type("client_name"),
            ),
        ] {
            assert_eq!(judge(body), Err(expected), "{body}");
        }
    }
}
