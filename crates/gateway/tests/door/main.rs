//! The door, in front of a server in this very process, with every port in the hands of the test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here is the test")]

mod calls;
mod client_word;
mod handles;
mod lists;
mod many;
mod person;
mod real;
mod streams;
mod world;
