//! WebSockets on tokio: the protocol of `proto::terminated` on a stream that tokio drives, and the upgrade of an HTTP
//! request to one.
//!
//! In: a stream whose opening handshake is over, or a request that asks for the handshake. Out: whole messages, and how the
//! connection ended. A message is bounded by the owner's limit, and so is what waits to be sent: one message and two
//! control frames. The folder lies in `control` because the control plane must not import `proxy`; the command line uses it
//! too. A shard never does.

mod stream;
#[cfg(test)]
mod tests;
mod upgrade;

pub use stream::{Bounds, Incoming, WebSocketStream};
pub use upgrade::{Upgrade, Upgraded};
