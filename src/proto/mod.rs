//! The protocol, without I/O: bytes in, decisions and bytes out.
//!
//! In: what a peer sent. Out: what it means, or the exact rule it broke. Two parts, used in this order:
//!
//! - the opening handshake (HTTP): [`head`] finds where a head ends, [`request`] reads the client's, [`forward`] writes
//!   the upstream's, [`response`] verifies its answer, [`refusal`] is what a client gets instead of a 101; before it there
//!   may stand a [`proxy_header`];
//! - frames: [`frame`] reads one header, [`scan`] follows a stream of them, [`reader`] hands out their payloads,
//!   [`terminated`] is a whole end of a WebSocket; [`close`], [`mask`] and [`utf8`] serve them all.
//!
//! Nothing here reads a clock, touches a socket or allocates by a length that a peer declared.

pub mod accept;
pub mod authority;
pub mod close;
pub mod extension;
pub mod forward;
pub mod frame;
pub mod head;
pub mod mask;
pub mod proxy_header;
pub mod reader;
pub mod refusal;
pub mod request;
pub mod response;
pub mod scan;
pub mod terminated;
pub mod utf8;
mod violation;

pub use violation::Violation;
