//! Signed out: what still works, and how to stop it.

use super::{Site, Template};

/// Shown after `/sign-out`.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    /// This host, in ASCII.
    pub host: Site,
    /// How many agents still act for the person.
    pub agents: usize,
}

impl SignedOut {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let of = |agents| Self { host: "auth.acme.example".into(), agents };
        vec![("signed-out", of(3)), ("signed-out-none", of(0))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_that_agents_go_on() {
        for (agents, expected) in
            [(0, None), (1, Some("Your agent still works.")), (3, Some("Your 3 agents still work."))]
        {
            let html = SignedOut { host: "h.example".into(), agents }.render().unwrap();
            match expected {
                Some(text) => assert!(html.contains(text), "{agents}"),
                None => assert!(!html.contains("still work"), "{agents}"),
            }
        }
    }
}
