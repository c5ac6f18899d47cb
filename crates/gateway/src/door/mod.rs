//! The door in front of an MCP server: it lets agents in, judges every message, asks people, counts, writes down, and
//! carries the answer back with what this agent may see of it.
//!
//! One straight path for every request, whatever its revision of the protocol: the guard proves who calls; the message is
//! read once, strictly; the policy says where it stands; budgets count it; a person or the client confirms it where
//! that is asked for; then the very bytes that were judged go on. What callers carry for the server (session names,
//! request states, task ids, event ids) is sealed for them on the way down and opened on the way up, so that it is worth
//! nothing to anybody else. What is not ours to change keeps its bytes.

mod ask;
mod bounds;
mod call;
mod confirm;
mod core;
mod down;
mod forward;
mod handles;
mod held;
mod lister;
mod note;
mod places;
mod questions;
mod read;
mod refusal;
mod relay;
mod service;
mod session;
mod settings;
mod tools;
mod up;
mod upstream;
mod visit;
mod who;

pub use self::bounds::{ANSWER_BODY, ANSWERS_HELD, EVENT, IN_FLIGHT_PER_AGENT, QUESTIONS, STREAMS_PER_AGENT};
pub use self::service::{Door, DoorLayer};
pub use self::settings::{DoorSettings, Groups};
pub use self::who::{AgentKey, Internal, agent_key};
