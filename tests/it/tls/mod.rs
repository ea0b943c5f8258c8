//! Tests of TLS on both sides of the real process.

mod downstream;
mod endings;
mod files;
mod peers;
mod pinned;
mod record_size;
mod records;
mod reload;
mod upstream;
mod ws;
