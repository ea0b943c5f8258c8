//! The WebSocket protocol, without I/O: bytes in, decisions and bytes out.
//!
//! In: the bytes that a peer sent. Out: their meaning, or the exact rule that they break. Two parts, used in this
//! order:
//!
//! - the opening handshake (HTTP): [`head`] finds the end of a head, [`head_check`] refuses one that can never be right, `whole_head` gives a whole one to the parser, [`request`] reads the client's request and [`authority`] its
//!   host, [`certificate_names`] says whether that fits the certificate, [`credential`] finds the key that it presents in its headers and its
//!   [`query`], [`forward`] writes the upstream's request [`forwarded`] finds the client behind trusted proxies, [`via`] recognises a request that comes back, [`response`] verifies the upstream's answer, [`outward`] maps addresses in it, [`body`] is what follows one that is not a 101, [`content`] finds the content of a body in its framing, and [`refusal`] is the answer
//!   to a client that gets no 101. A balancer may send a [`proxy_header`] before the request. [`plain`] is for the few paths that
//!   are answered without a WebSocket, and [`plain_body`] the body of such a request;
//! - frames: [`frame`] reads one header, [`scan`] follows a stream of frames by their headers, [`reader`] also unmasks their
//!   payloads, [`terminated`] is a whole end of a WebSocket, and [`close`], [`mask`] and [`utf8`] serve all of them.
//!
//! Nothing here reads a clock, touches a socket or allocates by a length that a peer declared.

pub mod accept;
pub mod authority;
pub mod body;
pub mod certificate_names;
pub mod close;
pub mod content;
pub mod credential;
pub mod extension;
pub mod forward;
pub mod forwarded;
pub mod frame;
pub mod head;
pub mod head_check;
pub mod mask;
pub mod outward;
pub mod plain;
pub mod plain_body;
pub mod proxy_header;
pub mod query;
pub mod reader;
pub mod refusal;
pub mod request;
pub mod response;
pub mod scan;
pub mod terminated;
pub mod utf8;
pub mod via;
mod violation;
mod whole_head;

pub use violation::Violation;
