//! The index of what one can do.
fn main() {}
