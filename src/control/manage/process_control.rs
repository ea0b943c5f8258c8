//! The process beside its shards, as a change of the node reaches it.

use std::sync::Arc;

use crate::config::file::Configuration;

/// The parts of the process that a change reaches besides its shards. The store's thread calls these methods: they must not
/// wait for it.
pub trait ProcessControl: Send + 'static {
    /// Makes the rest of a configuration active, once the shards have been sent their part.
    ///
    /// # Errors
    /// A part could not be made active; the others are.
    fn configure(&mut self, configuration: &Arc<Configuration>) -> Result<(), String>;

    /// Has certificates and keys read again.
    fn reload_certificates(&mut self);
}
