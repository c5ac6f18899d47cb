//! Requests to `/authorize` and `/token`.

use portcullis_wire::authorize::{Asker, AuthorizeReply, AuthorizeRequest};
use portcullis_wire::form::Form;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::token::{ClientAuth, TokenRequest};
use url::Url;

use super::{Verdict, hold, two};

const ISSUER: &str = "https://issuer.example";

/// An answer goes to the redirect URI that was accepted, with each parameter once, whatever the state holds.
pub(super) fn authorize(input: &[u8]) -> Verdict {
    let Ok(form) = Form::parse(input) else { return Ok(()) };
    let (asker, request) = (Asker::read(&form), AuthorizeRequest::read(&form));
    let (Ok(asker), Ok(request)) = (asker, request) else { return Ok(()) };
    hold(form.each_once(&["resource"]).is_ok(), "a repeated parameter was read")?;
    let Some(uri) = asker.redirect_uri else { return Ok(()) };
    let Ok(registered) = RedirectUri::parse(&uri, &[]) else { return Ok(()) };
    let state = request.state.as_deref();
    let location = AuthorizeReply::Code("the-code").location(registered.as_str(), state, ISSUER);
    hold(location.starts_with(registered.as_str()), "it does not begin with the redirect URI")?;
    hold(http::HeaderValue::from_str(&location).is_ok(), "no header can carry it")?;
    let (landed, meant) = (Url::parse(&location), Url::parse(&uri));
    let (Ok(landed), Ok(meant)) = (landed, meant) else { return Err("no URL at all") };
    hold(landed.origin() == meant.origin() && landed.path() == meant.path(), "it leads elsewhere")?;
    hold(landed.fragment().is_none(), "a fragment came in")?;
    let all = |name: &str| {
        landed.query_pairs().filter(|(n, _)| n == name).map(|(_, v)| v.into_owned()).collect::<Vec<_>>()
    };
    hold(all("code") == ["the-code"], "the code is not there once")?;
    hold(all("iss") == [ISSUER], "the issuer is not there once")?;
    hold(all("state").first().map(String::as_str) == state && all("state").len() <= 1, "another state")
}

/// Who asks at the token endpoint, and for what: the first line is the `Authorization` header, empty for none.
pub(super) fn token(input: &[u8]) -> Verdict {
    let (header, body) = two(input);
    let Ok(form) = Form::parse(&body) else { return Ok(()) };
    let header = Some(header.as_str()).filter(|header| !header.is_empty());
    if let Ok(proof) = ClientAuth::read(header, &form) {
        let basic = matches!(proof, ClientAuth::Basic { .. });
        hold(basic == header.is_some(), "a header was not looked at, or made up")?;
        let both =
            matches!((form.one("client_secret"), form.one("client_assertion")), (Ok(Some(_)), Ok(Some(_))));
        hold(!both, "two ways to authenticate")?;
        // What may be printed, word for word; a search for the secret would find it in a client_id that repeats it.
        let told = match &proof {
            ClientAuth::None { client_id } => format!("None {{ client_id: {client_id:?} }}"),
            ClientAuth::Basic { client_id, .. } => {
                format!("Basic {{ client_id: {client_id:?}, secret: ••• }}")
            }
            ClientAuth::Post { client_id, .. } => format!("Post {{ client_id: {client_id:?}, secret: ••• }}"),
            ClientAuth::Assertion { client_id, .. } => {
                format!("Assertion {{ client_id: {client_id:?}, assertion: ••• }}")
            }
        };
        hold(format!("{proof:?}") == told, "a secret is printed")?;
    }
    if let Ok(request) = TokenRequest::read(&form) {
        hold(form.each_once(&["resource"]).is_ok(), "a repeated parameter was read")?;
        let grant = form.one("grant_type").ok().flatten();
        let expected = match request {
            TokenRequest::Code { .. } => "authorization_code",
            TokenRequest::Refresh { .. } => "refresh_token",
            TokenRequest::ClientCredentials { .. } => "client_credentials",
        };
        hold(grant == Some(expected), "another grant than was asked for")?;
    }
    Ok(())
}

/// Basic credentials are read or refused; they are never half of one thing and half of another.
pub(super) fn basic(input: &[u8]) -> Verdict {
    let header = String::from_utf8_lossy(input);
    let form = Form::default();
    match ClientAuth::read(Some(&header), &form) {
        Ok(ClientAuth::Basic { .. }) => {
            hold(header.get(..6).is_some_and(|s| s.eq_ignore_ascii_case("basic ")), "another scheme was read")
        }
        Ok(_) => Err("a header was read as something else"),
        Err(_) => Ok(()),
    }
}
