//! Reads the bearer token of a request (RFC 6750 §2): from one `Authorization` header, and from nowhere else.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use crate::denied::Denied;

const SCHEME: &str = "bearer";
const QUERY_PARAMETER: &str = "access_token";

/// The one token of a request.
///
/// A token in the URL is never accepted, however valid (RFC 9700 §4.3.2); beside a header it is a second credential.
pub(crate) fn token<'h>(headers: &'h HeaderMap, uri: &Uri) -> Result<&'h str, Denied> {
    let in_query = uri.query().is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == QUERY_PARAMETER)
    });
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(if in_query { Denied::TokenInQuery } else { Denied::NoToken });
    };
    if in_query || values.next().is_some() {
        return Err(Denied::TwoCredentials);
    }
    let value = value.to_str().map_err(|_| Denied::Malformed)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        // Another way to authenticate is no way here, and no error of the token (RFC 6750 §3.1).
        return Err(if scheme.contains([',', '=']) { Denied::Malformed } else { Denied::NoToken });
    }
    let token = rest.trim_matches(' ');
    if is_b64token(token) { Ok(token) } else { Err(Denied::Malformed) }
}

/// RFC 6750 §2.1: letters, digits and `-._~+/`, then padding.
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(uri: &str, values: &[&str]) -> Result<String, Denied> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        token(&headers, &uri.parse().unwrap()).map(str::to_owned)
    }

    #[test]
    fn r11_one_credential_in_one_header_and_well_formed() {
        for (name, values, expected) in [
            ("as it should be", vec!["Bearer a.b.c"], Ok("a.b.c".to_owned())),
            ("scheme in any case", vec!["bEARER a.b.c"], Ok("a.b.c".to_owned())),
            ("two spaces", vec!["Bearer  a.b.c"], Ok("a.b.c".to_owned())),
            ("padding", vec!["Bearer abc=="], Ok("abc==".to_owned())),
            ("none", vec![], Err(Denied::NoToken)),
            ("another scheme", vec!["Basic YTpi"], Err(Denied::NoToken)),
            ("another scheme that begins alike", vec!["BearerX a.b.c"], Err(Denied::NoToken)),
            ("DPoP", vec!["DPoP a.b.c"], Err(Denied::NoToken)),
            ("no token", vec!["Bearer"], Err(Denied::Malformed)),
            ("blank token", vec!["Bearer  "], Err(Denied::Malformed)),
            ("two tokens", vec!["Bearer a.b.c d.e.f"], Err(Denied::Malformed)),
            ("a list", vec!["Bearer a.b.c, Bearer d.e.f"], Err(Denied::Malformed)),
            ("quoted", vec!["Bearer \"a.b.c\""], Err(Denied::Malformed)),
            ("not ASCII", vec!["Bearer ä"], Err(Denied::Malformed)),
            ("a tab", vec!["Bearer\ta.b.c"], Err(Denied::NoToken)),
            ("padding alone", vec!["Bearer =="], Err(Denied::Malformed)),
            ("two headers", vec!["Bearer a.b.c", "Bearer a.b.c"], Err(Denied::TwoCredentials)),
            ("two schemes", vec!["Basic YTpi", "Bearer a.b.c"], Err(Denied::TwoCredentials)),
        ] {
            assert_eq!(read("/mcp", &values), expected, "{name}");
        }
    }

    #[test]
    fn t_query_token_is_no_token() {
        for uri in ["/mcp?access_token=a.b.c", "/mcp?x=1&access_token", "/mcp?acc%65ss_token=a.b.c"] {
            assert_eq!(read(uri, &[]), Err(Denied::TokenInQuery), "{uri}");
            assert_eq!(read(uri, &["Bearer a.b.c"]), Err(Denied::TwoCredentials), "{uri}");
        }
        assert_eq!(read("/mcp?token=a", &["Bearer a.b.c"]), Ok("a.b.c".to_owned()));
    }
}
