//! The authorization request (RFC 6749 §4.1.1): judged in the order that keeps errors where they belong.

use portcullis_wire::authorize::{Asker, AuthorizeRequest};
use portcullis_wire::id::ClientId;
use portcullis_wire::limit;
use portcullis_wire::pkce::CodeChallenge;
use portcullis_wire::redirect::{Landing, RedirectUri};
use portcullis_wire::register::GrantType;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::model::Client;
use crate::personal::is_client;
use crate::refusal::Refusal;

/// Where an answer may go: a redirect URI that this client did register. Made only by [`prove_asker`], so that
/// an unchecked one cannot be followed (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(RedirectUri);

impl ReturnTo {
    /// The URI, exactly as it was asked for.
    pub fn uri(&self) -> &RedirectUri {
        &self.0
    }
}

/// A request that may be put before a person. It travels through the browser sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes, exactly.
    pub redirect_uri: RedirectUri,
    /// Returned byte for byte.
    pub state: Option<String>,
    /// PKCE.
    pub challenge: CodeChallenge,
    /// For which resource, in its canonical spelling.
    pub resource: Resource,
    /// Which scopes.
    pub scopes: Scopes,
}

/// Judges client and redirect URI; until both are proven an error is a page of ours and never a redirect.
///
/// # Errors
/// Refusals for a page: unknown or disabled client, missing or unregistered redirect URI.
pub fn prove_asker(asker: &Asker, client: Option<&Client>) -> Result<ReturnTo, Refusal> {
    let client = client.filter(|client| !is_client(&client.id)).ok_or(Refusal::ClientUnknown)?;
    if !client.enabled {
        return Err(Refusal::ClientDisabled);
    }
    let registered = &client.metadata.redirect_uris;
    match asker.redirect_uri.as_deref() {
        Some(asked) if asked.len() <= limit::REDIRECT_URI => {
            match registered.iter().any(|uri| uri.admits(asked)) {
                true => Ok(ReturnTo(RedirectUri::from_row(asked.to_owned()))),
                false => Err(Refusal::RedirectUnknown),
            }
        }
        Some(_) => Err(Refusal::RedirectUnknown),
        // RFC 6749 §3.1.2.3: it may be left out where only one was registered, in full.
        None => match registered.as_slice() {
            [only] if only.landing() == Landing::Web => Ok(ReturnTo(only.clone())),
            _ => Err(Refusal::RedirectMissing),
        },
    }
}

/// Judges the rest; every refusal goes back to the client.
///
/// # Errors
/// Refusals for a redirect (RFC 6749 §4.1.2.1, RFC 7636 §4.4.1, RFC 8707 §2).
pub fn judge(
    request: &AuthorizeRequest,
    client: &Client,
    to: &ReturnTo,
    catalog: &Catalog,
) -> Result<Asked, Refusal> {
    if request.unsupported.is_some() {
        return Err(Refusal::RequestUnsupported);
    }
    if request.state.as_ref().is_some_and(|state| state.len() > limit::STATE) {
        return Err(Refusal::StateTooLong);
    }
    match request.response_type.as_deref() {
        Some("code") => {}
        Some(_) => return Err(Refusal::ResponseType),
        None => return Err(Refusal::RequestMalformed),
    }
    if !client.metadata.may_use(GrantType::AuthorizationCode) {
        return Err(Refusal::GrantNotAllowed);
    }
    let challenge = request.code_challenge.as_deref().ok_or(Refusal::ChallengeMissing)?;
    if request.code_challenge_method.as_deref() != Some("S256") {
        return Err(Refusal::ChallengeMethod);
    }
    let challenge = CodeChallenge::parse(challenge).ok_or(Refusal::ChallengeMissing)?;
    let entry = catalog.named(&request.resources)?;
    let scopes = catalog.asked(entry, request.scope.as_deref(), client.ceiling.as_ref())?;
    Ok(Asked {
        client: client.id.clone(),
        redirect_uri: to.uri().clone(),
        state: request.state.clone(),
        challenge,
        resource: entry.resource.clone(),
        scopes,
    })
}

