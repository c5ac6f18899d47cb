//! Mutated input at every parser that meets strangers: `cargo xtask fuzz`.
//!
//! The way is the same every time for one seed; the clock only decides how far it goes.
#![expect(clippy::print_stdout, reason = "a command line speaks to its caller")]

mod escape;
mod mutate;
mod target;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::Mutator;
use target::{TARGETS, Target};

/// Longest input tried, in bytes. Caps of the parsers themselves are well below or are tried by tests.
const LONGEST: usize = 20 * 1024;
/// Inputs tried between two looks at the clock.
const BATCH: usize = 64;

struct Words {
    seconds: u64,
    seed: u64,
    target: Option<String>,
    input: Option<String>,
}

fn main() -> ExitCode {
    let words = match words(std::env::args().skip(1)) {
        Ok(words) => words,
        Err(word) => {
            println!("`{word}` is not understood: --seconds N, --seed N, --target NAME, --input TEXT");
            return ExitCode::FAILURE;
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    let chosen = |target: &&Target| words.target.as_deref().is_none_or(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    let share = Duration::from_secs(words.seconds) / u32::try_from(targets.len()).unwrap_or(1).max(1);
    let (mut passed, mut failed) = (0, 0);
    for target in targets {
        let outcome = match &words.input {
            Some(input) => run(target, &escape::read(input)).map(|()| 1),
            None => slice(target, words.seed, share),
        };
        match outcome {
            Ok(tried) => {
                passed += 1;
                println!("ok     {:<14} {tried:>9} inputs", target.name);
            }
            Err(why) => {
                failed += 1;
                println!("FAILED {:<14} {why}", target.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0 || passed == 0))
}

fn words(mut given: impl Iterator<Item = String>) -> Result<Words, String> {
    let mut words = Words { seconds: 60, seed: 8414, target: None, input: None };
    while let Some(word) = given.next() {
        let value = given.next().ok_or_else(|| word.clone())?;
        match word.as_str() {
            "--seconds" => words.seconds = value.parse().map_err(|_| value)?,
            "--seed" => words.seed = value.parse().map_err(|_| value)?,
            "--target" if TARGETS.iter().any(|target| target.name == value) => words.target = Some(value),
            "--input" => words.input = Some(value),
            _ => return Err(format!("{word} {value}")),
        }
    }
    Ok(words)
}

/// Tries a target for as long as its share of the time; how many inputs that were, or the first that failed.
#[expect(clippy::disallowed_methods, reason = "how long one fuzzes is a matter of the clock on the wall")]
fn slice(target: &Target, seed: u64, share: Duration) -> Result<usize, String> {
    let begun = Instant::now();
    let mut mutator = Mutator::new(seed, target.seeds());
    let mut tried = 0;
    for input in target.seeds() {
        judge(target, &input)?;
        tried += 1;
    }
    while begun.elapsed() < share {
        for _ in 0..BATCH {
            judge(target, mutator.next(LONGEST))?;
            tried += 1;
        }
    }
    Ok(tried)
}

/// Runs one input; a failure says how to repeat it.
fn judge(target: &Target, input: &[u8]) -> Result<(), String> {
    run(target, input).map_err(|why| {
        let input = escape::write(input);
        format!("{why}\n       repeat with: --target {} --input '{input}'", target.name)
    })
}

fn run(target: &Target, input: &[u8]) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        Ok(verdict) => verdict.map_err(str::to_owned),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("panicked: {}", text.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs tried per target by `cargo test`, beside the corpus itself.
    const MUTATIONS: usize = 300;

    #[test]
    fn the_corpus_and_its_neighbours_hold() {
        for target in TARGETS {
            let seeds = target.seeds();
            assert!(seeds.len() > 1, "{} has no corpus", target.name);
            let mut mutator = Mutator::new(1, seeds.clone());
            for seed in &seeds {
                judge(target, seed).unwrap();
            }
            for _ in 0..MUTATIONS {
                judge(target, mutator.next(LONGEST)).unwrap();
            }
        }
    }

    #[test]
    fn one_seed_goes_one_way() {
        let way = |seed| {
            let mut mutator = Mutator::new(seed, TARGETS[0].seeds());
            (0..50).map(|_| mutator.next(LONGEST).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(way(7), way(7));
        assert_ne!(way(7), way(8));
    }

    #[test]
    fn a_panic_and_a_broken_rule_are_failures() {
        let broken = Target { name: "broken", corpus: "", run: |_| Err("rule") };
        let panicking = Target { name: "panicking", corpus: "", run: |_| panic!("so it is") };
        assert_eq!(run(&broken, b""), Err("rule".to_owned()));
        assert_eq!(run(&panicking, b""), Err("panicked: so it is".to_owned()));
    }
}
