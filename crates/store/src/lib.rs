//! The store contract, SQLite, and the in-memory reference model.
//!
//! [`contract`] says what a store is. [`sqlite`] is the embedded default: one writer that commits what waits
//! together, and a few readers. [`memory`] is the model that the others are compared with in tests.

pub mod contract;

pub use contract::{Answer, BrowserAsk, Commit, CommitError, Committed, Store, StoreError, Swept};
