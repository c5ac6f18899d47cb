//! Real processes: this one file is front, runner, launcher and server, as `portcullis` is.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test without the usual harness, and what it tests"
)]

mod process;
mod server;
mod wire;
mod world;

use std::panic::AssertUnwindSafe;

/// The name of a test, and the test.
type Test = (&'static str, fn());

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match &*words {
        ["runner"] => {
            if std::env::var_os("RUST_LOG").is_some() {
                tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            }
            portcullis_runner::run().unwrap();
        }
        ["runner", "launch"] => {
            eprintln!("{}", portcullis_runner::launch());
            std::process::exit(126);
        }
        ["server", ..] => server::serve(),
        ["front", "exec"] => process::front_without_exec(),
        _ => all(&words),
    }
}

/// Runs the tests whose names hold one of the words, and fails if one fails.
fn all(words: &[&str]) {
    let tests: Vec<Test> = process::TESTS.iter().chain(wire::TESTS).copied().collect();
    if words.contains(&"--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let wanted: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen =
        tests.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(**word)));
    let mut failed = Vec::new();
    for (name, test) in chosen {
        let passed = std::panic::catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
