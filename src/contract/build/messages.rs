//! Messages, each once however often it is used, with their payloads, correlation and the examples that they bring along.

use std::collections::{HashMap, HashSet};

use super::context::Context;
use super::examples::{self, Budget};
use super::fixed;
use super::layers::Layers;
use super::schemas::Schemas;
use crate::contract::document::Value;
use crate::contract::model::{Correlation, Example, Format, Message, Payload};
use crate::contract::problem::{Level, Problem, quoted};
use crate::contract::shape::{three, two};
use crate::contract::version::Major;

/// The longest id of a message, in characters, without the number that makes it unique.
const MAX_ID_CHARS: usize = 100;
/// The most examples that are kept of a message.
const MAX_EXAMPLES: usize = 20;

/// The messages of a contract.
#[derive(Debug, Default)]
pub(super) struct Messages {
    list: Vec<Message>,
    by_value: HashMap<(usize, u32), usize>,
    ids: HashMap<String, usize>,
    names: HashSet<String>,
    default_content_type: Option<String>,
}

impl Messages {
    pub(super) fn new(default_content_type: Option<String>) -> Self {
        Self { default_content_type, ..Self::default() }
    }

    /// The ids of the message behind a value, or of those below its `oneOf`.
    pub(super) fn ids<'l>(
        &mut self,
        context: &mut Context<'l, '_>,
        schemas: &mut Schemas<'l>,
        value: Value<'l>,
    ) -> Vec<String> {
        let Some(found) = self.resolved(context, value) else { return Vec::new() };
        match found.get("oneOf").filter(|list| list.is_list()) {
            Some(list) => {
                let mut ids = Vec::new();
                for one in list.items() {
                    if !context.may_use(1) {
                        break;
                    }
                    ids.extend(self.id(context, schemas, one));
                }
                ids
            }
            None => self.id(context, schemas, found).into_iter().collect(),
        }
    }

    fn resolved<'l>(&self, context: &mut Context<'l, '_>, value: Value<'l>) -> Option<Value<'l>> {
        let object = match context.major {
            Major::Two => &two::MESSAGE,
            Major::Three => &three::MESSAGE,
        };
        context.object(value, object, Level::BlocksValidation)
    }

    /// The id of the message behind a value.
    pub(super) fn id<'l>(
        &mut self,
        context: &mut Context<'l, '_>,
        schemas: &mut Schemas<'l>,
        value: Value<'l>,
    ) -> Option<String> {
        if !context.may_use(1) {
            return None;
        }
        let found = self.resolved(context, value)?;
        if let Some(index) = self.by_value.get(&found.key()) {
            return self.list.get(*index).map(|message| message.id.clone());
        }
        let object = match context.major {
            Major::Two => &two::MESSAGE,
            Major::Three => &three::MESSAGE,
        };
        let layers = Layers::of(context, found, object);
        let id = self.unique(&wanted_id(context, found, &layers));
        let content_type = layers.text(context, "contentType");
        let (payload, mut unchecked) = payload(context, schemas, &layers);
        let content = content_type.as_deref().or(self.default_content_type.as_deref());
        if let Some(content) = content.filter(|content| !is_json(content)) {
            unchecked.get_or_insert_with(|| format!("its content type is {}", quoted(content)));
        }
        let pointer = found.pointer();
        if !context.may_copy(pointer.len()) {
            return None;
        }
        let main = context.library.root().map(|root| root.document().name());
        let file = Some(found.document().name()).filter(|file| Some(*file) != main);
        let message = Message {
            id: id.clone(),
            name: layers.text(context, "name"),
            title: layers.text(context, "title"),
            summary: layers.text(context, "summary"),
            content_type,
            payload,
            correlation: correlation(context, &layers),
            examples: own_examples(context, &layers),
            discriminators: Vec::new(),
            unchecked,
            file: file.map(str::to_owned),
            pointer,
        };
        self.by_value.insert(found.key(), self.list.len());
        self.list.push(message);
        Some(id)
    }

    fn unique(&mut self, wanted: &str) -> String {
        let wanted: String = wanted.chars().take(MAX_ID_CHARS).collect();
        let count = self.ids.entry(wanted.clone()).or_insert(0);
        loop {
            *count = count.saturating_add(1);
            let id = if *count == 1 { wanted.clone() } else { format!("{wanted}-{count}") };
            if self.names.insert(id.clone()) {
                return id;
            }
        }
    }

    /// All messages, with what only the converted schemas tell.
    pub(super) fn into_all(mut self, schemas: &Schemas<'_>) -> Vec<Message> {
        let mut budget = Budget::default();
        for message in &mut self.list {
            let Some(payload) = &message.payload else { continue };
            if matches!(payload.format, Format::Other(_)) {
                continue;
            }
            if schemas.is_broken(&payload.schema) {
                message.unchecked.get_or_insert_with(|| "its schema has problems".to_owned());
            }
            message.examples.extend(examples::of_schema(schemas.all(), &payload.schema, &mut budget));
            message.examples.truncate(MAX_EXAMPLES);
            message.discriminators = fixed::fixed(schemas.all(), &payload.schema, &mut budget);
        }
        self.list
    }
}

