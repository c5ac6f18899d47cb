//! People whom an identity provider vouches for: which provider, which account, for how long, and what is asked of
//! them here.
//!
//! A provider is known for good by its issuer; its name is only what addresses and people call it. An account belongs to
//! at most one provider, by issuer and subject together and by nothing else: a name that is given to another issuer moves
//! nobody, and an e-mail address leads to an account only where an administrator said so and the provider has verified
//! it. Who belongs to a provider may act only while that provider is switched on and configured, and only for as long
//! after they last proved themselves there as its setting says: of a lost job we hear at sign-in alone.

mod arrive;
#[cfg(test)]
mod arrive_tests;
mod link;
mod name;
mod provider;

use std::fmt;
use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;

use crate::refusal::Refusal;
use crate::verdict::{Verdict, Write};

pub use arrive::{Arrival, ArrivalFacts, Arriving, How, Joining, Judged, NotLetIn, Presented, arrive, judge};
pub use link::{LinkFacts, link, set_address, unlink};
pub use name::{address, names};
pub use provider::{configure, switch};

/// How long a proof counts where nothing else is said: after a sign-in, and after an administrator tied an account to
/// its provider.
pub const PROOF_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whether the people of a provider may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderState {
    /// They may.
    On,
    /// An administrator switched it off.
    Off,
    /// It stands in the configuration no longer.
    Gone,
}

impl ProviderState {
    const ALL: [Self; 3] = [Self::On, Self::Off, Self::Gone];

    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Gone => "gone",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An identity provider, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What it is known by for good: the issuer of its ID tokens (OpenID Connect Core §2), or its entity id (SAML Core
    /// §8.3.6).
    pub issuer: String,
    /// What it was called when it was configured last.
    pub name: String,
    /// Whether its people may act.
    pub state: ProviderState,
    /// Whether it stood in the configuration at the last start. One that is switched off may or may not.
    pub configured: bool,
    /// When its state last changed.
    pub since: UnixTime,
}

/// To whom at which provider an account belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderLink {
    /// The provider.
    pub issuer: String,
    /// The person there, for good. Unique below the issuer only.
    pub subject: String,
}

/// What is remembered, sealed, between the way out to a provider and the way back.
#[derive(Clone, PartialEq, Eq)]
pub struct Handoff {
    /// What stands for its handle.
    pub digest: Digest,
    /// What is remembered; the rows alone open nothing.
    pub sealed: Vec<u8>,
    /// When it is over.
    pub until: UnixTime,
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handoff({} bytes, until {})", self.sealed.len(), self.until.millis())
    }
}

/// Remembers somebody who goes to a provider.
pub fn hand_off(handoff: Handoff) -> Verdict<()> {
    match handoff.sealed.len() <= limit::HANDOFF_BYTES {
        true => Verdict::yes(()).writing(Write::PutHandoff(handoff)),
        false => Verdict::refuse(Refusal::RequestMalformed),
    }
}

/// A link, a provider and a time under which a person stands, for this room's tests.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::model::User;
    use crate::samples as all;

    pub(crate) const ISSUER: &str = "https://login.acme.example";

    pub(crate) fn link(subject: &str) -> ProviderLink {
        ProviderLink { issuer: ISSUER.to_owned(), subject: subject.to_owned() }
    }
    pub(crate) fn provider(state: ProviderState) -> Provider {
        Provider {
            issuer: ISSUER.to_owned(),
            name: "acme".to_owned(),
            state,
            configured: state != ProviderState::Gone,
            since: all::NOW,
        }
    }
    /// Somebody who belongs to the provider and proved it an hour ago.
    pub(crate) fn employee() -> User {
        User {
            password: None,
            provider: Some(link("s-1")),
            proven_until: Some(all::NOW + Duration::from_secs(3600)),
            ..all::user()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::NOW;

    #[test]
    fn states_read_back() {
        for state in ProviderState::ALL {
            assert_eq!(ProviderState::parse(state.as_str()), Some(state));
        }
        assert_eq!(ProviderState::parse("ON"), None);
    }

    #[test]
    fn t_canary_a_handoff_shows_nothing_of_what_it_holds_and_is_bounded() {
        let handoff = |bytes| Handoff { digest: Digest::of(b"h"), sealed: vec![b'x'; bytes], until: NOW };
        assert!(!format!("{:?}", handoff(3)).contains("xxx"));
        assert!(hand_off(handoff(limit::HANDOFF_BYTES)).outcome.is_ok());
        let large = hand_off(handoff(limit::HANDOFF_BYTES + 1));
        assert!(large.outcome.is_err() && large.is_silent());
    }
}
