//! Everything in one process, to try it.

mod chat;
