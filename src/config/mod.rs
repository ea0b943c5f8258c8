//! What the operator wrote, turned into what the program runs.
//!
//! In: flags, or a file ([`mod@file`]). Out: limits, files of TLS, environments, checked as a whole; or an error that names the
//! option, where it stands, what is wrong with it and what would be right. It opens files, and no socket.

pub mod file;
pub mod limits;
pub mod log;
mod scalar;
pub mod tls;
pub mod units;
