//! Where the pages are: the name people see, and the path below which a page's links and forms lead.

use std::fmt;

/// This server, as its pages name it and link to it. It prints as the name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    name: String,
    base: String,
}

impl Site {
    /// A server by its host (with a port, if it is not the scheme's own), with its pages below `base`: empty, or a
    /// path such as `/auth`.
    #[must_use]
    pub fn new(name: String, base: &str) -> Self {
        Self { name, base: base.to_owned() }
    }

    /// What stands before the path of every page.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path of the first page.
    #[must_use]
    pub fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }
}

/// With its pages at the root.
impl From<&str> for Site {
    fn from(name: &str) -> Self {
        Self::new(name.to_owned(), "")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
