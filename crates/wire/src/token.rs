//! Requests and replies of the token, revocation and introspection endpoints
//! (RFC 6749 §4.1.3, §4.4.2, §6; RFC 7009 §2.1; RFC 7662 §2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::form::{Form, FormError};

/// A text only its owner may see, as it came in.
#[derive(Clone)]
pub struct Sealed(String);

impl Sealed {
    /// Takes it in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The one way to read it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}
impl Drop for Sealed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// How a client says who it is (RFC 6749 §2.3, RFC 7523 §2.2). Exactly one of these.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// A public client: `client_id` in the body and nothing else.
    None {
        /// Who it says it is.
        client_id: String,
    },
    /// A secret in the `Authorization` header (form-encoded first, as RFC 6749 §2.3.1 says, or raw as many do).
    Basic {
        /// Who it says it is.
        client_id: String,
        /// Its secret.
        secret: Sealed,
    },
    /// A secret in the body.
    Post {
        /// Who it says it is.
        client_id: String,
        /// Its secret.
        secret: Sealed,
    },
    /// A signed assertion; the `client_id` beside it may be absent.
    Assertion {
        /// Who it says it is, if it says so outside the assertion.
        client_id: Option<String>,
        /// The compact JWT.
        assertion: Sealed,
    },
}

/// Why a request to one of these endpoints could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The form itself.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// `grant_type` is one we do not know.
    #[error("this grant type is not supported")]
    GrantType,
    /// No client at all.
    #[error("the request does not say which client it is from: send client_id, or authenticate")]
    NoClient,
    /// Two ways at once (RFC 6749 §2.3).
    #[error("the client used more than one authentication method")]
    TwoMethods,
    /// The `Authorization` header is not well-formed Basic.
    #[error("the Authorization header is not well-formed Basic authentication")]
    Basic,
}

/// Well-known value of `client_assertion_type` (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl ClientAuth {
    /// Reads it from the `Authorization` header, if there was one, and the form.
    ///
    /// # Errors
    /// [`RequestError`], by cause.
    pub fn read(authorization: Option<&str>, form: &Form) -> Result<Self, RequestError> {
        let client_id = form.one("client_id")?.map(str::to_owned);
        let secret = form.one("client_secret")?;
        let assertion = form.one("client_assertion")?;
        let methods = [authorization.is_some(), secret.is_some(), assertion.is_some()];
        if methods.into_iter().filter(|used| *used).count() > 1 {
            return Err(RequestError::TwoMethods);
        }
        if let Some(header) = authorization {
            let (name, secret) = basic(header).ok_or(RequestError::Basic)?;
            if client_id.is_some_and(|id| id != name) {
                return Err(RequestError::TwoMethods);
            }
            return Ok(Self::Basic { client_id: name, secret: Sealed::new(secret) });
        }
        if let Some(assertion) = assertion {
            if form.one("client_assertion_type")? != Some(JWT_BEARER) {
                return Err(RequestError::Missing("client_assertion_type"));
            }
            return Ok(Self::Assertion { client_id, assertion: Sealed::new(assertion) });
        }
        let client_id = client_id.ok_or(RequestError::NoClient)?;
        Ok(match secret {
            Some(secret) => Self::Post { client_id, secret: Sealed::new(secret) },
            None => Self::None { client_id },
        })
    }
}

/// `Basic` credentials. Our own ids and secrets look the same raw and form-encoded (protocol G16).
fn basic(header: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let (scheme, value) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((unform(name), unform(secret)))
}

/// Undoes form encoding where there is any; a text that is not validly encoded stands for itself.
fn unform(text: &str) -> String {
    Form::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
        .ok()
        .and_then(|form| form.one("x").ok().flatten().map(str::to_owned))
        .unwrap_or_else(|| text.to_owned())
}

/// What the token endpoint is asked for.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// A code's exchange.
    Code {
        /// The code.
        code: Sealed,
        /// Must equal the authorized one if sent (protocol T06).
        redirect_uri: Option<String>,
        /// The PKCE verifier.
        verifier: Option<Sealed>,
        /// Every `resource`.
        resources: Vec<String>,
    },
    /// A refresh.
    Refresh {
        /// The refresh token.
        token: Sealed,
        /// At most what was approved.
        scope: Option<String>,
        /// Every `resource`.
        resources: Vec<String>,
    },
    /// A machine's token for itself.
    ClientCredentials {
        /// What it wants.
        scope: Option<String>,
        /// Every `resource`.
        resources: Vec<String>,
    },
}

