//! Slots of the table of routes.

/// The place of a route in a shard's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::proxy) struct RouteSlot(pub(super) u32);

impl RouteSlot {
    /// The slot of connections that have no route, or none yet.
    pub(in crate::proxy) const NONE: Self = Self(0);
}

/// A set of slots. Each connection is asked whether its own is among them.
#[derive(Debug, Default)]
pub(in crate::proxy) struct SlotSet(Vec<bool>);

impl FromIterator<RouteSlot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = RouteSlot>>(slots: I) -> Self {
        let mut set = Vec::new();
        for RouteSlot(index) in slots {
            let index = index as usize;
            if set.len() <= index {
                set.resize(index.saturating_add(1), false);
            }
            if let Some(member) = set.get_mut(index) {
                *member = true;
            }
        }
        Self(set)
    }
}

impl SlotSet {
    pub(in crate::proxy) fn has(&self, RouteSlot(index): RouteSlot) -> bool {
        self.0.get(index as usize).copied().unwrap_or(false)
    }

    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
