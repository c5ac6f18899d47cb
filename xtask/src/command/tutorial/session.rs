//! One shell in which a reader's commands are run, one after the other.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::step::quiet;

/// Ends what one command said; no command of ours says it.
const END: &str = "\u{1}end of command";

/// A bash of its own, with all that it starts in one process group.
pub(crate) struct Session {
    bash: Child,
    words: ChildStdin,
    lines: Receiver<String>,
    scratch: PathBuf,
    here: PathBuf,
}

/// How one command ended.
pub(crate) struct Said {
    pub(crate) lines: Vec<String>,
    pub(crate) status: i32,
}

impl Session {
    /// Starts it in `directory`, with `binaries` first on its path. `scratch` holds what is no business of the reader.
    pub(crate) fn start(directory: &Path, scratch: &Path, binaries: &Path) -> Result<Self, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash")
            .args(["--noprofile", "--norc", "-s"])
            .current_dir(directory)
            .env("PATH", format!("{}:{path}", binaries.display()))
            .env("XDG_DATA_HOME", directory.join("data"))
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_PROGRESS_WHEN", "never")
            .env_remove("CARGO")
            .env_remove("RUST_LOG")
            .env_remove("PORTCULLIS_DATA_DIR")
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|why| format!("bash cannot be run: {why}"))?;
        let mut words = bash.stdin.take().ok_or("bash has no input")?;
        let output = bash.stdout.take().ok_or("bash has no output")?;
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        writeln!(words, "exec 2>&1").map_err(|why| format!("bash does not listen: {why}"))?;
        Ok(Self { bash, words, lines, scratch: scratch.to_owned(), here: directory.to_owned() })
    }

    /// Where the shell stands.
    pub(crate) fn here(&self) -> &Path {
        &self.here
    }

    /// Runs one command as if it were typed, and waits for its end, though not for what it left running.
    pub(crate) fn run(&mut self, command: &str, limit: Duration) -> Result<Said, String> {
        let file = self.scratch.join("command.sh");
        let gone = |why: std::io::Error| format!("the shell is gone: {why}");
        std::fs::write(&file, format!("{command}\n")).map_err(gone)?;
        writeln!(self.words, ". '{}' < /dev/null; printf '\\n{END} %s %s\\n' $? \"$PWD\"", file.display())
            .map_err(gone)?;
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => match line.strip_prefix(END) {
                    None => lines.push(line),
                    Some(end) => {
                        let (status, here) = end.trim_start().split_once(' ').unwrap_or((end, ""));
                        self.here = PathBuf::from(here);
                        if lines.last().is_some_and(String::is_empty) {
                            lines.pop();
                        }
                        return Ok(Said { lines, status: status.parse().unwrap_or(-1) });
                    }
                },
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "silent for {} s; before that it said:\n{}",
                        limit.as_secs(),
                        lines.join("\n")
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the shell has ended".to_owned()),
            }
        }
    }
}

impl Drop for Session {
    /// Ends the shell with all that it started.
    fn drop(&mut self) {
        quiet("kill", &["-KILL", "--", &format!("-{}", self.bash.id())]);
        let _ = self.bash.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_remembers_and_its_commands_are_told_apart() {
        let scratch = std::env::temp_dir().join(format!("portcullis-session-{}", std::process::id()));
        std::fs::create_dir_all(&scratch).unwrap();
        let mut shell = Session::start(&scratch, &scratch, Path::new("/nowhere")).unwrap();
        let long = Duration::from_secs(60);
        let mut said = |command: &str| {
            let said = shell.run(command, long).unwrap();
            (said.lines.join("|"), said.status)
        };
        for (command, lines, status) in [
            ("A=1; echo one; echo two >&2", "one|two", 0),
            ("printf %s $A", "1", 0),
            ("cat", "", 0),
            ("sleep 600 &", "", 0),
            ("kill %1", "", 0),
            ("mkdir -p sub && cd sub", "", 0),
            ("false", "", 1),
            ("echo \"${PWD##*/}\"; echo", "sub|", 0),
        ] {
            assert_eq!(said(command), (lines.to_owned(), status), "{command}");
        }
        assert!(shell.here().ends_with("sub"));
        assert!(shell.run("sleep 600", Duration::from_millis(50)).is_err());
        drop(shell);
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
