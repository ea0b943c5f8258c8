//! What goes on beside the data plane, on threads of its own: names are resolved, files are watched.
//!
//! In: what the operator configured, files, answers of DNS servers. Out: addresses and certificates, ready to use, handed
//! to the shards as data. It may wait and block, because no shard waits for it; it never touches a connection.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod names;
