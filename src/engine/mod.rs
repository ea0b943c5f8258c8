//! A shard's loop: ring, readiness, sockets, deadlines and wake-ups.
//!
//! In: listeners, a [`Service`], commands from the control plane, mail from the process's other shards. Out: calls of
//! the service, which works through a [`Transport`]. The engine knows nothing of WebSocket; a service cannot tell that
//! there is a ring.
//!
//! [`host`] starts one `shard` a CPU on glommio's executors. A shard sleeps in its own `ring`, which says "ready"
//! and no more: no buffer is ever lent to the kernel, so nothing a connection owns can outlive it there. What became
//! ready is stepped in turn, each step with a budget.
//!
//! All of the crate's unsafe code is here, in `ring` and `sys`. Nothing here allocates for a message, blocks but
//! in the ring, or takes a lock on a message's path.

pub mod background;
mod cgroup;
pub mod fault;
pub mod host;
pub mod keepalive;
pub mod listener;
pub mod mailbox;
mod net;
pub mod outbox;
pub mod plan;
pub mod pool;
pub mod preflight;
mod ring;
mod shard;
pub mod slab;
pub mod socket_options;
mod sockets;
mod sys;
pub mod time;
pub mod transport;
pub mod wheel;

pub use fault::{Fault, TlsFault};
pub use time::Time;
pub use transport::{Figures, Next, Received, Sent, Service, Slot, Socket, Transport};
