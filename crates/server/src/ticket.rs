//! Tickets: what a page's form carries, sealed, so that nothing a browser holds is ever trusted (threats 9, 11).
//!
//! A ticket belongs to one purpose and to one browser (and, behind sign-in, to one session), is good for ten
//! minutes, and is spent in the store by the decision it leads to. Until then it costs no row.

use portcullis_jose::seal::Sealer;
use portcullis_rules::authorize::Asked;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use portcullis_wire::id::ApprovalId;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

/// What a ticket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// An authorization request on its way through sign-in to consent.
    Request(PendingRequest),
    /// A question to a person, on its way through sign-in to its page.
    Question {
        /// Which.
        id: ApprovalId,
    },
    /// The sign-in form, with what waits behind it.
    SignIn {
        /// None when somebody just wants to see their agents.
        behind: Option<Behind>,
    },
    /// The consent form.
    Consent(PendingRequest),
    /// The form of a question to the person who is signed in.
    Approve {
        /// Which.
        id: ApprovalId,
    },
    /// The forms of the account page.
    Account,
    /// The form that begins a trial of a provider.
    Trial {
        /// Which trial: what the address of its page named.
        walk: String,
    },
    /// The set-up form; the link's digest and number stand in it, not the link.
    Setup {
        /// The link's row.
        number: u64,
        /// Its digest, in base64url.
        digest: String,
    },
}

/// What waits behind a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Behind {
    /// An authorization request.
    Request(PendingRequest),
    /// A question to the person.
    Question(ApprovalId),
}

impl Behind {
    /// The request, if it is one.
    pub(crate) fn request(&self) -> Option<&PendingRequest> {
        match self {
            Self::Request(pending) => Some(pending),
            Self::Question(_) => None,
        }
    }
}

/// A judged authorization request and what it said about signing in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingRequest {
    /// What is asked.
    pub(crate) asked: Asked,
    /// `prompt=login`: only a sign-in later than this counts.
    pub(crate) signed_in_after: Option<UnixTime>,
    /// Behind the consent page: what stands for all the client said of itself when the page was shown, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    browser: String,
    session: Option<String>,
    until: UnixTime,
    purpose: Purpose,
}

/// An opened ticket.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    /// What stands for it, to be spent once.
    pub(crate) digest: Digest,
    /// Until when it is good.
    pub(crate) until: UnixTime,
    /// What it is for.
    pub(crate) purpose: Purpose,
}

/// To which browser, and which session, a ticket belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    /// The digest of the browser's cookie.
    pub(crate) browser: Digest,
    /// The digest of the session's cookie, behind sign-in.
    pub(crate) session: Option<Digest>,
}

const CONTEXT: &[u8] = b"ticket";
/// Longest ticket looked at, in bytes: a state of 2 KiB, spelled twice, and the rest.
const LONGEST: usize = 12 * 1024;

fn spell(digest: &Digest) -> String {
    base64url::encode(digest.as_bytes())
}

/// Seals tickets.
pub(crate) struct Tickets(Sealer);

impl Tickets {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Sealer::new(key))
    }

    /// Makes a ticket, as text for a form or a URL.
    pub(crate) fn make(&self, purpose: Purpose, holder: Holder, until: UnixTime, random: [u8; 28]) -> String {
        let (mut nonce, mut id) = ([0; 12], [0; 16]);
        nonce.copy_from_slice(&random[..12]);
        id.copy_from_slice(&random[12..]);
        let sealed = Sealed {
            nonce: base64url::encode(&id),
            browser: spell(&holder.browser),
            session: holder.session.as_ref().map(spell),
            until,
            purpose,
        };
        let plain = serde_json::to_vec(&sealed).unwrap_or_default();
        base64url::encode(&self.0.seal(CONTEXT, nonce, &plain))
    }

    /// Opens a ticket that this very browser holds. A forged, foreign or stale one is none.
    pub(crate) fn open(&self, text: &str, holder: Holder, now: UnixTime) -> Option<Ticket> {
        if text.len() > LONGEST {
            return None;
        }
        let plain = self.0.open(CONTEXT, &base64url::decode(text)?)?;
        let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
        let fits = sealed.until > now
            && sealed.browser == spell(&holder.browser)
            && (sealed.session.is_none() || sealed.session == holder.session.as_ref().map(spell));
        fits.then(|| Ticket {
            digest: Digest::of(sealed.nonce.as_bytes()),
            until: sealed.until,
            purpose: sealed.purpose,
        })
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(browser: &[u8], session: Option<&[u8]>) -> Holder {
        Holder { browser: Digest::of(browser), session: session.map(Digest::of) }
    }

    #[test]
    fn t_tamper_every_byte_of_a_ticket_counts_and_it_fits_one_browser_for_a_while() {
        let tickets = Tickets::new([3; 32]);
        let (now, until) = (UnixTime::from_seconds(1), UnixTime::from_seconds(2));
        let text = tickets.make(Purpose::Account, holder(b"b", Some(b"s")), until, [1; 28]);
        assert!(tickets.open(&text, holder(b"b", Some(b"s")), now).is_some());
        assert!(tickets.open(&text, holder(b"b", Some(b"s")), until).is_none(), "too old");
        assert!(tickets.open(&text, holder(b"x", Some(b"s")), now).is_none(), "another browser");
        assert!(tickets.open(&text, holder(b"b", Some(b"x")), now).is_none(), "another session");
        assert!(tickets.open(&text, holder(b"b", None), now).is_none(), "signed out");
        for at in 0..text.len() {
            for flip in ["A", "B"] {
                let mut other = text.clone();
                other.replace_range(at..=at, flip);
                assert!(
                    other == text || tickets.open(&other, holder(b"b", Some(b"s")), now).is_none(),
                    "byte {at}"
                );
            }
        }
        assert!(Tickets::new([4; 32]).open(&text, holder(b"b", Some(b"s")), now).is_none(), "another key");
    }
}
