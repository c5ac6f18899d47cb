//! The templates: their files, and what is said when they are written.

use crate::args::Template;

/// What one template consists of.
pub(super) struct Kit {
    /// Where each file goes, and what is in it before the answers are.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What to do next.
    pub(super) next: &'static str,
}

macro_rules! kit {
    ($folder:literal: $($path:literal from $file:literal),+ $(,)?) => {
        Kit {
            files: &[$(($path, include_str!(concat!("../../../templates/", $folder, "/", $file)))),+],
            next: include_str!(concat!("../../../templates/", $folder, "/next")),
        }
    };
}

// Some lie under another name here: a manifest or an ignore file of their own would mean something to our tools.
const RUST: Kit = kit!("rust":
    "Cargo.toml" from "manifest",
    "src/lib.rs" from "src/lib.rs",
    "src/main.rs" from "src/main.rs",
    "src/notes.rs" from "src/notes.rs",
    "tests/whole_way/main.rs" from "tests/whole_way/main.rs",
    "tests/whole_way/person.rs" from "tests/whole_way/person.rs",
    "README.md" from "README.md",
    "Dockerfile" from "Dockerfile",
    ".dockerignore" from "ignore",
    ".gitignore" from "ignore",
);
const GATEWAY: Kit = kit!("gateway":
    "portcullis.toml" from "portcullis.toml",
    "rules.cedar" from "rules.cedar",
    "README.md" from "README.md",
    ".gitignore" from "ignore",
);
const TYPESCRIPT: Kit = kit!("typescript":
    "package.json" from "package.json",
    "tsconfig.json" from "tsconfig.json",
    "src/auth.ts" from "src/auth.ts",
    "src/server.ts" from "src/server.ts",
    "test/server.test.ts" from "test/server.test.ts",
    "portcullis.toml" from "portcullis.toml",
    "README.md" from "README.md",
    ".gitignore" from "ignore",
);
const PYTHON: Kit = kit!("python":
    "requirements.txt" from "requirements.txt",
    "auth.py" from "auth.py",
    "server.py" from "server.py",
    "test_server.py" from "test_server.py",
    "portcullis.toml" from "portcullis.toml",
    "README.md" from "README.md",
    ".gitignore" from "ignore",
);

pub(super) const fn of(template: Template) -> &'static Kit {
    match template {
        Template::Rust => &RUST,
        Template::Gateway => &GATEWAY,
        Template::Typescript => &TYPESCRIPT,
        Template::Python => &PYTHON,
    }
}
