//! Real processes: written next.

fn main() {}
