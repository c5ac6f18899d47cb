//! `cargo xtask tutorial`: docs/tutorial.md, done line by line as a reader would, and every answer held against the page.

mod compare;
mod page;
mod session;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::compare::{difference, with_ports};
use self::page::{Act, Deed, changed, read};
use self::session::Session;
use super::build_binary;
use crate::place::{from_root, root};
use crate::step::{Steps, quiet};
use crate::tally::Tally;

/// The first page; the others are those it links to, in its order.
const INDEX: &str = "docs/tutorial.md";
/// Where the reader works, in the folder for temporary things: outside of the workspace, as a reader is.
const SCRATCH: &str = "portcullis-tutorial";
/// The program the pages make; it shares the folder of build output with the workspace.
const PROGRAM: &str = "my-notes";
/// The ports of the pages. Free ones take their place, and their names again in what is said.
const PORTS: [u16; 4] = [3000, 4000, 8414, 8443];
/// What a reader has.
const TOOLS: [&str; 4] = ["curl", "jq", "openssl", "node"];
/// How long a command may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one that builds or installs may be.
const BUILD: Duration = Duration::from_secs(15 * 60);
/// What a program of the reader's has from the checkout, so that what is built already is not built again.
const CARGO: &str = "[profile.dev]\ndebug = \"line-tables-only\"\n\
    split-debuginfo = \"unpacked\"\n\n[profile.dev.package.argon2]\nopt-level = 3\n\
    [profile.dev.package.blake2]\nopt-level = 3\n[profile.dev.package.libsqlite3-sys]\nopt-level = 2\n";

/// Builds the binary, unless `--built` says it is there, and does what the tutorial says; `--loud` shows all that is
/// said, and goes on where something is wrong.
pub(crate) fn add(steps: &mut Steps, words: &[&str]) {
    if !words.contains(&"--built") {
        build_binary(steps);
    }
    follow(steps, words.contains(&"--loud"));
}

/// Does what the tutorial says with the binary that is there.
pub(crate) fn follow(steps: &mut Steps, loud: bool) {
    steps.step("tutorial", || {
        let mut held = 0;
        match walk(&mut held, loud) {
            Ok(()) => Tally { passed: held, failed: 0 },
            Err(why) => {
                println!("{why}");
                Tally { passed: held, failed: 1 }
            }
        }
    });
}

fn walk(held: &mut usize, loud: bool) -> Result<(), String> {
    if let Some(lacking) = TOOLS.iter().find(|tool| !quiet(tool, &["--help"])) {
        return Err(format!("the tutorial needs `{lacking}`: `cargo xtask setup` installs it"));
    }
    let pages = pages()?;
    let scratch = std::env::temp_dir().join(format!("{SCRATCH}-{}", std::process::id()));
    let fault = |why: std::io::Error| format!("{}: {why}", scratch.display());
    std::fs::create_dir_all(scratch.join(".cargo")).map_err(fault)?;
    let checkout = root().display().to_string();
    std::fs::write(scratch.join(".cargo/config.toml"), CARGO).map_err(fault)?;
    let work = scratch.join("work");
    std::fs::create_dir_all(work.join(PROGRAM)).map_err(fault)?;
    std::os::unix::fs::symlink(root().join("target"), work.join(PROGRAM).join("target")).map_err(fault)?;
    std::os::unix::fs::symlink(root(), work.join("portcullis")).map_err(fault)?;
    // What a reader installs with npm; `setup` has installed it there.
    std::os::unix::fs::symlink(root().join("tests/sso/node_modules"), work.join("node_modules"))
        .map_err(fault)?;
    let ports = free_ports()?;
    let mut session = Session::start(&work, &scratch, &root().join("target/debug"))?;
    let mut reader = Reader { session: &mut session, ports: &ports, checkout: &checkout, loud, lost: false };
    // Who writes the pages wants to see all that is wrong; for everyone else the first is enough.
    let mut wrong = Vec::new();
    for (name, acts) in &pages {
        println!("{name}");
        for act in acts {
            match reader.does(act).map_err(|why| format!("{name}:{}: {why}", act.line)) {
                Ok(()) => *held += 1,
                Err(why) if loud && !reader.lost => wrong.push(why),
                Err(why) => return Err(why),
            }
        }
    }
    drop(session);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    std::fs::remove_dir_all(&scratch).map_err(fault)
}

