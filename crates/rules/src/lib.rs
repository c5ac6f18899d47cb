//! The decisions of the authorization server, as plain functions of a request, facts, fresh entropy and `now`.
//!
//! A rule has no I/O, no clock and nothing asynchronous. It answers with a [`Verdict`](verdict::Verdict): an
//! outcome, what to write, and what must still hold when it is written. A refusal can carry writes too.

pub mod approve;
pub mod audit;
pub mod authorize;
pub mod budget;
mod canonical;
pub mod catalog;
pub mod code;
pub mod consent;
#[cfg(test)]
mod disable_tests;
pub mod event;
pub mod facts;
pub mod federation;
pub mod groups;
pub mod machine;
pub mod manage;
pub mod model;
pub mod people;
pub mod personal;
pub mod proof;
pub mod refresh;
pub mod refusal;
pub mod register;
pub mod revoke;
#[cfg(test)]
mod samples;
pub mod settings;
pub mod tools;
pub mod verdict;
pub mod want;
