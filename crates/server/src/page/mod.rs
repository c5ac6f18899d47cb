//! The pages people see, one file a page: its typed context here, its template beside in `templates/`.
//!
//! A page is a plain value: fill the struct, call [`Template::render`]. Every text is escaped where it is printed;
//! text that a client, a server or a stranger chose goes through [`Claim`] first, so that it can neither reorder
//! nor overflow what stands around it. Pages hold no script, no inline style and nothing from another host: they
//! work under `default-src 'none'; style-src 'self'; img-src 'self'`.
//!
//! Times and spans arrive as text (`…_text`): this room has no clock.

mod account;
mod approve;
mod asset;
mod claim;
mod closed;
mod consent;
mod empty;
mod error;
mod exact;
mod face;
mod leaving;
mod paste;
mod right;
mod setup;
mod sign_in;
mod signed_out;
mod site;
mod start;
mod trial;

pub use account::{Account, AccountClient, AgentLine, Notice, Question, ResourceLine, WantedLine};
pub use approve::{Answered, Approve, ArgumentLine, Outcome, ShownCall, ShownValue};
pub use askama::Template;
pub use asset::{Asset, logo, stylesheet};
pub use claim::Claim;
pub use closed::Closed;
pub use consent::{Consent, Replaceable};
pub use empty::Empty;
pub use error::{BackLink, ErrorPage, Fact};
pub use exact::Exact;
pub use face::{ClientFace, ClientKind};
pub use leaving::Leaving;
pub use paste::{PasteLine, paste_lines};
pub use right::{RightGroup, RightKind, ScopeLine, groups};
pub use setup::Setup;
pub use sign_in::{ProviderButton, SignIn, SignInFault, Waiting};
pub use signed_out::SignedOut;
pub use site::Site;
pub use start::{Start, StartResource};
pub use trial::{Trial, Tried};

/// Longest name a person may sign in with, in characters, as the forms enforce it.
pub const NAME_MAX: usize = 128;
/// Shortest password that may be chosen, in characters (NIST SP 800-63B §5.1.1.2 asks for at least 8).
pub const PASSWORD_MIN: usize = 12;
/// Longest password the forms take, in characters, so that hashing has a bound.
pub const PASSWORD_MAX: usize = 128;
/// Longest work address the form takes, in characters (RFC 5321 §4.5.3.1.3).
pub const ADDRESS_MAX: usize = 254;
/// Longest label a person may give an agent, in characters.
pub const LABEL_MAX: usize = 64;

/// `1 agent`, `2 agents`: a count with its noun.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// The letter that stands for a name on its tile.
pub(crate) fn initial_of(name: &str) -> char {
    name.chars().find(|c| c.is_alphanumeric()).and_then(|c| c.to_uppercase().next()).unwrap_or('·')
}

/// Every page with every one of its samples, rendered: a name that can be a file name, and the HTML.
/// Among them are names with markup, with reversed and right-to-left text, and of 200 characters.
///
/// # Errors
/// What the template engine reports; no sample fails.
pub fn all_samples() -> Result<Vec<(&'static str, String)>, askama::Error> {
    let mut all = Vec::new();
    macro_rules! add {
        ($page:ty) => {
            for (name, page) in <$page>::samples() {
                all.push((name, page.render()?));
            }
        };
    }
    add!(Start);
    add!(Empty);
    add!(Setup);
    add!(SignIn);
    add!(Leaving);
    add!(Trial);
    add!(Tried);
    add!(Consent);
    add!(Account);
    add!(Approve);
    add!(Answered);
    add!(Closed);
    add!(SignedOut);
    add!(ErrorPage);
    Ok(all)
}

/// Names no honest client chooses, for samples and tests.
pub(crate) mod hostile {
    /// Markup.
    pub(crate) const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    /// Reads `Claude (verified)` backwards after an override, and closes our quotes.
    pub(crate) const BIDI: &str =
        "Helper\u{202e}\u{2066} edualC\u{201d} (verified domain: claude.ai)\u{200b}";
    /// Right-to-left text.
    pub(crate) const RTL: &str = "مساعد الملاحظات";

    /// 200 characters without a place to break.
    pub(crate) fn long() -> String {
        "Wolkenkratzer".repeat(16).chars().take(200).collect()
    }
}

#[cfg(test)]
mod tests;
