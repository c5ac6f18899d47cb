//! The front door: what this host guards, and the line to paste into each app.

use super::{PasteLine, Site, Template, hostile, paste_lines};

/// `/`.
#[derive(Debug, Template)]
#[template(path = "start.html")]
pub struct Start {
    /// This host, in ASCII.
    pub host: Site,
    /// The guarded servers.
    pub resources: Vec<StartResource>,
    /// Whether anybody can sign in yet.
    pub has_account: bool,
}

/// A guarded server and the lines that connect to it.
#[derive(Clone, Debug)]
pub struct StartResource {
    /// The name its owner gave it.
    pub name: String,
    /// Its canonical URI.
    pub url: String,
    /// One line for each app.
    pub lines: Vec<PasteLine>,
}

impl StartResource {
    /// A server with the lines of every app we know.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Self {
        Self { name: name.to_owned(), url: url.to_owned(), lines: paste_lines(name, url) }
    }
}

impl Start {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let notes = || StartResource::new("Acme Notes", "https://notes.acme.example/mcp");
        let host = || Site::from("notes.acme.example");
        let hostile = StartResource::new(hostile::MARKUP, "http://127.0.0.1:8414/mcp?a='b'&c=\"d\"");
        vec![
            ("start", Self { host: host(), resources: vec![notes()], has_account: true }),
            (
                "start-no-account",
                Self { host: "127.0.0.1:8414".into(), resources: vec![notes()], has_account: false },
            ),
            ("start-hostile", Self { host: host(), resources: vec![hostile, notes()], has_account: true }),
            ("start-nothing", Self { host: host(), resources: Vec::new(), has_account: true }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_address_and_a_line_for_each_app() {
        let html = Start::samples().remove(0).1.render().unwrap();
        let text: String =
            html.split('<').filter_map(|rest| rest.split_once('>')).map(|(_, text)| text).collect();
        assert!(text.contains("claude mcp add --transport http acme-notes https://notes.acme.example/mcp"));
        assert!(html.contains(r#"href="/account""#));
    }

    #[test]
    fn without_an_account_it_says_how_to_make_one() {
        let html = Start::samples().remove(1).1.render().unwrap();
        assert!(html.contains("portcullis setup-link"));
        assert!(!html.contains(r#"href="/account""#));
    }
}
