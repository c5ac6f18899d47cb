//! Why a client cannot be known from its document, in words for an error page. Fixed texts: nothing of the document
//! and nothing of the far side's answer stands in one.

use portcullis_fetch::FetchError;
use portcullis_wire::register::MetadataError;

/// Why there is no client, or no key set. Shown on a page; never redirected (protocol C10), never cached as the
/// client (C09).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// The `client_id` is no URL a metadata document can have (C01).
    #[error("the client_id is not the URL of a metadata document: {0}")]
    NotAUrl(&'static str),
    /// It could not be fetched.
    #[error("the document could not be fetched: {0}")]
    Fetch(FetchError),
    /// Too many fetches from this source, or of this host. Nothing was asked of the far side.
    #[error("too many documents were asked for in a short time")]
    Throttled,
    /// The document was fetched, and cannot stand for a client.
    #[error("the document is not valid: {0}")]
    Invalid(&'static str),
    /// As [`Self::Invalid`], for what a registration would be refused for too.
    #[error("the document is not valid: {0}")]
    Metadata(MetadataError),
    /// The document names another `client_id` than the URL it was fetched from (C02).
    #[error("the document is that of another client")]
    Mismatch,
}

impl DocumentFault {
    /// The stable code an error page shows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAUrl(_) => "E-CLIENT-URL",
            Self::Fetch(_) => "E-CLIENT-FETCH",
            Self::Throttled => "E-CLIENT-THROTTLED",
            Self::Invalid(_) | Self::Metadata(_) => "E-CLIENT-DOCUMENT",
            Self::Mismatch => "E-CLIENT-MISMATCH",
        }
    }

    /// The HTTP status of that page.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotAUrl(_) | Self::Invalid(_) | Self::Metadata(_) | Self::Mismatch => 400,
            Self::Throttled => 429,
            // What no such host may ever be is the asker's fault, and stays so.
            Self::Fetch(
                FetchError::Scheme
                | FetchError::Form
                | FetchError::Host
                | FetchError::Port
                | FetchError::Address(_),
            ) => 400,
            Self::Fetch(_) => 502,
        }
    }

    /// Whether the same request may succeed later with nothing changed here or in the client.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Throttled => true,
            Self::Fetch(error) => matches!(
                error,
                FetchError::Resolve
                    | FetchError::Connect
                    | FetchError::Tls
                    | FetchError::Timeout
                    | FetchError::Protocol
                    | FetchError::Status(429 | 500..=599)
            ),
            _ => false,
        }
    }

    /// What happened, in a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::NotAUrl(_) => "The app named itself by an address that no app can have.",
            Self::Fetch(_) => {
                "The app says that it is described at an address, and that address gave no description."
            }
            Self::Throttled => {
                "Too many app descriptions were looked up in a short time, so this one was not."
            }
            Self::Invalid(_) | Self::Metadata(_) => "The app's description of itself cannot be accepted.",
            Self::Mismatch => "The description at the app's address is that of another app.",
        }
    }

    /// Why, in a sentence; ends without a full stop when it is a cause in a few words.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::NotAUrl(why) | Self::Invalid(why) => why.to_owned(),
            Self::Fetch(error) => error.to_string(),
            Self::Metadata(error) => error.to_string(),
            Self::Throttled => "this holds back those who would use this server to flood another".to_owned(),
            Self::Mismatch => {
                "the client_id in a description must be the very address it is fetched from".to_owned()
            }
        }
    }

    /// Who can mend it.
    #[must_use]
    pub const fn who_acts(self) -> &'static str {
        match self {
            Self::Throttled => "Nobody: wait a minute and start again from the app.",
            Self::Fetch(_) if self.is_transient() => {
                "Perhaps nobody: try again in a few minutes. If it stays, the maker of the app."
            }
            _ => "The maker of the app. You did nothing wrong and need not change a setting here.",
        }
    }
}

impl From<FetchError> for DocumentFault {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_every_fault_says_what_why_and_who_must_act() {
        for (fault, status, is_transient) in [
            (DocumentFault::NotAUrl("it has no path"), 400, false),
            (DocumentFault::Fetch(FetchError::Status(404)), 502, false),
            (DocumentFault::Fetch(FetchError::Status(503)), 502, true),
            (DocumentFault::Fetch(FetchError::Timeout), 502, true),
            (DocumentFault::Throttled, 429, true),
            (DocumentFault::Invalid("it has no client_name"), 400, false),
            (DocumentFault::Metadata(MetadataError::RedirectCount), 400, false),
            (DocumentFault::Mismatch, 400, false),
        ] {
            assert_eq!((fault.status(), fault.is_transient()), (status, is_transient), "{fault}");
            assert!(fault.code().starts_with("E-CLIENT-"));
            for text in [fault.what().to_owned(), fault.why(), fault.who_acts().to_owned()] {
                assert!(!text.is_empty() && text.is_ascii(), "{fault}");
            }
        }
    }
}
