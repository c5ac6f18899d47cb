//! The media types a caller wants, told to the far side and held to in its answer (RFC 9110 §8.3).

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::error::FetchError;

/// What the document must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accept {
    /// `application/json`, or any type with the suffix `+json` (RFC 6839 §3.1).
    Json,
    /// `application/xml`, `text/xml`, or any type with the suffix `+xml` (RFC 7303): SAML metadata.
    Xml,
    /// Whatever comes: for a caller that says why it does not like it.
    Any,
}

impl Accept {
    /// The value of the `Accept` header.
    pub(crate) const fn header(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::Xml => HeaderValue::from_static("application/samlmetadata+xml, application/xml, text/xml"),
            Self::Any => HeaderValue::from_static("*/*"),
        }
    }

    /// The one media type of the answer, in lower case and without parameters.
    pub(crate) fn media_type(self, headers: &HeaderMap) -> Result<String, FetchError> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(FetchError::MediaType) };
        let text = value.to_str().map_err(|_| FetchError::MediaType)?;
        let essence =
            text.split(';').next().unwrap_or_default().trim_matches([' ', '\t']).to_ascii_lowercase();
        if self.admits(&essence) { Ok(essence) } else { Err(FetchError::MediaType) }
    }

    fn admits(self, essence: &str) -> bool {
        let Some((kind, subtype)) = essence.split_once('/') else { return false };
        if !is_token(kind) || !is_token(subtype) {
            return false;
        }
        let has_suffix = |suffix| subtype.strip_suffix(suffix).is_some_and(|head| !head.is_empty());
        match self {
            Self::Json => essence == "application/json" || has_suffix("+json"),
            Self::Xml => matches!(essence, "application/xml" | "text/xml") || has_suffix("+xml"),
            Self::Any => true,
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c04_json_and_its_suffix_are_accepted_and_nothing_else() {
        let wrong = Err(FetchError::MediaType);
        for (name, given, expected) in [
            ("plain", vec!["application/json"], Ok("application/json")),
            ("with a parameter", vec!["Application/JSON ; charset=utf-8"], Ok("application/json")),
            ("key set", vec!["application/jwk-set+json"], Ok("application/jwk-set+json")),
            ("absent", vec![], wrong),
            ("twice", vec!["application/json", "application/json"], wrong),
            ("in a list", vec!["application/json, text/html"], wrong),
            ("page", vec!["text/html"], wrong),
            ("text", vec!["text/json"], wrong),
            ("longer word", vec!["application/jsonp"], wrong),
            ("only a suffix", vec!["application/+json"], wrong),
            ("no slash", vec!["json"], wrong),
            ("two slashes", vec!["application/x/y+json"], wrong),
            ("empty", vec![""], wrong),
        ] {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            assert_eq!(Accept::Json.media_type(&headers).as_deref(), expected.as_deref(), "{name}");
        }
    }

    #[test]
    fn metadata_in_xml_comes_under_each_of_its_names() {
        let wrong = Err(FetchError::MediaType);
        for (given, expected) in [
            ("application/samlmetadata+xml", Ok("application/samlmetadata+xml")),
            ("application/xml; charset=UTF-8", Ok("application/xml")),
            ("text/xml", Ok("text/xml")),
            ("text/html", wrong),
            ("application/json", wrong),
            ("application/+xml", wrong),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(CONTENT_TYPE, HeaderValue::from_static(given));
            assert_eq!(Accept::Xml.media_type(&headers).as_deref(), expected.as_deref(), "{given}");
        }
    }
}
