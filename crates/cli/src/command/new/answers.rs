//! From what was said to what is meant: each answer by a flag, on the terminal, or by default.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use portcullis_wire::resource::Issuer;
use portcullis_wire::scope::Scope;
use url::Url;

use super::ask::Asker;
use super::fill::Values;
use crate::args::{New, Template};
use crate::failure::Failure;

/// Characters of the longest name of a package, of what people say, and of a scope's first part.
const LONGEST: usize = 64;

/// Names a package cannot have: Rust's own words, and crates and packages that the templates use.
const TAKEN: [&str; 72] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "axum",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "jose",
    "let",
    "loop",
    "macro",
    "match",
    "mcp",
    "mod",
    "move",
    "mut",
    "override",
    "portcullis",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "reqwest",
    "return",
    "rmcp",
    "schemars",
    "self",
    "serde",
    "server",
    "static",
    "std",
    "struct",
    "super",
    "tempfile",
    "test",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "url",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "build",
    "deps",
    "examples",
    "incremental",
];

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Everything a template can be filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) template: Template,
    folder: String,
    package: String,
    name: String,
    scope: String,
    port: u16,
    upstream: String,
    issuer: String,
    checkout: Option<PathBuf>,
}

impl Answers {
    /// Settles every question, asking whoever can be asked.
    pub(super) fn settle<W: Write>(
        wish: &New,
        folder: &Path,
        mut asker: Option<&mut Asker<'_, W>>,
    ) -> Result<Self, Failure> {
        let package = package(folder)?;
        let templates = "Template: rust, gateway, typescript or python?";
        let template = match wish.template {
            Some(template) => template,
            None => settle(asker.as_deref_mut(), None, templates, "rust", template)?,
        };
        only_where(wish, template)?;
        let mut ask = |given: Option<&str>,
                       question: &str,
                       default: &str,
                       read: fn(&str) -> Result<String, Failure>| {
            settle(asker.as_deref_mut(), given, question, default, read)
        };
        let name = ask(wish.name.as_deref(), "What do people call it?", &in_words(&package), called)?;
        let scope = ask(wish.scope.as_deref(), "First part of its scopes?", "notes", scope)?;
        let own = if template == Template::Gateway { "8414" } else { "3000" };
        let given = wish.port.map(|port| port.to_string());
        let port =
            ask(given.as_deref(), "Port to listen on?", own, |said| port(said).map(|port| port.to_string()))?;
        let mut url_of =
            |applies: bool, given: Option<&String>, question: &str, default: &str, read| match applies {
                true => ask(given.map(String::as_str), question, default, read),
                false => Ok(default.to_owned()),
            };
        let behind = template == Template::Gateway;
        let upstream = url_of(
            behind,
            wish.upstream.as_ref(),
            "MCP server behind it?",
            "http://127.0.0.1:3000/mcp",
            upstream,
        )?;
        let elsewhere = matches!(template, Template::Typescript | Template::Python);
        let issuer = url_of(
            elsewhere,
            wish.issuer.as_ref(),
            "Authorization server?",
            "http://127.0.0.1:8414",
            issuer,
        )?;
        let port = self::port(&port)?;
        if elsewhere
            && Url::parse(&issuer)
                .is_ok_and(|url| url.port_or_known_default() == Some(port) && url.scheme() == "http")
        {
            return Err(Failure::fixable(format!("the port `{port}` is the authorization server's"))
                .advise("say `--port`"));
        }
        let checkout = match (&wish.path, template) {
            (Some(path), _) => Some(checkout(path)?),
            (None, Template::Rust) => {
                std::env::current_exe().ok().and_then(|program| checkout_around(&program))
            }
            (None, _) => None,
        };
        let folder = wish.folder.display().to_string();
        Ok(Self { template, folder, package, name, scope, port, upstream, issuer, checkout })
    }

    /// The names that templates use.
    pub(super) fn values(&self) -> Values {
        let version = env!("CARGO_PKG_VERSION");
        let checkout = self.checkout.as_ref().map(|path| path.display().to_string());
        let dependency = checkout.as_ref().map_or_else(
            || format!("portcullis = \"{version}\""),
            |folder| format!("portcullis = {{ path = \"{folder}/crates/portcullis\" }}"),
        );
        let (from, copy, context) = checkout.as_ref().map_or_else(
            || {
                let from = format!("`portcullis` {version} comes from crates.io; until it is published there, make this project with `--path CHECKOUT`.");
                (from, String::new(), String::new())
            },
            |folder| {
                let from = format!("`portcullis` comes from the checkout `{folder}`: say a version in `Cargo.toml` once it is published.");
                (from, format!("COPY --from=portcullis . {folder}\n"), format!("--build-context portcullis={folder} "))
            },
        );
        vec![
            ("folder", self.folder.clone()),
            ("package", self.package.clone()),
            ("crate", self.package.replace('-', "_")),
            ("name", self.name.clone()),
            ("scope", self.scope.clone()),
            ("port", self.port.to_string()),
            ("upstream", self.upstream.clone()),
            ("issuer", self.issuer.clone()),
            ("listen", listen(&self.issuer)),
            ("dependency", dependency),
            ("from", from),
            ("docker_copy", copy.trim_end().to_owned()),
            ("docker_context", context),
        ]
    }
}

