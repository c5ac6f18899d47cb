//! The commands, one file each.

pub(crate) mod architecture;
pub(crate) mod bench;
pub(crate) mod clients;
pub(crate) mod demo;
pub(crate) mod fuzz;
pub(crate) mod help;
pub(crate) mod ledger;
pub(crate) mod new;
pub(crate) mod pages;
pub(crate) mod rust;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod sso;
pub(crate) mod test;
pub(crate) mod tutorial;

use std::process::{Command, ExitCode};

use crate::step::{Steps, cargo};

/// Calls a command by its name; a name we do not know shows the index.
pub(crate) fn call(name: &str, words: &[&str]) -> ExitCode {
    match name {
        "architecture" => alone(architecture::add),
        "bench" => bench::run(words),
        "clients" => alone(|steps| clients::add(steps, words)),
        "demo" => demo::run(words),
        "fuzz" => fuzz::run(words),
        "help" | "--help" | "-h" => help::run(),
        "ledger" => alone(ledger::add),
        "new" => alone(|steps| new::add(steps, words)),
        "pages" => alone(pages::add),
        "rust" => alone(rust::add),
        "servers" => alone(|steps| servers::add(steps, words)),
        "settings" => alone(|steps| settings::add(steps, words)),
        "setup" => alone(setup::add),
        "sso" => alone(|steps| sso::add(steps, words)),
        "test" => test::run(),
        "tutorial" => alone(|steps| tutorial::add(steps, words)),
        other => {
            eprintln!("there is no command `{other}`\n");
            help::run();
            ExitCode::FAILURE
        }
    }
}

/// Runs the steps of one command and tells how they went.
fn alone(add: impl FnOnce(&mut Steps)) -> ExitCode {
    let mut steps = Steps::begin();
    add(&mut steps);
    steps.end()
}

/// Builds the binary that the clients and the pages are tried with.
fn build_binary(steps: &mut Steps) {
    steps.program("build the binary", &mut cargo(&["build", "--quiet", "--package", "portcullis-cli"]));
}

/// Hands the terminal to a program and returns how it ended.
fn hand_over(program: &mut Command) -> ExitCode {
    match program.status() {
        Ok(end) if end.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("`{}` cannot be run: {why}", program.get_program().to_string_lossy());
            ExitCode::FAILURE
        }
    }
}
