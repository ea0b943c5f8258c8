//! The process: starts both planes and wires them together.
//!
//! In: plain options, a configuration file, the state directory, signals. Out: shards that serve (`running`), a control
//! plane that changes what they serve (`control_plane`), a log, and at the end how the process ended ([`Shutdown`]). A node
//! with APIs is in [`serve`], a proxy or an echo without files in `single_target`. Both check the host (`capacity`), listen
//! and start the shards (`data_plane`), wait for signals ([`events`]), print their addresses (`announce`), serve, and drain.
//!
//! Nothing here knows the command line or exit codes. Inside the crate only [`crate::cli`] may import this folder. Other
//! programs use its public part: a program that embeds a node takes the phases of [`serve`], the load generator [`signals`].

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
mod log_text;
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
