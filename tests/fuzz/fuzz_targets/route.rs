//! Any bytes as the host and the path that a client asks for.

#![no_main]

#[allow(dead_code, reason = "the target runs on a fixed site")]
#[path = "../../it/harness/routes.rs"]
mod routes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    routes::find(bytes);
});
