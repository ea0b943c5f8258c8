//! A set of places in the table of routes.

use super::RouteSlot;

/// Places, to be asked of each connection whether its own is among them.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Places(Vec<bool>);

impl FromIterator<RouteSlot> for Places {
    fn from_iter<I: IntoIterator<Item = RouteSlot>>(slots: I) -> Self {
        let mut places = Vec::new();
        for RouteSlot(index) in slots {
            let index = index as usize;
            if places.len() <= index {
                places.resize(index.saturating_add(1), false);
            }
            if let Some(place) = places.get_mut(index) {
                *place = true;
            }
        }
        Self(places)
    }
}

impl Places {
    pub(in crate::proxy) fn has(&self, RouteSlot(index): RouteSlot) -> bool {
        self.0.get(index as usize).copied().unwrap_or(false)
    }

    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
