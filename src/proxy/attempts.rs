//! The addresses of one endpoint, as one dial goes through them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::routing::addresses::AddressList;

/// The addresses of the current endpoint, loaded when its turn came: a change counts from the next dial.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    list: Arc<AddressList>,
    /// The index of the address that is tried first; the others follow in their order.
    first: usize,
    /// The number of addresses that have been tried.
    tried: usize,
}

impl Attempts {
    pub(super) fn new(list: Arc<AddressList>) -> Self {
        Self { first: list.first(), list, tried: 0 }
    }

    /// Moves on to the next address.
    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        let next = self.address(self.tried)?;
        self.tried = self.tried.saturating_add(1);
        Some(next)
    }

    /// The address that is tried.
    pub(super) fn current(&self) -> Option<SocketAddr> {
        self.address(self.tried.checked_sub(1)?)
    }

    /// `true` if the address that is tried is the endpoint's first.
    pub(super) fn is_first(&self) -> bool {
        self.tried == 1
    }

    /// The number of addresses that have not been tried.
    pub(super) fn left(&self) -> usize {
        self.list.addresses().len().saturating_sub(self.tried)
    }

    /// The address that comes after `tried` others.
    fn address(&self, tried: usize) -> Option<SocketAddr> {
        let index = match tried.checked_sub(1) {
            None => self.first,
            Some(before) if before < self.first => before,
            Some(_) => tried,
        };
        self.list.addresses().get(index).copied()
    }
}
