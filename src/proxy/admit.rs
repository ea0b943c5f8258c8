//! Decides whether a route takes a request. A pure step between routing and forwarding: it sends nothing and waits for
//! nothing.

use std::sync::Arc;

use crate::proto::refusal::Refusal;
use crate::routing::consumer::Consumer;
use crate::routing::route::Route;

/// A request that its route takes.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The consumer that the request was authenticated as; `None` for an anonymous one.
    pub(super) consumer: Option<Arc<Consumer>>,
}

/// Admits a request to its route.
///
/// # Errors
/// The refusal for the client: the route is blocked or stopped.
pub(super) fn admit(route: &Route) -> Result<Admitted, Refusal> {
    match route.gate.refusal() {
        Some(refusal) => Err(refusal),
        None => Ok(Admitted { consumer: None }),
    }
}
