//! The load generator as its users meet it: the real binary, with real peers.

mod bench_peers;
mod page;
mod upstream;
