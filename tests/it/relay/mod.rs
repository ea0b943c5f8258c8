//! Tests of the relay: `ringway proxy` between a client and an upstream whose bytes the test chooses.

mod breaches;
mod closing;
mod dead_peers;
mod deadlines;
mod descriptors;
mod forwarding;
mod health;
mod http_first;
mod loops;
mod messages;
mod pressure;
mod proxy_protocol;
mod reconnecting;
mod refusals;
mod ring;
mod shutdown;
mod sockstat;
mod trusted;