/// The answer that was given, or the one that is asked for, or the default.
fn settle<T, W: Write>(
    asker: Option<&mut Asker<'_, W>>,
    given: Option<&str>,
    question: &str,
    default: &str,
    read: fn(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match (given, asker) {
        (Some(given), _) => read(given),
        (None, Some(asker)) => asker.ask(question, default, read),
        (None, None) => read(default),
    }
}

/// A flag that means nothing to the template is a mistake.
fn only_where(wish: &New, template: Template) -> Result<(), Failure> {
    let elsewhere = matches!(template, Template::Typescript | Template::Python);
    for (flag, said, meant) in [
        ("--upstream", wish.upstream.is_some(), template == Template::Gateway),
        ("--issuer", wish.issuer.is_some(), elsewhere),
        ("--path", wish.path.is_some(), template == Template::Rust),
    ] {
        if said && !meant {
            return Err(Failure::fixable(format!("`{flag}` means nothing to the template `{template}`"))
                .advise("leave it out"));
        }
    }
    Ok(())
}

/// The folder, in full: it is named in what is said, and its last part names the package.
pub(super) fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| Failure::fixable(format!("`{}`: {error}", folder.display())))
}

fn package(folder: &Path) -> Result<String, Failure> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fits = name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    if !fits {
        return Err(Failure::fixable(format!("`{name}` cannot be the name of a package"))
            .advise("a folder's name with small letters, digits, - and _, such as `my-server`"));
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        return Err(
            Failure::fixable(format!("`{name}` is the name of something else")).advise("such as `my-server`")
        );
    }
    Ok(name)
}

fn in_words(package: &str) -> String {
    let words = package.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn template(said: &str) -> Result<Template, Failure> {
    Template::from_str(said, true).map_err(|_| {
        Failure::fixable(format!("there is no template `{said}`"))
            .advise("there are rust, gateway, typescript and python")
    })
}

/// It stands in strings of four languages, so it has no sign that means anything in one of them.
fn called(said: &str) -> Result<String, Failure> {
    let fits = (1..=LONGEST).contains(&said.chars().count())
        && said.trim() == said
        && said.chars().all(|c| c.is_alphanumeric() || " -_.".contains(c));
    let refuse = || {
        Failure::fixable(format!("`{said}` cannot be what people call it"))
            .advise("letters, digits, spaces, - _ and .")
    };
    fits.then(|| said.to_owned()).ok_or_else(refuse)
}

fn scope(said: &str) -> Result<String, Failure> {
    let fits = said.len() <= LONGEST
        && said.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
        && Scope::parse(&format!("{said}:read")).is_ok()
        && !said.is_empty();
    let refuse = || {
        Failure::fixable(format!("`{said}` cannot be the first part of a scope")).advise("such as `notes`")
    };
    fits.then(|| said.to_owned()).ok_or_else(refuse)
}

fn port(said: &str) -> Result<u16, Failure> {
    let port = said.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| Failure::fixable(format!("`{said}` is no port")).advise("a number from 1 to 65535"))
}

fn upstream(said: &str) -> Result<String, Failure> {
    let url =
        Url::parse(said).ok().filter(|url| matches!(url.scheme(), "http" | "https") && plain(url.as_str()));
    url.map(String::from).ok_or_else(|| {
        Failure::fixable(format!("`{said}` is no URL of a server"))
            .advise("such as `http://127.0.0.1:3000/mcp`")
    })
}

fn issuer(said: &str) -> Result<String, Failure> {
    let issuer = Issuer::parse(said.trim_end_matches('/'));
    let issuer = issuer.map_err(|error| {
        Failure::fixable(format!("`{said}`: {error}")).advise("such as `https://auth.example.com`")
    })?;
    Ok(issuer.as_str().to_owned())
}

/// Whether a text means nothing but itself in a string or a command.
fn plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_.~/:@%+=,?&#[]".contains(c))
}

/// Where the authorization server listens: as its issuer says on this computer, else behind whoever has the name.
fn listen(issuer: &str) -> String {
    let port = Url::parse(issuer)
        .ok()
        .filter(|url| url.scheme() == "http")
        .and_then(|url| url.port_or_known_default());
    format!("127.0.0.1:{}", port.unwrap_or(8414))
}

fn checkout(path: &Path) -> Result<PathBuf, Failure> {
    let full = path.canonicalize().ok().filter(|full| is_checkout(full));
    let full = full.ok_or_else(|| {
        Failure::fixable(format!("`{}` is no checkout of Portcullis", path.display()))
            .advise("name the folder that has `crates/portcullis` in it")
    })?;
    if full.to_str().is_some_and(plain) {
        return Ok(full);
    }
    Err(Failure::fixable(format!("the path `{}` cannot stand in a manifest", full.display()))
        .advise("move the checkout"))
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("crates/portcullis/Cargo.toml").is_file()
}

