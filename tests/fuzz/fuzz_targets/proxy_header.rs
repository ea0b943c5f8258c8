//! Any bytes as what a balancer says of its client, cut in any way.

#![no_main]

#[allow(dead_code, reason = "each target runs one of the invariants")]
#[path = "../../it/fuzz_invariants.rs"]
mod fuzz_invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_invariants::proxy_header(bytes);
});
