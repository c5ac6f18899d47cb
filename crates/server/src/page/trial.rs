//! Trying out a provider, for `portcullis sso test`.

use super::{Claim, Site, Template};

/// `GET /sign-in/test`: what is about to be tried, and who will see what comes of it. Its form posts `ticket` to the
/// same path.
#[derive(Debug, Template)]
#[template(path = "trial.html")]
pub struct Trial {
    /// This host, in ASCII.
    pub host: Site,
    /// What the owner calls the provider.
    pub label: Claim,
    /// The form's ticket against forgery.
    pub ticket: String,
}

/// The end of a trial. It tells nothing: whoever asked for it reads that on a terminal.
#[derive(Debug, Template)]
#[template(path = "tried.html")]
pub struct Tried {
    /// This host, in ASCII.
    pub host: Site,
}

impl Trial {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let page = Self { host: "auth.acme.example".into(), label: Claim::name("Acme"), ticket: "t1".into() };
        vec![("trial", page)]
    }
}

impl Tried {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        vec![("tried", Self { host: "auth.acme.example".into() })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_sent_here_by_a_stranger_is_told_who_will_see_it() {
        let html = Trial::samples().remove(0).1.render().unwrap();
        assert!(html.contains("will be shown to them") && html.contains("If you did not start this"));
    }
}
