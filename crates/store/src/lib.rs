//! The store contract, SQLite, and the in-memory reference model.
//!
//! [`contract`] says what a store is. [`sqlite`] is the embedded default: one writer that commits what waits
//! together, and a few readers. [`memory`](mod@memory) is the model that the others are compared with in tests.

pub mod audit;
pub mod contract;
pub mod memory;
pub mod sqlite;

pub use audit::Salts;
pub use contract::{
    Answer, ArrivalAsk, BrowserAsk, Commit, CommitError, Committed, CutFollower, Store, StoreError, Swept,
};
pub use memory::{Memory, memory};
pub use sqlite::Sqlite;
