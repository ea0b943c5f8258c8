//! Any bytes as what the peer of a WebSocket that ends here sends, cut in any way.

#![no_main]

#[allow(dead_code, reason = "each target runs one of the invariants")]
#[path = "../../it/harness/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::websocket(bytes);
});
