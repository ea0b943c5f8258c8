//! Any bytes as what a balancer says of its client, cut in any way.

#![no_main]

#[allow(dead_code, reason = "each target runs one of the invariants")]
#[path = "../../it/harness/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::proxy_header(bytes);
});
