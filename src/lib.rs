//! Ringway, a WebSocket API proxy: the crate's map, in the order data flows.
//!
//! A client's connection comes in through [`engine`], which knows sockets and time and nothing of WebSocket. [`proxy`]
//! takes it through its stages, over [`tls`] if the listener speaks TLS. [`proto`] reads and writes the protocol, and
//! [`routing`] chooses the target. [`config`] turns the operator's file into settings, [`api`] has the model of APIs
//! and its rules, [`control`] keeps APIs and publishes changes to the shards, [`declare`] compares YAML documents with
//! the APIs that a node has, [`contract`] reads AsyncAPI documents, and [`command`] is the language between both planes. [`node`] wires all of them in one
//! process, and [`cli`] is the command line. Every folder may use `invariant`: it reads values that the code around them
//! guarantees, without a panic in a release build.

// No input may cause a panic: in a release build a panic ends the process, and with it every connection.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic,
        clippy::disallowed_methods
    )
)]

pub mod api;
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a command serves one person, who sees its panic"
)]
pub mod cli;
pub mod command;
pub mod config;
pub mod contract;
pub mod control;
pub mod declare;
pub mod engine;
mod invariant;
pub mod node;
pub mod proto;
pub mod proxy;
pub mod routing;
pub mod tls;
