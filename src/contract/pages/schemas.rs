//! A page of schemas that several places use.

use askama::Template;

use super::head::Head;
use super::room::Room;
use super::schema::{Rower, table};
use super::{PageName, Site, atlas, words};

#[derive(Template)]
#[template(path = "contract/schemas.html")]
struct Page {
    head: Head,
    schemas: Vec<Shown>,
    left_out: usize,
}

/// A schema on its page.
struct Shown {
    anchor: String,
    name: String,
    key: String,
    /// HTML, escaped where it was drawn.
    rows: String,
}

/// Draws a page of schemas.
pub(super) fn draw<'m>(
    site: &Site<'_>,
    position: usize,
    schemas: impl Iterator<Item = (&'m str, String)>,
) -> Result<String, askama::Error> {
    let mut room = Room::default();
    let (mut shown, mut left_out) = (Vec::new(), 0_usize);
    for (key, anchor) in schemas {
        let Some(schema) = site.atlas.schema(key).filter(|_| !room.is_full()) else {
            left_out = left_out.saturating_add(1);
            continue;
        };
        let name = atlas::label(key);
        let row = Rower { atlas: &site.atlas, room: &mut room }.row(&name, schema, 0);
        shown.push(Shown { anchor, name, key: words::name(key), rows: table(&[row])? });
    }
    let heading = format!("Schemas, page {}", position.saturating_add(1));
    Page { head: Head::new(site, PageName::Schemas(position), heading), schemas: shown, left_out }.render()
}
