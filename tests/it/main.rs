//! Ringway's integration tests: one binary. What speaks to the real process says so in its file's first lines; the
//! rest drives the library's public parts with what no unit test can hold.
//!
//! Test modules import nothing from each other: whatever two of them need is in [`harness`].

mod auth;
mod cli;
mod docs;
mod engine;
mod harness;
mod node;
mod relay;
mod street;
mod tls;
mod vectors;