/// The pages in the order of the index, each with what it asks for.
fn pages() -> Result<Vec<(String, Vec<Act>)>, String> {
    let text =
        |path: &Path| std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", from_root(path)));
    let index = root().join(INDEX);
    let first = text(&index)?;
    let mut paths: Vec<PathBuf> = vec![index];
    for link in first.split("](tutorial/").skip(1) {
        let path = root().join("docs/tutorial").join(link.split([')', '#']).next().unwrap_or_default());
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if let Some(alone) =
        crate::place::files(&root().join("docs/tutorial"), "md").iter().find(|it| !paths.contains(it))
    {
        return Err(format!("{INDEX} has no link to {}", from_root(alone)));
    }
    let one = |path: &PathBuf| {
        let name = from_root(path);
        let acts = read(&text(path)?).map_err(|(line, why)| format!("{name}:{line}: {why}"))?;
        Ok((name, acts))
    };
    paths.iter().map(one).collect()
}

/// A free port for each of the pages'. They lie below those that systems give to whoever asks for any, so that none is
/// taken before its time comes.
fn free_ports() -> Result<Vec<(u16, u16)>, String> {
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap_or_default();
    let free = (first..30_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: Vec<_> = PORTS.into_iter().zip(free).collect();
    if ports.len() == PORTS.len() { Ok(ports) } else { Err("there are no free ports".to_owned()) }
}

/// Who does what the pages say.
struct Reader<'a> {
    session: &'a mut Session,
    ports: &'a [(u16, u16)],
    checkout: &'a str,
    loud: bool,
    /// Whether the shell no longer answers.
    lost: bool,
}

impl Reader<'_> {
    fn does(&mut self, act: &Act) -> Result<(), String> {
        match &act.deed {
            Deed::Write { name, text } => self.write(name, &self.here(text)),
            Deed::Change { name, parts } => {
                let path = self.session.here().join(name);
                let old = std::fs::read_to_string(&path).map_err(|why| format!("{name}: {why}"))?;
                let new = changed(&self.there(&old), parts)?;
                self.write(name, &self.here(&new))
            }
            Deed::Run { command, expected } => {
                let said = self
                    .session
                    .run(&self.here(command), limit(command))
                    .inspect_err(|_| self.lost = true)?;
                let lines: Vec<String> =
                    said.lines.iter().map(|line| self.there(line.trim_end_matches('\r'))).collect();
                if self.loud {
                    println!("{}: $ {command}\n{}", act.line, lines.join("\n"));
                }
                let heard: Vec<&str> = lines.iter().map(String::as_str).collect();
                let fault = match (said.status, difference(expected, &heard)) {
                    (0, None) => return Ok(()),
                    (0, Some(fault)) => fault,
                    (status, _) => format!("the command ended with {status}"),
                };
                Err(format!("{fault}\n$ {command}\n{}", heard.join("\n")))
            }
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.session.here().join(name);
        let fault = |why: std::io::Error| format!("{name}: {why}");
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(fault)?;
        std::fs::write(&path, text).map_err(fault)
    }

    /// As it is said here: with free ports, and the checkout where it is.
    fn here(&self, text: &str) -> String {
        with_ports(text, self.ports).replace("\"../portcullis/", &format!("\"{}/", self.checkout))
    }

    /// As the page says it.
    fn there(&self, text: &str) -> String {
        let back: Vec<_> = self.ports.iter().map(|(page, free)| (*free, *page)).collect();
        with_ports(text, &back).replace(&format!("\"{}/", self.checkout), "\"../portcullis/")
    }
}

fn limit(command: &str) -> Duration {
    let is_long = ["cargo build", "cargo test", "npm install"].iter().any(|words| command.starts_with(words));
    if is_long { BUILD } else { SILENCE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a page, done in a folder of its own.
    fn outcome(name: &str, page: &str) -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("portcullis-tutorial-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut session = Session::start(&folder, &folder, Path::new("/nowhere")).unwrap();
        let ports = [(3000, 45123)];
        let mut reader =
            Reader { session: &mut session, ports: &ports, checkout: "/checkout", loud: false, lost: false };
        let done = read(page)
            .unwrap()
            .iter()
            .try_for_each(|act| reader.does(act).map_err(|why| format!("{}: {why}", act.line)));
        drop(session);
        std::fs::remove_dir_all(folder).unwrap();
        done
    }

    #[test]
    fn a_page_that_is_true_holds() {
        let page = "```sh,file=a/run.sh\nPORT=:3000\necho \"here${PORT}\"\n```\n```diff,file=a/run.sh\n PORT=:3000\n+echo new\n```\n\
            ```console\n$ cd a\n$ . ./run.sh > log\n$ cat log\nnew\nhere:3000\n$ echo $PORT | cut -c 2- | grep -c 45123\n1\n```\n";
        assert_eq!(outcome("true", page), Ok(()));
    }

    #[test]
    fn a_page_that_is_not_true_fails_at_its_line() {
        for (name, page, line) in [
            ("answer", "```console\n$ echo a\na\n$ echo b\nc\n```\n", "4: expected `c`, not `b`"),
            ("silent", "```console\n$ echo a\n```\n", "2: nothing more was expected"),
            ("status", "```console\n$ (exit 3)\n```\n", "2: the command ended with 3"),
            ("lacking", "```console\n$ true\na\n```\n", "2: expected `a`"),
            ("change", "\n```diff,file=gone\n a\n+b\n```\n", "2: gone: "),
        ] {
            let why = outcome(name, page).unwrap_err();
            assert!(why.starts_with(line), "{why}");
        }
    }

    #[test]
    fn every_page_is_understood() {
        let pages = pages().unwrap();
        assert!(pages.iter().map(|(_, acts)| acts.len()).sum::<usize>() > 50);
    }
}