/// What `prompt` forbids (OpenID Connect Core §3.1.2.1): with `none` nothing may be shown, and consent always is.
///
/// # Errors
/// [`Refusal::LoginRequired`], [`Refusal::ConsentRequired`] or [`Refusal::RequestMalformed`].
pub fn prompt(request: &AuthorizeRequest, signed_in: bool) -> Result<(), Refusal> {
    let words: Vec<&str> = request.prompt.as_deref().unwrap_or_default().split(' ').collect();
    match (words.contains(&"none"), words.len(), signed_in) {
        (false, ..) => Ok(()),
        (true, 2.., _) => Err(Refusal::RequestMalformed),
        (true, _, false) => Err(Refusal::LoginRequired),
        (true, _, true) => Err(Refusal::ConsentRequired),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_wire::form::Form;

    use super::*;
    use crate::catalog::tests::catalog;
    use crate::samples;

    const GOOD: &str = "response_type=code&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn ask(extra: &str) -> Result<Asked, Refusal> {
        let client = samples::public_client();
        let asker = Asker { client_id: None, redirect_uri: Some("http://127.0.0.1:7/cb".to_owned()) };
        let to = prove_asker(&asker, Some(&client)).unwrap();
        let form = Form::parse(extra.as_bytes()).unwrap();
        judge(&AuthorizeRequest::read(&form).unwrap(), &client, &to, &catalog())
    }

    #[test]
    fn a03_t_redirect_first_nothing_is_followed_that_was_not_registered() {
        let client = samples::public_client();
        let asker = |uri: Option<&str>| Asker { client_id: None, redirect_uri: uri.map(str::to_owned) };
        assert_eq!(prove_asker(&asker(Some("http://127.0.0.1:7/cb")), None), Err(Refusal::ClientUnknown));
        let off = Client { enabled: false, ..client.clone() };
        assert_eq!(
            prove_asker(&asker(Some("http://127.0.0.1:7/cb")), Some(&off)),
            Err(Refusal::ClientDisabled)
        );
        for uri in
            ["http://127.0.0.1:7/cb/", "http://localhost/cb", "https://evil.example/", "javascript:alert(1)"]
        {
            assert_eq!(prove_asker(&asker(Some(uri)), Some(&client)), Err(Refusal::RedirectUnknown), "{uri}");
        }
        assert_eq!(prove_asker(&asker(None), Some(&client)), Err(Refusal::RedirectMissing));
    }

    #[test]
    fn a08_a09_each_fault_by_its_name() {
        for (name, given, expected) in [
            ("no response type", GOOD.replace("response_type=code&", ""), Refusal::RequestMalformed),
            ("implicit", GOOD.replace("=code&", "=token&"), Refusal::ResponseType),
            ("hybrid", GOOD.replace("=code&", "=code+id_token&"), Refusal::ResponseType),
            ("no challenge", "response_type=code".to_owned(), Refusal::ChallengeMissing),
            ("plain", GOOD.replace("S256", "plain"), Refusal::ChallengeMethod),
            ("method absent", GOOD.replace("&code_challenge_method=S256", ""), Refusal::ChallengeMethod),
            ("short challenge", GOOD.replace("-cM", ""), Refusal::ChallengeMissing),
            ("unknown resource", format!("{GOOD}&resource=https://x.example/"), Refusal::ResourceUnknown),
            ("unknown scope", format!("{GOOD}&scope=nope"), Refusal::ScopeUnknown),
            ("request object", format!("{GOOD}&request=x"), Refusal::RequestUnsupported),
            ("form_post", format!("{GOOD}&response_mode=form_post"), Refusal::RequestUnsupported),
            ("long state", format!("{GOOD}&state={}", "x".repeat(limit::STATE + 1)), Refusal::StateTooLong),
        ] {
            assert_eq!(ask(&given), Err(expected), "{name}");
        }
        let asked =
            ask(&format!("{GOOD}&resource=https://H.example/mcp/&scope=read+offline_access&unknown=1"))
                .unwrap();
        assert_eq!(
            (asked.resource.as_str(), asked.scopes.to_string().as_str()),
            ("https://h.example/mcp", "read")
        );
    }

    #[test]
    fn t_prompt_none_never_makes_consent() {
        let request = |prompt: &str| AuthorizeRequest {
            prompt: Some(prompt.to_owned()),
            ..AuthorizeRequest::default()
        };
        assert_eq!(prompt(&request("none"), false), Err(Refusal::LoginRequired));
        assert_eq!(prompt(&request("none"), true), Err(Refusal::ConsentRequired));
        assert_eq!(prompt(&request("none login"), true), Err(Refusal::RequestMalformed));
        assert_eq!(prompt(&request("consent"), true), Ok(()));
        assert_eq!(prompt(&AuthorizeRequest::default(), false), Ok(()));
    }
}
