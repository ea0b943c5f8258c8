//! Any bytes as a contract: YAML, JSON or a zip archive.

#![no_main]

#[path = "../../it/harness/contracts.rs"]
mod contracts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    contracts::contract(bytes);
});
