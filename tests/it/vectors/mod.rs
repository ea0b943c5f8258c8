//! Tests of the pure parts: named byte sequences, references that read a second time, and the committed fuzz corpora.

mod fuzz_corpus;
mod handshake;
mod route_properties;
mod scanner;
