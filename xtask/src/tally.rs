//! What passed and what failed, counted from what the steps themselves say.

/// Checks that passed and checks that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Checks that held.
    pub(crate) passed: usize,
    /// Checks that did not.
    pub(crate) failed: usize,
}

impl Tally {
    /// One check.
    pub(crate) fn one(held: bool) -> Self {
        Self { passed: usize::from(held), failed: usize::from(!held) }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Reads one line of a step's output: `test result: ok. 3 passed; 0 failed; …` as Cargo's test harness
    /// says it, or `3 passed, 0 failed` alone on its line as our own programs do.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (line, between) = match line.strip_prefix("test result: ") {
            Some(rest) => (rest.split_once(". ")?.1, "; "),
            None => (line.trim(), ", "),
        };
        let (passed, rest) = line.split_once(" passed")?;
        let rest = rest.strip_prefix(between)?;
        let (failed, after) = rest.split_once(" failed")?;
        if between == ", " && !after.is_empty() {
            return None;
        }
        Some(Self { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn only_summaries_are_counted() {
        let told = |passed, failed| Some(Tally { passed, failed });
        for (line, expected) in [
            ("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", told(12, 0)),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored", told(3, 2)),
            ("41 passed, 1 failed", told(41, 1)),
            ("41 passed, 1 failed in all", None),
            ("test t_iss ... ok", None),
            ("passed, failed", None),
        ] {
            assert_eq!(Tally::of_line(line), expected, "{line}");
        }
    }
}
