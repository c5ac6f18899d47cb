//! The store contract, SQLite, and the in-memory reference model.
