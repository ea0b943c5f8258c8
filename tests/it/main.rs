//! Ringway's integration tests: one binary. What speaks to the real process says so in its file's first lines; the
//! rest drives the library's public parts with what no unit test can hold.

mod harness;

mod apis;
mod cli;
mod closing;
mod config_file;
mod dead_peers;
mod deadlines;
mod descriptors;
mod documentation;
mod documented_model;
mod forwarding;
mod fuzz_corpus;
mod fuzz_invariants;
mod handshake_vectors;
mod journal;
mod many_names;
mod names;
mod pressure;
mod proxy_protocol;
mod refusals;
mod relay;
mod reload;
mod ring;
mod route_properties;
mod route_reference;
mod scanner_reference;
mod serve;
mod shutdown;
mod sockstat;
mod store;
mod tls_downstream;
mod tls_endings;
mod tls_files;
mod tls_peers;
mod tls_records;
mod tls_reload;
mod tls_upstream;
mod ws_tls;
