//! A server this person may not use: whom to ask, and the way back to the app.

use super::{ClientFace, ClientKind, Site, Template, hostile, initial_of};

/// In place of `/consent`. The form posts `ticket` and `answer=deny` to `/consent`; "Not you?" posts `ticket` and
/// `again=1` to `/sign-out`.
#[derive(Debug, Template)]
#[template(path = "closed.html")]
pub struct Closed {
    /// This host, in ASCII.
    pub host: Site,
    /// The account that is signed in.
    pub account: String,
    /// Who asks.
    pub client: ClientFace,
    /// The resource, by the name its owner gave it.
    pub resource_name: String,
    /// The resource's canonical URI.
    pub resource_uri: String,
    /// The form's ticket against forgery.
    pub ticket: String,
}

impl Closed {
    fn account_initial(&self) -> char {
        initial_of(&self.account)
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || Self {
            host: "auth.acme.example".into(),
            account: "alex".into(),
            client: ClientFace::sample_verified(),
            resource_name: "Acme Payroll".into(),
            resource_uri: "https://payroll.acme.example/mcp".into(),
            ticket: "t1".into(),
        };
        let wild = Self {
            account: hostile::long(),
            client: ClientFace::new(hostile::BIDI, None, ClientKind::ThisComputer),
            resource_name: hostile::MARKUP.into(),
            ..plain()
        };
        vec![("closed", plain()), ("closed-hostile", wild)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_server_says_whom_to_ask_and_offers_nothing_to_allow() {
        let html = Closed::samples().remove(0).1.render().unwrap();
        for part in ["Acme Payroll", "whoever runs this server", "alex", r#"value="deny""#, "Not you?"] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains(r#"value="allow""#));
    }
}
