//! The load generator as its users meet it: the real binary, with real peers.

mod harness;

mod bench_peers;
mod checking;
mod handshake;
mod options;
mod outputs;
mod own_messages;
mod pacing;
mod page;
mod scenarios;
mod signals;
mod sizes;
mod sources;
mod thresholds;
mod tls;
mod trouble;
mod unreachable;
mod upstream;
