//! The store: SQLite, on a thread of its own.
