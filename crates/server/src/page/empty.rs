//! A fresh installation: how its first account is made.

use super::{Site, Template};

/// Shown in place of the sign-in page while there is no account.
#[derive(Debug, Template)]
#[template(path = "empty.html")]
pub struct Empty {
    /// This host, in ASCII.
    pub host: Site,
}

impl Empty {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        vec![("empty", Self { host: "127.0.0.1:8414".into() })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_command_and_offers_no_form() {
        let html = Empty::samples().remove(0).1.render().unwrap();
        assert!(html.contains("portcullis setup-link"));
        assert!(!html.contains("<form"));
    }
}
