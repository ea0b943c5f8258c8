//! Keys, certificates and origins decide who may connect: on a real shard with real sockets, in plain text and with TLS.

mod live;
mod origins;
mod places;
mod refusals;
mod secrets;
mod set_up;
