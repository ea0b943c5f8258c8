//! The scope of the role `room-publisher` as options, and as it is shown.

use crate::api::identity::RoomScope;
use crate::cli::Failure;
use crate::cli::api::reference::Reference;
use crate::cli::client::Client;
use crate::cli::output::list_cell;
use crate::config::units::number;

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Scope of the role room-publisher")]
pub(super) struct RoomScopeArgs {
    /// API whose rooms it may publish to; may be repeated
    #[arg(long, value_name = "REF")]
    room_api: Vec<Reference>,
    /// Name of a room, or a pattern that ends with `*`; may be repeated
    #[arg(long, value_name = "ROOM", requires = "room_api")]
    room: Vec<String>,
    /// Most messages a second
    #[arg(long, value_name = "COUNT", value_parser = number::<u32>, requires = "room_api", default_value_t = 100)]
    room_rate: u32,
    /// Most connections at one time
    #[arg(long, value_name = "COUNT", value_parser = number::<u32>, requires = "room_api", default_value_t = 4)]
    room_connections: u32,
}

impl RoomScopeArgs {
    /// The scope; `None` if no API is given. Asks the node for the full keys of APIs.
    pub(super) fn scope(&self, client: &Client) -> Result<Option<RoomScope>, Failure> {
        if self.room_api.is_empty() {
            return Ok(None);
        }
        let keys = self.room_api.iter().map(|api| api.key(client).map(|key| key.to_string()));
        Ok(Some(RoomScope {
            apis: keys.collect::<Result<_, _>>()?,
            rooms: if self.room.is_empty() { vec!["*".to_owned()] } else { self.room.clone() },
            messages_per_second: self.room_rate,
            connections: self.room_connections,
        }))
    }
}

/// The scope as lines of a table.
pub(super) fn rows(scope: &RoomScope) -> [(&'static str, String); 4] {
    [
        ("room APIs", list_cell(&scope.apis)),
        ("rooms", list_cell(&scope.rooms)),
        ("room rate", format!("{} messages/s", scope.messages_per_second)),
        ("room connections", scope.connections.to_string()),
    ]
}
