//! What is printed: a line a measurement, and how it stands to its goal.

use crate::load::Came;

/// Measurements so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Says what comes.
    pub(crate) fn begin(&self) {
        println!("{:<44} {:>12} {:>14}  beside the bare route, goal", "", "a second", "CPU µs each");
    }

    /// A load, beside the cost of the bare route. Fails when an answer was not the expected one.
    pub(crate) fn load(&mut self, name: &str, came: &Came, note: &str) {
        println!("{name:<44} {:>12.0} {:>14.1}  {note}", came.rate(), came.cost());
        self.check(came.other.is_none() && came.answered > 0);
        if let Some((count, first)) = &came.other {
            println!("    {count} other answers; the first: {first}");
        }
    }

    /// A figure in words.
    pub(crate) fn figure(&mut self, name: &str, figure: &str, held: bool) {
        println!("{name:<44} {figure}");
        self.check(held);
    }

    fn check(&mut self, held: bool) {
        if held {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Says how many measurements could be made; whether all could.
    pub(crate) fn end(&self) -> bool {
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}

/// How a figure stands to its goal.
pub(crate) fn goal(met: bool, text: &str) -> String {
    format!("goal {text}: {}", if met { "met" } else { "missed" })
}