/// The name that says most: of a message in a mapping its key, of one inside a list or an operation its own name.
fn wanted_id<'l>(context: &Context<'l, '_>, value: Value<'l>, layers: &Layers<'l>) -> String {
    let pointer = value.pointer();
    let mut steps = pointer.rsplit('/');
    let (last, parent) = (value.last_step(), steps.nth(1).unwrap_or_default());
    let is_named = parent == "messages" || (!pointer.is_empty() && value.document().root().get("asyncapi").is_none());
    let own = || layers.text(context, "messageId").or_else(|| layers.text(context, "name"));
    if is_named {
        return last;
    }
    let file = value.document().name().rsplit('/').next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    own().unwrap_or_else(|| if pointer.is_empty() { stem.to_owned() } else { "message".to_owned() })
}

/// True for JSON's media types.
fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(media.as_str(), "application/json" | "text/json") || media.ends_with("+json")
}

/// The payload, and why it cannot be checked.
fn payload<'l>(
    context: &mut Context<'l, '_>,
    schemas: &mut Schemas<'l>,
    layers: &Layers<'l>,
) -> (Option<Payload>, Option<String>) {
    let Some(value) = layers.get("payload") else {
        return (None, Some("the document does not describe its payload".to_owned()));
    };
    let mut format = layers.text(context, "schemaFormat");
    let mut schema = value;
    // The Multi Format Schema Object of 3.x.
    if context.major == Major::Three
        && let Ok(found) = context.library.follow(value)
        && let (Some(written), Some(inner)) = (context.text(found, "schemaFormat"), found.get("schema"))
    {
        (format, schema) = (Some(written), inner);
    }
    let format = format.map_or(Format::JsonSchema, |format| Format::read(&format));
    if let Format::Other(other) = &format {
        let reason = format!("its schema is in the format {}", quoted(other));
        context.note("schema-format", schema.place(), format!("messages are passed on and not checked: {reason}"));
        let payload = Payload { format, schema: schemas.raw(context, schema) };
        return (Some(payload), Some(reason));
    }
    match schemas.key(context, schema) {
        Some(schema) => (Some(Payload { format, schema }), None),
        None => (None, Some("its schema is not there".to_owned())),
    }
}

/// The place of the correlation id. WebSocket frames have no headers.
fn correlation<'l>(context: &mut Context<'l, '_>, layers: &Layers<'l>) -> Option<Correlation> {
    let value = layers.get("correlationId")?;
    let found = context.resolved(value, Level::Note)?;
    let location = context.text(found, "location")?;
    if let Some(pointer) = location.strip_prefix("$message.payload#") {
        return Some(Correlation { payload: pointer.to_owned() });
    }
    let message = if location.starts_with("$message.header") {
        "a correlation id in a header is ignored: WebSocket messages have no headers".to_owned()
    } else {
        format!("{} is no place of a correlation id", quoted(&location))
    };
    let place = found.get("location").map_or_else(|| found.place(), Value::place);
    context.add(Problem::new(Level::Note, "correlation", place, message).expected("$message.payload#/..."));
    None
}

/// The examples that the message itself has: `{name, headers, payload}`.
fn own_examples<'l>(context: &Context<'l, '_>, layers: &Layers<'l>) -> Vec<Example> {
    let list = layers.get("examples");
    let examples = list.into_iter().flat_map(Value::items).take(MAX_EXAMPLES).filter_map(|one| {
        // Before 2.1 an example was the payload itself.
        let is_object = one.get("payload").is_some() || one.get("headers").is_some();
        let payload = if is_object { one.get("payload")? } else { one };
        if !context.may_copy(payload.weight()) {
            return None;
        }
        let name = context.text(one, "name").or_else(|| context.text(one, "summary")).filter(|_| is_object);
        Some(Example { name, payload: payload.to_json(), broken: None, unchecked: None })
    });
    examples.collect()
}
