//! The parsers that meet strangers, and what must hold of what they accept.

mod identity;
mod json;
mod message;
mod request;
mod saml;
mod text;
mod token;

use crate::escape;

/// What a target says of an input: nothing, or the rule that is broken.
pub(crate) type Verdict = Result<(), &'static str>;

/// A parser with its rule and its seeds.
pub(crate) struct Target {
    /// How it is called.
    pub(crate) name: &'static str,
    /// Its seeds, one a line.
    pub(crate) corpus: &'static str,
    /// Hands an input to the parser and judges what comes back.
    pub(crate) run: fn(&[u8]) -> Verdict,
}

impl Target {
    /// The seeds; the empty input is always one.
    pub(crate) fn seeds(&self) -> Vec<Vec<u8>> {
        let lines = self.corpus.lines().filter(|line| !line.is_empty()).map(escape::read);
        std::iter::once(Vec::new())
            .chain(lines)
            .chain(token::seeds(self.name))
            .chain(saml::seeds(self.name))
            .collect()
    }
}

macro_rules! targets {
    ($($name:literal $run:path),* $(,)?) => {
        /// Every target.
        pub(crate) const TARGETS: &[Target] = &[
            $(Target { name: $name, corpus: include_str!(concat!("../../corpus/", $name, ".txt")), run: $run }),*
        ];
    };
}
targets! {
    "form" text::form,
    "scope" text::scope,
    "name" text::name,
    "challenge" text::challenge,
    "redirect" identity::redirect,
    "resource" identity::resource,
    "document-url" identity::document_url,
    "authorize" request::authorize,
    "token-request" request::token,
    "basic" request::basic,
    "registration" json::registration,
    "json" json::strict,
    "jwks" json::jwks,
    "jws" token::jws,
    "opaque" token::opaque,
    "bearer" token::bearer,
    "message" message::message,
    "headers" message::headers,
    "saml" saml::answer,
    "saml-metadata" saml::metadata,
}

/// The rule in words, where it does not hold.
fn hold(rule: bool, words: &'static str) -> Verdict {
    if rule { Ok(()) } else { Err(words) }
}

/// The input as text up to the first line feed, and the rest; what is no UTF-8 is replaced.
fn two(input: &[u8]) -> (String, Vec<u8>) {
    let at = input.iter().position(|&b| b == b'\n').unwrap_or(input.len());
    let rest = input.get(at + 1..).unwrap_or_default().to_vec();
    (String::from_utf8_lossy(&input[..at]).into_owned(), rest)
}
