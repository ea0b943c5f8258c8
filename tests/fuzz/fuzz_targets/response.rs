//! Any bytes as an upstream's answer, and what is sent to the client for it.

#![no_main]

#[allow(dead_code, reason = "each target runs one of the invariants")]
#[path = "../../it/harness/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::response(bytes);
});
