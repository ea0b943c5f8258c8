//! The scope of the role `room-publisher`: the APIs, rooms, rate and connections of a backend that pushes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::key::ApiKey;
use crate::api::problem::{Fault, Faults, Problems};

/// The most APIs, and the most rooms, of one scope.
pub const MAX_ITEMS: usize = 32;
/// The most characters of a room's name or pattern.
pub const MAX_ROOM_CHARS: usize = 128;
/// The most messages a second, and the most connections, of one scope.
pub const MAX_RATE: u32 = 1_000_000;
/// The most connections of one scope.
pub const MAX_CONNECTIONS: u32 = 10_000;

/// The scope of the role `room-publisher`. It is kept and shown; rooms themselves do not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomScope {
    /// The APIs whose rooms the identity may publish to: `project/identifier:version`.
    #[schema(min_items = 1, max_items = 32)]
    pub apis: Vec<String>,
    /// The rooms: names, or patterns that end with `*`.
    #[schema(min_items = 1, max_items = 32)]
    pub rooms: Vec<String>,
    /// The most messages a second.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub messages_per_second: u32,
    /// The most connections at one time.
    #[schema(minimum = 1, maximum = 10_000)]
    pub connections: u32,
}

impl RoomScope {
    /// Adds the rules that the scope breaks.
    pub fn check(&self, field: &str, faults: &mut Faults) {
        for (name, items) in [("apis", &self.apis), ("rooms", &self.rooms)] {
            if items.is_empty() || items.len() > MAX_ITEMS {
                let why = format!("it must have 1 to {MAX_ITEMS} items, and has {}", items.len());
                faults.add(format!("{field}.{name}"), Fault::new("length", why));
            }
        }
        for (at, api) in self.apis.iter().enumerate() {
            let read = api.parse::<ApiKey>().map_err(|problems: Problems| Fault::new("api", problems.detail));
            faults.keep(format!("{field}.apis[{at}]"), read);
        }
        for (at, room) in self.rooms.iter().enumerate() {
            faults.keep(format!("{field}.rooms[{at}]"), check_room(room));
        }
        for (name, value, most) in [
            ("messages_per_second", self.messages_per_second, MAX_RATE),
            ("connections", self.connections, MAX_CONNECTIONS),
        ] {
            if !(1..=most).contains(&value) {
                faults.add(format!("{field}.{name}"), Fault::new("range", format!("it must be from 1 to {most}")));
            }
        }
    }
}

fn check_room(room: &str) -> Result<(), Fault> {
    if room.is_empty() || room.len() > MAX_ROOM_CHARS {
        return Err(Fault::new("length", format!("it must have 1 to {MAX_ROOM_CHARS} characters")));
    }
    if !room.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::new("characters", "it may hold visible ASCII characters only"));
    }
    if room.trim_end_matches('*').contains('*') || room.ends_with("**") {
        return Err(Fault::new("pattern", "a `*` may stand once, at the end"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RoomScope;
    use crate::api::problem::Faults;

    fn faults(change: impl FnOnce(&mut RoomScope)) -> Vec<(String, String)> {
        let mut scope = RoomScope {
            apis: vec!["default/chat:1.0".to_owned()],
            rooms: vec!["lobby".to_owned(), "news/*".to_owned()],
            messages_per_second: 10,
            connections: 2,
        };
        change(&mut scope);
        let mut faults = Faults::default();
        scope.check("room_scope", &mut faults);
        let errors = faults.none().err().map(|problems| problems.errors).unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.rule)).collect()
    }

    #[test]
    fn a_scope_is_bounded() {
        assert_eq!(faults(|_| ()), []);
        let one = |field: &str, rule: &str| vec![(format!("room_scope.{field}"), rule.to_owned())];
        assert_eq!(faults(|scope| scope.apis.clear()), one("apis", "length"));
        assert_eq!(faults(|scope| scope.apis = vec!["chat".to_owned()]), one("apis[0]", "api"));
        assert_eq!(faults(|scope| scope.rooms = vec!["a".to_owned(); 33]), one("rooms", "length"));
        for (room, rule) in [("", "length"), ("a b", "characters"), ("a*b", "pattern"), ("a**", "pattern")] {
            assert_eq!(faults(|scope| scope.rooms = vec![room.to_owned()]), one("rooms[0]", rule), "{room}");
        }
        assert_eq!(faults(|scope| scope.messages_per_second = 0), one("messages_per_second", "range"));
        assert_eq!(faults(|scope| scope.connections = 10_001), one("connections", "range"));
    }
}
