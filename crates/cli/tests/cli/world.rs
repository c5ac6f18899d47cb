//! Runs the binary, to its end or as a server on a free port with a data directory of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What it printed with `--json`.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one object it printed.
    #[track_caller]
    pub(crate) fn row(&self) -> Value {
        assert_eq!((self.code, self.err.contains("error")), (0, false), "{}", self.err);
        self.rows().remove(0)
    }
}

fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    // A program over stdio is found by its name.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .args(args)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs to the end, with `input` on standard input.
pub(crate) fn run_with<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, input: &str) -> Ended {
    let mut child = command(args).spawn().unwrap();
    // A program that reads no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Ended {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Runs words separated by spaces to the end.
pub(crate) fn run(words: &str) -> Ended {
    run_with(words.split(' '), "")
}

/// Words with `--data-dir` behind.
pub(crate) fn at(directory: &Path, words: &str, input: &str) -> Ended {
    let mut all: Vec<&OsStr> = words.split(' ').map(OsStr::new).collect();
    all.extend([OsStr::new("--data-dir"), directory.as_os_str()]);
    run_with(all, input)
}

/// A running server; it is ended when dropped.
pub(crate) struct Server {
    child: Child,
    /// What it said of itself at start.
    pub(crate) said: Value,
}

impl Server {
    /// Starts `words --json --data-dir …` and waits until it is up.
    pub(crate) fn start(directory: &Path, words: &str) -> Self {
        Self::start_program(directory, words, "")
    }

    /// The same, with a program of the owner's behind `--`.
    pub(crate) fn start_program(directory: &Path, words: &str, program: &str) -> Self {
        let mut all: Vec<&OsStr> = words.split(' ').map(OsStr::new).collect();
        all.extend([OsStr::new("--json"), OsStr::new("--data-dir"), directory.as_os_str()]);
        if !program.is_empty() {
            all.push(OsStr::new("--"));
            all.extend(program.split(' ').map(OsStr::new));
        }
        let mut child = command(all).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("the server did not start: {err}");
        }
        Self { said: serde_json::from_str(&line).unwrap(), child }
    }

    /// `guard` on a free port.
    pub(crate) fn guard(directory: &Path) -> Self {
        Self::start(directory, "guard --listen 127.0.0.1:0")
    }

    pub(crate) fn address(&self) -> &str {
        self.said["listen"].as_str().unwrap()
    }

    /// Sends one request, and gives back status line with headers, and body.
    pub(crate) fn ask(&self, head: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let length = body.len();
        let host = self.address();
        let request =
            format!("{head}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Ends it, and gives back what it told people.
    pub(crate) fn said_to_people(mut self) -> String {
        self.child.kill().unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        err
    }

    /// Tells it to read its certificate again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has: the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal("-TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
