//! Any bytes as an upstream's answer, and what is sent to the client for it.

#![no_main]

#[allow(dead_code, reason = "each target runs one of the invariants")]
#[path = "../../it/fuzz_invariants.rs"]
mod fuzz_invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_invariants::response(bytes);
});