/// The checkout that a program was built in.
fn checkout_around(program: &Path) -> Option<PathBuf> {
    let full = program.canonicalize().ok()?;
    let found = full.ancestors().find(|folder| is_checkout(folder))?;
    found.to_str().is_some_and(plain).then(|| found.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(template: Template) -> New {
        New {
            folder: "my-server".into(),
            template: Some(template),
            name: None,
            scope: None,
            port: None,
            upstream: None,
            issuer: None,
            path: None,
            yes: true,
        }
    }

    fn settled(wish: &New) -> Result<Answers, Failure> {
        Answers::settle(wish, Path::new("/x/my-server"), None::<&mut Asker<'_, Vec<u8>>>)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let answers = settled(&wish(Template::Gateway)).unwrap();
        let said = (answers.name.as_str(), answers.scope.as_str(), answers.port, answers.checkout);
        assert_eq!(said, ("My server", "notes", 8414, None));
        assert_eq!(settled(&wish(Template::Python)).unwrap().port, 3000);
    }

    #[test]
    fn what_is_not_said_is_asked_and_what_is_said_is_not() {
        let mut typed: &[u8] = b"ruby\ngateway\nMy \"notes\"\nMy notes\n\nx\nhttp://127.0.0.1:1/mcp\n";
        let mut talk = Vec::new();
        let wish = New { template: None, scope: Some("crm".to_owned()), ..wish(Template::Rust) };
        let mut asker = Asker::new(&mut typed, &mut talk);
        let answers = Answers::settle(&wish, Path::new("/x/my-server"), Some(&mut asker)).unwrap();
        let talk = String::from_utf8(talk).unwrap();
        let said = (answers.template, answers.name.as_str(), answers.port, answers.upstream.as_str());
        assert_eq!(said, (Template::Gateway, "My notes", 8414, "http://127.0.0.1:1/mcp"), "{talk}");
        // Three were answered wrongly and asked again; the scope was said already.
        assert_eq!((talk.matches("]: ").count(), talk.contains("scopes")), (7, false), "{talk}");
        assert!(talk.contains("there is no template `ruby`"), "{talk}");
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for (folder, fits) in [
            ("my-server", true),
            ("notes2_x", true),
            ("My", false),
            ("2b", false),
            ("a b", false),
            ("a-", false),
            ("async", false),
            ("rmcp", false),
            ("proc-macro", false),
            ("é", false),
            ("a\"b", false),
            ("..", false),
        ] {
            assert_eq!(package(&Path::new("/x").join(folder)).is_ok(), fits, "{folder}");
        }
        for (said, fits) in [
            ("Émile's", false),
            ("Émile 2.0", true),
            ("a\"b", false),
            ("a\\b", false),
            (" a", false),
            ("", false),
        ] {
            assert_eq!(called(said).is_ok(), fits, "{said}");
        }
        for (said, fits) in
            [("notes", true), ("a.b-c", true), ("a b", false), ("A", false), ("", false), ("a\"", false)]
        {
            assert_eq!(scope(said).is_ok(), fits, "{said}");
        }
        for (said, fits) in [
            ("http://127.0.0.1:3000/mcp", true),
            ("ftp://a/b", false),
            ("x", false),
            ("http://a/$(x)", false),
        ] {
            assert_eq!(upstream(said).is_ok(), fits, "{said}");
        }
        for (said, fits) in
            [("https://auth.example.com/", true), ("http://auth.example.com", false), ("x", false)]
        {
            assert_eq!(issuer(said).is_ok(), fits, "{said}");
        }
    }

    #[test]
    fn a_flag_that_means_nothing_is_refused() {
        let upstream = New { upstream: Some("http://a/b".to_owned()), ..wish(Template::Rust) };
        let path = New { path: Some("/".into()), ..wish(Template::Gateway) };
        let clash = New { port: Some(8414), ..wish(Template::Python) };
        for (wish, says) in [(upstream, "--upstream"), (path, "--path"), (clash, "8414")] {
            let failure = settled(&wish).unwrap_err();
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }

    #[test]
    fn crates_come_from_a_checkout_or_from_the_registry() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let with = settled(&New { path: Some(here), ..wish(Template::Rust) }).unwrap();
        let value =
            |answers: &Answers, key| answers.values().into_iter().find(|(name, _)| *name == key).unwrap().1;
        assert!(value(&with, "dependency").ends_with("/crates/portcullis\" }"));
        assert!(value(&with, "docker_copy").starts_with("COPY --from=portcullis . /"));
        let without = Answers { checkout: None, ..with };
        assert_eq!(value(&without, "dependency"), format!("portcullis = \"{}\"", env!("CARGO_PKG_VERSION")));
        assert_eq!(value(&without, "docker_copy"), "");
        assert!(checkout(Path::new("/nowhere")).is_err());
        let listening = [("http://localhost:9", "127.0.0.1:9"), ("https://a.example", "127.0.0.1:8414")];
        assert!(listening.iter().all(|(issuer, at)| listen(issuer) == *at));
    }
}
