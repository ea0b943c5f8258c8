//! A message with its payload and its examples.

use super::head::Link;
use super::room::Room;
use super::schema::{Rower, table};
use super::{Site, words};
use crate::contract::model::{Direction, Example, Format, Message};

/// The most characters of an example, and of a schema in another language.
const MAX_VALUE_CHARS: usize = 20_000;

/// A message on the page of its channel.
pub(super) struct Shown {
    pub(super) anchor: String,
    pub(super) heading: String,
    pub(super) directions: Vec<&'static str>,
    pub(super) text: Option<String>,
    pub(super) facts: Vec<String>,
    /// The link to a payload that several messages share.
    pub(super) link: Option<Link>,
    /// HTML, escaped where it was drawn; empty without a table.
    pub(super) rows: String,
    pub(super) raw: Option<String>,
    pub(super) examples: Vec<ShownExample>,
}

/// An example with its verdict.
pub(super) struct ShownExample {
    pub(super) name: String,
    pub(super) verdict: String,
    pub(super) is_broken: bool,
    pub(super) value: String,
}

/// The anchor of a message by its position in the model.
pub(super) fn anchor(position: usize) -> String {
    format!("m{}", position.saturating_add(1))
}

/// Makes a message ready for its page.
pub(super) fn shown(
    site: &Site<'_>,
    position: usize,
    message: &Message,
    directions: &[Direction],
    room: &mut Room,
) -> Result<Shown, askama::Error> {
    let text = [&message.title, &message.summary].into_iter().flatten().map(|text| words::text(text));
    let text: Vec<String> = text.collect();
    let text = (!text.is_empty()).then(|| text.join("\n"));
    let facts = facts(site, message);
    let mut shown = Shown {
        anchor: anchor(position),
        heading: words::name(&message.id),
        directions: directions.iter().map(|direction| direction.words()).collect(),
        text,
        facts,
        link: None,
        rows: String::new(),
        raw: None,
        examples: Vec::new(),
    };
    room.take(shown.facts.iter().chain(&shown.text).map(String::as_str));
    if let Some(payload) = &message.payload {
        let schema = site.atlas.schema(&payload.schema);
        shown.link = site.atlas.link(&payload.schema);
        match (&payload.format, schema) {
            (Format::Other(_), Some(schema)) => {
                shown.raw = Some(words::json(schema, MAX_VALUE_CHARS)).filter(|raw| room.take([raw.as_str()]));
            }
            (Format::JsonSchema | Format::OpenApi, Some(schema)) if shown.link.is_none() => {
                let row = Rower { atlas: &site.atlas, room }.row("payload", schema, 0);
                shown.rows = table(&[row])?;
            }
            (_, Some(_) | None) => {}
        }
    }
    for one in &message.examples {
        let one = example(one);
        if !room.take([&*one.name, &*one.verdict, &*one.value]) {
            break;
        }
        shown.examples.push(one);
    }
    Ok(shown)
}

/// Everything about a message that is one line.
fn facts(site: &Site<'_>, message: &Message) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(name) = message.name.as_ref().filter(|name| **name != message.id) {
        facts.push(format!("Name: {}", words::name(name)));
    }
    let default = site.documentation.model.default_content_type.as_deref();
    let content = message.content_type.as_deref().or(default).unwrap_or("JSON, since nothing else is named");
    facts.push(format!("Content type: {}", words::name(content)));
    if let Some(payload) = &message.payload
        && let Format::Other(format) = &payload.format
    {
        facts.push(format!("Schema in the format {}, as it is written", words::name(format)));
    }
    for (property, values) in message.discriminators.iter().take(10) {
        let values: Vec<String> = values.iter().take(10).map(words::value).collect();
        facts.push(format!("Told apart by {}: {}", words::name(property), values.join(", ")));
    }
    if let Some(correlation) = &message.correlation {
        facts.push(format!("Request and reply have the same value at {}", words::name(&correlation.payload)));
    }
    if let Some(reason) = &message.unchecked {
        facts.push(format!("Not checked: {}", words::name(reason)));
    }
    facts
}

fn example(example: &Example) -> ShownExample {
    let verdict = match (&example.broken, &example.unchecked) {
        (Some(fault), _) => format!("Breaks its schema: {}", words::name(fault)),
        (None, Some(reason)) => format!("Not checked: {}", words::name(reason)),
        (None, None) => "Fits its schema".to_owned(),
    };
    ShownExample {
        name: example.name.as_deref().map(|name| format!(": {}", words::name(name))).unwrap_or_default(),
        verdict,
        is_broken: example.broken.is_some(),
        value: words::json(&example.payload, MAX_VALUE_CHARS),
    }
}
