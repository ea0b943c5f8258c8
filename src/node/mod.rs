//! The process: the one place that knows both planes, and wires them.
//!
//! In: plain options, a configuration file, the state directory, signals. Out: shards that serve ([`running`]), a control
//! plane that changes what they serve, a log, and in the end how the process went down ([`Shutdown`]). A node with APIs is
//! in [`serve`], a proxy or an echo without files in [`single_target`]. Both look at the host ([`capacity`]), listen
//! ([`listen`]), hear signals ([`events`]), start the shards, announce themselves ([`announce`]), serve, and drain.
//!
//! Nothing here knows the command line or exit codes, and nothing but the command line imports this.

mod access_log;
mod addresses;
pub(crate) mod announce;
mod capacity;
mod control_plane;
mod data_plane;
mod declared;
mod error;
pub mod events;
mod log;
mod reload;
mod running;
pub mod serve;
pub mod signals;
pub(crate) mod single_target;
mod state;

pub use self::error::NodeError;

/// The end of a process that served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// All connections were closed, or the time to drain was over.
    Drained,
    /// A second signal ended the process while connections were open.
    Forced,
}