impl TokenRequest {
    /// Reads the form.
    ///
    /// # Errors
    /// [`RequestError`], by cause.
    pub fn read(form: &Form) -> Result<Self, RequestError> {
        form.each_once(&["resource"])?;
        let resources = || form.all("resource").map(str::to_owned).collect();
        let scope = form.one("scope")?.map(str::to_owned);
        match form.one("grant_type")?.ok_or(RequestError::Missing("grant_type"))? {
            "authorization_code" => Ok(Self::Code {
                code: Sealed::new(form.one("code")?.ok_or(RequestError::Missing("code"))?),
                redirect_uri: form.one("redirect_uri")?.map(str::to_owned),
                verifier: form.one("code_verifier")?.map(Sealed::new),
                resources: resources(),
            }),
            "refresh_token" => Ok(Self::Refresh {
                token: Sealed::new(form.one("refresh_token")?.ok_or(RequestError::Missing("refresh_token"))?),
                scope,
                resources: resources(),
            }),
            "client_credentials" => Ok(Self::ClientCredentials { scope, resources: resources() }),
            _ => Err(RequestError::GrantType),
        }
    }
}

/// A successful answer of the token endpoint (RFC 6749 §5.1). Made to be sent, never to be printed.
#[derive(Serialize, Deserialize)]
pub struct TokenReply {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds it lives.
    pub expires_in: u64,
    /// What was granted; always said.
    pub scope: String,
    /// The refresh token, if one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refresh_token: Option<String>,
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenReply(scope: {}, expires_in: {})", self.scope, self.expires_in)
    }
}

/// An introspection answer (RFC 7662 §2.2). An inactive token is `active: false` and nothing else.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct IntrospectionReply {
    /// Whether it would be accepted now.
    pub active: bool,
    /// Granted scopes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// The client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_id: Option<String>,
    /// The person, or the client itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub: Option<String>,
    /// The resource.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aud: Option<String>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iss: Option<String>,
    /// When it ends, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exp: Option<i64>,
    /// When it was made, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iat: Option<i64>,
    /// Its own id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jti: Option<String>,
    /// `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_type: Option<String>,
    /// The agent it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn auth(header: Option<&str>, form: &str) -> Result<ClientAuth, RequestError> {
        ClientAuth::read(header, &Form::parse(form.as_bytes()).unwrap())
    }

    #[test]
    fn t03_one_method_a_request() {
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("a%2Bb:c%25d"));
        assert!(
            matches!(auth(Some(&basic), ""), Ok(ClientAuth::Basic { client_id, secret }) if client_id == "a+b" && secret.expose() == "c%d")
        );
        assert_eq!(auth(Some(&basic), "client_secret=x").err(), Some(RequestError::TwoMethods));
        assert_eq!(auth(Some(&basic), "client_id=other").err(), Some(RequestError::TwoMethods));
        assert_eq!(auth(None, "client_secret=x&client_assertion=y").err(), Some(RequestError::TwoMethods));
        assert_eq!(auth(None, "").err(), Some(RequestError::NoClient));
        for bad in ["Basic", "Basic !", "Bearer abc", "Basic YQ=="] {
            assert_eq!(auth(Some(bad), "").err(), Some(RequestError::Basic), "{bad}");
        }
        assert!(matches!(auth(None, "client_id=a"), Ok(ClientAuth::None { .. })));
    }

    #[test]
    fn g16_a_raw_secret_with_a_percent_sign_stands_for_itself() {
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("a:100%&x"));
        assert!(
            matches!(auth(Some(&header), ""), Ok(ClientAuth::Basic { secret, .. }) if secret.expose() == "100%&x")
        );
    }

    #[test]
    fn t_absent_flows_other_grant_types_do_not_exist() {
        for grant in [
            "password",
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "AUTHORIZATION_CODE",
            "refresh_token ",
        ] {
            let form = Form::parse(format!("grant_type={}", crate::form::encode(grant)).as_bytes()).unwrap();
            assert_eq!(TokenRequest::read(&form).err(), Some(RequestError::GrantType), "{grant}");
        }
    }

    #[test]
    fn t_canary_secrets_do_not_print() {
        let form = Form::parse(b"grant_type=refresh_token&refresh_token=CANARY").unwrap();
        assert!(!format!("{:?}", TokenRequest::read(&form).unwrap()).contains("CANARY"));
        assert!(!format!("{form:?}").contains("CANARY"));
    }
}
