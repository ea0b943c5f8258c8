//! The load generator as its users meet it: the real binary, with real peers.

mod harness;

mod bench_peers;
mod checking;
mod options;
mod pacing;
mod page;
mod signals;
mod thresholds;
mod unreachable;
