//! How a client is shown: its claimed name, what of it was verified, and where it runs.

use super::{Claim, initial_of};

/// Where a client runs, judged by where this request's answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A website: the redirect URI is `https`.
    Website,
    /// A program on the person's computer: a loopback redirect URI (RFC 8252 §7.3). Any program there can claim it.
    ThisComputer,
    /// An app reached by a private-use scheme (RFC 8252 §7.1). Any app there can claim the scheme.
    App,
    /// A client that acts for itself and has no person and no redirect (RFC 6749 §4.4).
    Machine,
    /// A token its person made by hand: no client stands behind it, and its name is the token's.
    Personal,
}

/// A client as a page shows it.
#[derive(Clone, Debug)]
pub struct ClientFace {
    name: Claim,
    domain: Option<String>,
    kind: ClientKind,
}

impl ClientFace {
    /// `domain` is the host of a client metadata document that was fetched and found valid, in ASCII; `None` for
    /// every other client. A domain counts as verified only when the answer goes to a website: for a program on
    /// the person's own device the document proves nothing about who runs.
    #[must_use]
    pub fn new(name: &str, domain: Option<String>, kind: ClientKind) -> Self {
        Self { name: Claim::name(name), domain, kind }
    }

    /// The name it chose.
    #[must_use]
    pub fn name(&self) -> &Claim {
        &self.name
    }

    /// Where it runs.
    #[must_use]
    pub fn kind(&self) -> ClientKind {
        self.kind
    }

    /// The domain, when it says something about who will hold the token.
    #[must_use]
    pub fn verified_domain(&self) -> Option<&str> {
        self.domain.as_deref().filter(|_| self.kind == ClientKind::Website)
    }

    /// The domain of its document, when any program on the device could have named it.
    #[must_use]
    pub fn claimed_domain(&self) -> Option<&str> {
        self.domain.as_deref().filter(|_| self.is_on_device())
    }

    /// Whether the name may stand without quotes.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified_domain().is_some()
    }

    /// Whether the answer goes to something on the person's own device.
    #[must_use]
    pub fn is_on_device(&self) -> bool {
        matches!(self.kind, ClientKind::ThisComputer | ClientKind::App)
    }

    /// The letter on its tile; a question mark when nobody knows whose name it is.
    #[must_use]
    pub fn initial(&self) -> char {
        if self.is_verified() || matches!(self.kind, ClientKind::Machine | ClientKind::Personal) {
            initial_of(self.name.as_str())
        } else {
            '?'
        }
    }

    /// The style of its tile.
    #[must_use]
    pub fn tone(&self) -> &'static str {
        match (self.is_verified(), self.kind) {
            (true, _) => "is-checked",
            (false, ClientKind::Machine | ClientKind::Personal) => "",
            (false, _) => "is-careful",
        }
    }

    /// The name as a sentence holds it: in quotes unless verified.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.is_verified() { self.name.to_string() } else { format!("“{}”", self.name) }
    }

    pub(crate) fn sample_verified() -> Self {
        Self::new("Claude", Some("claude.ai".into()), ClientKind::Website)
    }

    pub(crate) fn sample_local() -> Self {
        Self::new("Claude Code", Some("claude.ai".into()), ClientKind::ThisComputer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s05_a_domain_proves_nothing_about_a_program_on_the_persons_device() {
        for (kind, verified) in [
            (ClientKind::Website, true),
            (ClientKind::ThisComputer, false),
            (ClientKind::App, false),
            (ClientKind::Machine, false),
            (ClientKind::Personal, false),
        ] {
            let face = ClientFace::new("Claude", Some("claude.ai".into()), kind);
            assert_eq!(face.is_verified(), verified, "{kind:?}");
            assert_eq!(face.in_words().starts_with('“'), !verified, "{kind:?}");
            assert_eq!(face.tone() == "is-checked", verified, "{kind:?}");
        }
        assert!(!ClientFace::new("Claude", None, ClientKind::Website).is_verified());
    }
}
