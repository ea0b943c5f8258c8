//! Tests of TLS on both sides of the real process.

mod downstream;
mod endings;
mod files;
mod peers;
pub(crate) mod records;
mod reload;
mod upstream;
mod ws;
