//! The door, in front of a server in this very process, with every port in the hands of the test.

mod calls;
mod client_word;
mod handles;
mod lists;
mod many;
mod person;
mod real;
mod streams;
mod world;
