//! Any bytes as a message of a contract, in both directions.

#![no_main]

#[path = "../../it/harness/messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    messages::message(bytes);
});
