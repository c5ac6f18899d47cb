//! Setup: an account, or a new password for one, by a link that works once.

use super::{Site, Template, hostile};

/// `/setup`. The form posts `ticket`, `name` and `password` to the same path; for a reset only `ticket` and `password`.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct Setup {
    /// This host, in ASCII.
    pub host: Site,
    /// The form's ticket, which stands for the link.
    pub ticket: String,
    /// When the link ends, such as `14:32 UTC`.
    pub expires_at_text: String,
    /// The account whose password is set anew; `None` makes an account.
    pub reset_for: Option<String>,
    /// What the person typed as name before.
    pub name_prefill: String,
    /// Why the last try did not work.
    pub fault: Option<String>,
}

impl Setup {
    /// The question of the page.
    fn heading(&self) -> &'static str {
        if self.reset_for.is_some() { "Choose a new password" } else { "Create your account" }
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || Self {
            host: "auth.acme.example".into(),
            ticket: "t1".into(),
            expires_at_text: "14:32 UTC".into(),
            reset_for: None,
            name_prefill: String::new(),
            fault: None,
        };
        let fault = "The password is too short: it needs at least 12 characters.";
        vec![
            ("setup", plain()),
            (
                "setup-fault",
                Self { name_prefill: hostile::MARKUP.into(), fault: Some(fault.into()), ..plain() },
            ),
            ("setup-reset", Self { reset_for: Some("alex".into()), ..plain() }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_needs_a_name_and_a_new_password() {
        let html = Setup::samples().remove(0).1.render().unwrap();
        for part in [
            r#"action="/setup""#,
            r#"id="name" name="name""#,
            r#"autocomplete="new-password" minlength="12" maxlength="128""#,
            "14:32 UTC",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn a_reset_asks_for_the_password_alone() {
        let html = Setup::samples().remove(2).1.render().unwrap();
        assert!(html.contains("<h1>Choose a new password</h1>"));
        assert!(!html.contains(r#"name="name""#));
        assert!(html.contains(r#"value="alex" autocomplete="username""#));
    }

    #[test]
    fn a_fault_is_shown_and_keeps_what_was_typed() {
        let html = Setup::samples().remove(1).1.render().unwrap();
        assert!(html.contains("too short"));
        assert!(html.contains("&#60;script&#62;"));
    }
}
