//! Membership of rooms. Users fill rooms in the order in which they join; the first room with a free place is used.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use ringway::engine::Slot;

/// The rooms of a chat. An empty room is kept, as in the reference sample, and filled again.
#[derive(Debug)]
pub(super) struct Rooms {
    /// Users that fit into one room; any number if `None`.
    size: Option<NonZeroU32>,
    rooms: Vec<Vec<Slot>>,
    /// Rooms with a free place.
    free: BTreeSet<usize>,
    users: usize,
}

impl Rooms {
    pub(super) fn new(size: Option<NonZeroU32>) -> Self {
        Self { size, rooms: Vec::new(), free: BTreeSet::new(), users: 0 }
    }

    pub(super) fn size(&self) -> Option<NonZeroU32> {
        self.size
    }

    /// Users in all rooms.
    pub(super) fn users(&self) -> usize {
        self.users
    }

    /// The members of a room.
    pub(super) fn members(&self, room: usize) -> &[Slot] {
        self.rooms.get(room).map_or(&[], Vec::as_slice)
    }

    /// Adds a user to a room with a free place, and returns the room's index.
    pub(super) fn join(&mut self, user: Slot) -> usize {
        let room = self.free.first().copied().unwrap_or(self.rooms.len());
        if room == self.rooms.len() {
            self.rooms.push(Vec::new());
        }
        self.users = self.users.saturating_add(1);
        if let Some(members) = self.rooms.get_mut(room) {
            members.push(user);
            let is_full = self.size.is_some_and(|size| members.len() >= size.get() as usize);
            if is_full {
                self.free.remove(&room)
            } else {
                self.free.insert(room)
            };
        }
        room
    }

    /// Removes a user from a room.
    pub(super) fn leave(&mut self, user: Slot, room: usize) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        let Some(place) = members.iter().position(|member| *member == user) else { return };
        members.remove(place);
        self.free.insert(room);
        self.users = self.users.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{NonZeroU32, Rooms, Slot};

    #[test]
    fn the_first_room_with_a_free_place_is_filled() {
        let mut rooms = Rooms::new(NonZeroU32::new(2));
        let placed: Vec<usize> = (0..5).map(|user| rooms.join(Slot(user))).collect();
        assert_eq!(placed, [0, 0, 1, 1, 2]);
        rooms.leave(Slot(3), 1);
        rooms.leave(Slot(0), 0);
        assert_eq!((rooms.join(Slot(9)), rooms.join(Slot(8)), rooms.join(Slot(7))), (0, 1, 2));
        assert_eq!((rooms.members(0), rooms.users()), (&[Slot(1), Slot(9)][..], 6));
    }

    #[test]
    fn a_room_for_all_is_never_full() {
        let mut rooms = Rooms::new(None);
        assert!((0..1000).all(|user| rooms.join(Slot(user)) == 0));
        rooms.leave(Slot(4), 0);
        rooms.leave(Slot(4), 0);
        assert_eq!((rooms.users(), rooms.join(Slot(4))), (999, 0));
    }
}
