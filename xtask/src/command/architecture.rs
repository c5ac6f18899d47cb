//! `cargo xtask architecture`: the rooms are as ARCHITECTURE.md says.

use crate::architecture::CHECKS;
use crate::step::Steps;
use crate::tally::Tally;

/// Every rule of the rooms, each a check of its own.
pub(crate) fn add(steps: &mut Steps) {
    steps.step("architecture", || {
        CHECKS.iter().fold(Tally::default(), |all, (rule, check)| {
            let faults = check();
            for fault in &faults {
                println!("{rule}: {fault}");
            }
            all.and(Tally::one(faults.is_empty()))
        })
    });
}
