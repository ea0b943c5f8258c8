//! The admin API: HTTP and JSON on a listener of its own, a file a resource.
//!
//! In: requests, which [`guard`] has let through. Out: operations of the manager, questions to the shards, and answers
//! in the words of docs/admin-api.md. Nothing here decides what an API may be: that is the rules' affair, and what they say
//! becomes a [`problem`]. It runs on a thread named `admin`, and no shard waits for it.

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

mod etag;
mod extract;
mod guard;
mod page;
pub mod problem;
pub mod server;
mod socket;
pub mod token;
