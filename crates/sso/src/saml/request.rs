//! The way out: an `AuthnRequest` by the HTTP-Redirect binding (SAML Core §3.4.1, Bindings §3.4).
//!
//! It is not signed. All it could say wrongly is where the answer goes, and that the provider knows from our metadata.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_wire::time::UnixTime;
use url::Url;

use super::{Names, moment, name};

/// What a request says.
pub(crate) struct Request<'a> {
    pub(crate) id: &'a str,
    pub(crate) entity_id: &'a str,
    pub(crate) acs: &'a str,
    pub(crate) sign_in: &'a Url,
    pub(crate) again: bool,
    pub(crate) names: Names,
    pub(crate) now: UnixTime,
}

impl Request<'_> {
    /// The document.
    pub(crate) fn document(&self) -> String {
        let format = match self.names {
            Names::PersistentOnly => name::PERSISTENT,
            Names::AlsoReassignable => name::UNSPECIFIED,
        };
        let again = if self.again { " ForceAuthn=\"true\"" } else { "" };
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{samlp}\" xmlns:saml=\"{saml}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{instant}\" Destination=\"{destination}\"{again} ProtocolBinding=\"{post}\" \
             AssertionConsumerServiceURL=\"{acs}\"><saml:Issuer>{issuer}</saml:Issuer>\
             <samlp:NameIDPolicy Format=\"{format}\" AllowCreate=\"true\"/></samlp:AuthnRequest>",
            samlp = name::SAMLP,
            saml = name::SAML,
            id = escape(self.id),
            instant = moment::write(self.now),
            destination = escape(self.sign_in.as_str()),
            post = name::POST,
            acs = escape(self.acs),
            issuer = escape(self.entity_id),
        )
    }

    /// The address that carries it.
    pub(crate) fn url(&self, relay_state: &str) -> String {
        let mut url = self.sign_in.clone();
        let message = STANDARD.encode(deflate(self.document().as_bytes()));
        url.query_pairs_mut().append_pair("SAMLRequest", &message).append_pair("RelayState", relay_state);
        url.into()
    }
}

/// Text as a value or content of XML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}

/// A DEFLATE stream (RFC 1951 §3.2.4) of stored blocks: the binding asks for the format, not for it to be shorter,
/// and a request is a few hundred bytes.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 5);
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out
}
