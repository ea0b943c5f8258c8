//! Configuration: flags and files, turned into what the program runs.
//!
//! In: flags, or a file ([`mod@file`]). Out: limits, policies, TLS files and environments, checked as a whole; or errors that
//! name the option, its place in the file, the fault and a correct value. This folder opens files and must never open a
//! socket.

pub mod contract_source;
pub mod file;
pub mod limits;
pub mod log;
pub mod policy_table;
mod scalar;
pub mod tls;
pub mod units;
