//! One step of a command: a program that is run, watched, timed and counted.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::place::root;
use crate::tally::Tally;

/// No step may run longer than this; the whole of `test` has 90 minutes.
const STEP_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs the steps of one command, says how each went, and keeps the count.
pub(crate) struct Steps {
    begun: Instant,
    told: Vec<(String, Tally, Duration)>,
}

impl Steps {
    /// Begins a command.
    pub(crate) fn begin() -> Self {
        Self { begun: now(), told: Vec::new() }
    }

    /// Runs a program from the repository's root and counts what it says of itself, or its end as one check.
    pub(crate) fn program(&mut self, name: &str, program: &mut Command) -> &mut Self {
        self.step(name, || match watch(program, STEP_LIMIT) {
            Ok((held, told)) if told == Tally::default() => Tally::one(held),
            Ok((true, told)) => told,
            Ok((false, told)) => Tally { failed: told.failed.max(1), ..told },
            Err(why) => {
                println!("{why}");
                Tally::one(false)
            }
        })
    }

    /// A step that is a function of ours; it counts for itself.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Tally) -> &mut Self {
        println!("\n── {name} (after {})", seconds(self.begun.elapsed()));
        let begun = now();
        let tally = run();
        let took = begun.elapsed();
        let word = if tally.failed == 0 { "ok" } else { "FAILED" };
        println!("── {name}: {word} in {}", seconds(took));
        self.told.push((name.to_owned(), tally, took));
        self
    }

    /// Whether every step so far held.
    pub(crate) fn held(&self) -> bool {
        self.told.iter().all(|(_, tally, _)| tally.failed == 0)
    }

    /// Says how each step went, then the count of all alone on the last line.
    pub(crate) fn end(&self) -> std::process::ExitCode {
        println!();
        let mut all = Tally::default();
        for (name, tally, took) in &self.told {
            let word = if tally.failed == 0 { "ok    " } else { "FAILED" };
            println!(
                "{word} {name:<28} {:>5} passed {:>3} failed  {}",
                tally.passed,
                tally.failed,
                seconds(*took)
            );
            all = all.and(*tally);
        }
        println!("{} in all\n", seconds(self.begun.elapsed()));
        println!("{} passed, {} failed", all.passed, all.failed);
        std::process::ExitCode::from(u8::from(!self.held()))
    }
}

/// A program with its words, to be run from the repository's root.
pub(crate) fn program<W: AsRef<OsStr>>(name: &str, words: impl IntoIterator<Item = W>) -> Command {
    let mut program = Command::new(name);
    program.args(words).current_dir(root());
    program
}

/// The same Cargo that runs us, so that one toolchain does everything.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let name = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut cargo = program(&name, words);
    if std::env::var_os("CI").is_some() {
        // Nothing is built twice there: what a second build could reuse would only fill the disk.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    cargo
}

/// Whether a program ends well; its output is thrown away. A program that cannot start did not.
pub(crate) fn quiet(name: &str, words: &[&str]) -> bool {
    let mut program = program(name, words);
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.status().is_ok_and(|end| end.success())
}

/// Runs a program in a process group of its own, passes its lines on, adds up what they count, and ends the
/// group when the limit is reached.
fn watch(program: &mut Command, limit: Duration) -> Result<(bool, Tally), String> {
    program.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let name = program.get_program().to_string_lossy().into_owned();
    let mut child = program.spawn().map_err(|why| format!("`{name}` cannot be run: {why}"))?;
    let group = format!("-{}", child.id());
    let done = Arc::new((Mutex::new(false), Condvar::new()));
    let late = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (done, late) = (Arc::clone(&done), Arc::clone(&late));
        std::thread::spawn(move || {
            let (lock, ended) = &*done;
            let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = ended.wait_timeout_while(guard, limit, |done| !*done);
            if waited.is_ok_and(|(done, _)| !*done) {
                late.store(true, Ordering::SeqCst);
                quiet("kill", &["-KILL", "--", &group]);
            }
        })
    };
    let mut told = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            told = Tally::of_line(&line).map_or(told, |more| told.and(more));
        }
    }
    let end = child.wait().map_err(|why| format!("`{name}` was lost: {why}"))?;
    *done.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    done.1.notify_all();
    let _ = watcher.join();
    if late.load(Ordering::SeqCst) {
        return Err(format!("`{name}` was ended after {}", seconds(limit)));
    }
    Ok((end.success(), told))
}

#[expect(clippy::disallowed_methods, reason = "a step is timed by the clock of the machine it runs on")]
fn now() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.1} s", time.as_secs_f64()),
        long => format!("{} min {} s", long / 60, long % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_watched_counted_and_ended_in_time() {
        let run = |script: &str, limit| watch(&mut program("sh", ["-c", script]), limit);
        let long = Duration::from_secs(60);
        assert_eq!(run("echo 2 passed, 1 failed", long), Ok((true, Tally { passed: 2, failed: 1 })));
        assert_eq!(run("exit 3", long), Ok((false, Tally::default())));
        assert!(run("sleep 600", Duration::from_millis(20)).is_err());
        assert!(watch(&mut program("no-such-program", ["x"]), long).is_err());
    }
}
