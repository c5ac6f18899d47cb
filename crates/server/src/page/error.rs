//! Something stopped here: what, why, who must act, the next step.

use super::{Claim, Site, Template, hostile};

/// An error shown to a person and never redirected. The words are fixed by the cause; what came with the request
/// stands only in [`Fact`]s.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// This host, in ASCII.
    pub host: Site,
    /// The HTTP status the page is sent with.
    pub status: u16,
    /// The stable code, such as `E-REDIRECT-UNKNOWN`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in a sentence or two.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// Who can mend it.
    pub who_acts: String,
    /// What the person can do, step by step.
    pub next: Vec<String>,
    /// What the request said.
    pub facts: Vec<Fact>,
    /// The number under which the log knows this request.
    pub request_id: String,
    /// When it was.
    pub at_text: String,
    /// Whether the client got nothing at all.
    pub nothing_shared: bool,
    /// A way back to what the person was about, where there is one.
    pub back: Option<BackLink>,
}

/// A link to a page of ours.
#[derive(Clone, Debug)]
pub struct BackLink {
    /// Where to.
    pub href: String,
    /// What stands on it.
    pub text: &'static str,
}

/// One thing the request said.
#[derive(Clone, Debug)]
pub struct Fact {
    label: &'static str,
    value: Claim,
    mono: bool,
}

impl Fact {
    /// A value in words.
    #[must_use]
    pub fn text(label: &'static str, value: &str) -> Self {
        Self { label, value: Claim::long(value), mono: false }
    }

    /// An address or identifier, shown letter by letter.
    #[must_use]
    pub fn mono(label: &'static str, value: &str) -> Self {
        Self { label, value: Claim::long(value), mono: true }
    }

    fn label(&self) -> &'static str {
        self.label
    }

    fn value(&self) -> &Claim {
        &self.value
    }

    fn is_mono(&self) -> bool {
        self.mono
    }
}

impl ErrorPage {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || {
            Self {
            host: "auth.acme.example".into(),
            status: 400,
            code: "E-REDIRECT-UNKNOWN",
            title: "We stopped this connection".into(),
            what: "An app sent you here and asked for the answer to go to an address it never registered.".into(),
            why: Some("That could be a mistake in the app, or somebody trying to catch the answer. So we stay here and send nothing.".into()),
            who_acts: "The maker of the app. You did nothing wrong and need not change a setting here.".into(),
            next: vec!["Go back to the app and connect again. If this page returns, tell the app’s support.".into()],
            facts: vec![
                Fact::text("App", "calls itself Desk Companion"),
                Fact::mono("Asked for", "https://xn--deskcmpanion-8ib.example/callback"),
                Fact::mono("Registered", "https://deskcompanion.example/callback"),
            ],
            request_id: "7Q4M-2KXD-9P1B".into(),
            at_text: "2026-05-12 14:05:31 UTC".into(),
            nothing_shared: true,
            back: None,
        }
        };
        vec![
            ("error", plain()),
            (
                "error-busy",
                Self {
                    status: 503,
                    code: "E-BUSY",
                    title: "Not just now".into(),
                    what: "Too much is going on here at this moment.".into(),
                    why: None,
                    who_acts: "Nobody. It passes by itself.".into(),
                    next: vec!["Wait a few seconds.".into(), "Then load this page again.".into()],
                    facts: Vec::new(),
                    nothing_shared: false,
                    ..plain()
                },
            ),
            (
                "error-provider",
                Self {
                    status: 403,
                    code: "access_denied",
                    title: "You were not signed in".into(),
                    what: "At Acme, somebody pressed Cancel, or Acme refuses to sign you in here.".into(),
                    why: None,
                    who_acts: "You: try again, or sign in another way.".into(),
                    next: vec!["Go back and choose again. What you were about to do waits there.".into()],
                    facts: vec![Fact::text("Through", "Acme")],
                    back: Some(BackLink { href: "/sign-in".into(), text: "Back to sign-in" }),
                    ..plain()
                },
            ),
            (
                "error-hostile",
                Self {
                    facts: vec![
                        Fact::text("App", hostile::MARKUP),
                        Fact::text("Calls itself", hostile::BIDI),
                        Fact::text("In Arabic", hostile::RTL),
                        Fact::mono(
                            "Asked for",
                            &format!("https://evil.example/{}", hostile::long().repeat(4)),
                        ),
                    ],
                    ..plain()
                },
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_why_who_and_what_next() {
        let html = ErrorPage::samples().remove(0).1.render().unwrap();
        for part in [
            "never registered",
            "a mistake in the app",
            "The maker of the app",
            "Go back to the app",
            "E-REDIRECT-UNKNOWN (400)",
            "7Q4M-2KXD-9P1B",
            "2026-05-12 14:05:31 UTC",
            "Nothing was shared",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn t_client_text_in_an_error_stays_text() {
        let html = ErrorPage::samples().remove(3).1.render().unwrap();
        assert!(html.contains("&#60;script&#62;"));
        assert!(!html.contains('\u{202e}'));
        assert!(html.contains("…"));
    }

    #[test]
    fn steps_are_a_list_only_when_there_are_several() {
        let list = r#"<ul class="plain">"#;
        assert!(!ErrorPage::samples().remove(0).1.render().unwrap().contains(list));
        assert!(ErrorPage::samples().remove(1).1.render().unwrap().contains(list));
    }
}
