//! A publisher whose type is forgotten, so that operations need not name it; a reload of the configuration finds it again.

use std::any::Any;
use std::collections::BTreeMap;

use crate::api::{Deployed, DeploymentId, Problems};
use crate::control::publish::{Publisher, Receipt};

/// A publisher, and what it has prepared last.
pub(super) trait Plane: Send {
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems>;

    /// See [`Publisher::prepare_kept`].
    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems>;

    /// Publishes what was prepared last; nothing if that has been done.
    fn publish(&mut self) -> Option<Receipt>;

    /// The publisher itself.
    fn publisher(&mut self) -> &mut dyn Any;
}

pub(super) struct Held<P: Publisher> {
    pub(super) publisher: P,
    pub(super) prepared: Option<P::Prepared>,
}

impl<P: Publisher> Plane for Held<P> {
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepared = None;
        self.prepared = Some(self.publisher.prepare(deployed)?);
        Ok(())
    }

    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepared = None;
        self.prepared = Some(self.publisher.prepare_kept(deployed)?);
        Ok(())
    }

    fn publish(&mut self) -> Option<Receipt> {
        Some(self.publisher.publish(self.prepared.take()?))
    }

    fn publisher(&mut self) -> &mut dyn Any {
        &mut self.publisher
    }
}
