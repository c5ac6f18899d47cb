//! What ARCHITECTURE.md says of the rooms, read from the manifests and the sources.

mod manifest;
mod source;

/// A rule: its name, and what breaks it (nothing when it holds).
pub(crate) type Check = (&'static str, fn() -> Vec<String>);

/// Every rule of the rooms.
pub(crate) const CHECKS: &[Check] = &[
    ("arrows between rooms", manifest::arrows),
    ("what a room must not know", manifest::absences),
    ("lints come from the workspace", manifest::lints),
    ("no ring, no OpenSSL", manifest::crypto),
    ("rooms of ARCHITECTURE.md exist", manifest::described),
    ("no file beyond the wall", source::wall),
    ("clock and entropy in two files", source::clock_and_entropy),
    ("docs/threats.md names what is there", source::threats),
    ("rules are not async", source::rules_are_plain),
];

#[cfg(test)]
mod tests {
    /// One test over all rules, so that the message names each that is broken.
    #[test]
    fn the_rooms_are_as_architecture_md_says() {
        let faults: Vec<String> = super::CHECKS
            .iter()
            .flat_map(|(rule, check)| check().into_iter().map(move |fault| format!("{rule}: {fault}")))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
