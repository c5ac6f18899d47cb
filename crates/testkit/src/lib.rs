//! Tests only: a real server on a free port, a hand-moved clock, seeded entropy, honest and dishonest clients.
//!
//! [`World`] is the server: the same endpoints, pages and guards an owner runs, over SQLite in a directory of its own,
//! reached through real sockets. [`Ask`] and [`Answer`] are one exchange with control of every header; [`Browser`]
//! keeps cookies and answers our pages' forms; [`HonestClient`] goes the whole way from discovery to a refresh;
//! [`forge`] holds what a dishonest one tries.
//!
//! Every exchange is watched: a secret that stands in an error's headers or body fails the test at once, and one that
//! stands in a log line fails it when the world ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests only: what cannot go on must stop, and say where"
)]

mod ask;
mod behind;
mod browser;
mod canary;
mod client;
mod clock;
mod entropy;
pub mod forge;
mod html;
mod net;
mod world;

pub use ask::{Answer, Ask, Challenge, encode};
pub use behind::Behind;
pub use browser::{Browser, Page};
pub use client::{Code, HonestClient, LOOPBACK, Tokens, WEB, authorization, challenge, claims};
pub use clock::HandClock;
pub use entropy::{Seeded, salts};
pub use html::{Field, Form};
pub use net::Net;
pub use world::{Builder, PASSWORD, Seen, World};
