//! `cargo xtask ledger`: every requirement names its test, and the test exists.

use crate::ledger;
use crate::step::Steps;
use crate::tally::Tally;

/// Reads `spec/` and says what does not hold; each row is a check.
pub(crate) fn add(steps: &mut Steps) {
    steps.step("ledger", || {
        let report = ledger::check();
        for note in &report.notes {
            println!("{note}");
        }
        for fault in &report.faults {
            println!("fault: {fault}");
        }
        Tally { passed: report.rows.saturating_sub(report.faults.len()), failed: report.faults.len() }
    });
}
