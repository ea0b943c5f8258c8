//! A file of a contract as a tree in which every value knows its line, column and JSON Pointer.
//!
//! In: the text of a YAML or JSON file ([`read`]). Out: [`Document`] and its [`Value`]s, which are cheap to copy. Nothing
//! here resolves a reference or knows AsyncAPI. The tree is flat, its depth and its number of values are bounded, and an
//! alias is copied at the cost of that bound, so that every walk over a tree is bounded as well.

pub mod pointer;
pub mod read;
pub mod scalar;

use std::fmt::Write as _;

use serde_json::Value as Json;

pub use self::scalar::Scalar;
use super::problem::Place;

/// The deepest nesting of a file.
pub const MAX_DEPTH: usize = 128;
/// The most values in all files of a contract.
pub const MAX_VALUES: usize = 500_000;
/// The longest JSON Pointer that is written out, in bytes.
pub const MAX_POINTER_BYTES: usize = 2_048;
/// Mappings with more fields than this have a sorted index.
const INDEX_FROM: usize = 8;

/// The number of a value in its document.
type Id = u32;

/// A file's tree.
#[derive(Debug)]
pub struct Document {
    name: String,
    values: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    data: Data,
    line: u32,
    column: u32,
    parent: Id,
    /// The position in the parent: of the item, or of the field.
    index: u32,
}

#[derive(Debug)]
enum Data {
    Scalar(Box<str>, Scalar),
    List(Vec<Id>),
    Fields(Fields),
}

#[derive(Debug, Default)]
struct Fields {
    list: Vec<Field>,
    /// Indexes into `list` in the order of names; empty for a mapping of few fields.
    sorted: Vec<u32>,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    line: u32,
    column: u32,
    value: Id,
}

impl Fields {
    fn position(&self, name: &str) -> Option<usize> {
        if self.sorted.is_empty() {
            return self.list.iter().position(|field| &*field.name == name);
        }
        let name_at = |at: &u32| self.list.get(*at as usize).map_or("", |field| &*field.name);
        let found = self.sorted.binary_search_by(|at| name_at(at).cmp(name)).ok()?;
        self.sorted.get(found).map(|at| *at as usize)
    }

    fn index(&mut self) {
        if self.list.len() > INDEX_FROM {
            let list = &self.list;
            let mut sorted: Vec<u32> = (0..).take(list.len()).collect();
            sorted.sort_by_key(|at| list.get(*at as usize).map_or("", |field| &*field.name));
            self.sorted = sorted;
        }
    }
}

impl Document {
    /// The file's name in the upload.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if the file has no value at all, which no file has that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { document: self, id: 0 }
    }

    /// All mappings that have a field of this name, with the field's value, in the order of the file.
    pub fn fields_named(&self, name: &str) -> impl Iterator<Item = Value<'_>> {
        (0..).take(self.values.len()).map(|id| Value { document: self, id }).filter_map(move |value| value.get(name))
    }
}

/// A value of a document. Two are equal if they are the same value of the same document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document,
    id: Id,
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Value<'_> {}

impl<'d> Value<'d> {
    /// The value's identity among those of all documents.
    #[must_use]
    pub fn key(self) -> (usize, u32) {
        (std::ptr::from_ref(self.document) as usize, self.id)
    }

    /// The document.
    #[must_use]
    pub fn document(self) -> &'d Document {
        self.document
    }

    fn node(self) -> Option<&'d Node> {
        self.document.values.get(self.id as usize)
    }

    fn with(self, id: Id) -> Self {
        Self { document: self.document, id }
    }

    /// The scalar's kind; `None` for a list or mapping.
    #[must_use]
    pub fn scalar(self) -> Option<Scalar> {
        match self.node()?.data {
            Data::Scalar(_, kind) => Some(kind),
            Data::List(_) | Data::Fields(_) => None,
        }
    }

    /// The text of a scalar that is not null: `1.10` and `true` as they are written.
    #[must_use]
    pub fn text(self) -> Option<&'d str> {
        match &self.node()?.data {
            Data::Scalar(text, Scalar::Bool(_) | Scalar::Number | Scalar::Text) => Some(text),
            Data::Scalar(_, Scalar::Null) | Data::List(_) | Data::Fields(_) => None,
        }
    }

    /// True for null and for a field without a value.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// True for a mapping.
    #[must_use]
    pub fn is_mapping(self) -> bool {
        matches!(self.node().map(|node| &node.data), Some(Data::Fields(_)))
    }

    /// True for a list.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self.node().map(|node| &node.data), Some(Data::List(_)))
    }

    /// The items of a list; none for everything else.
    pub fn items(self) -> impl Iterator<Item = Self> + use<'d> {
        let items: &[Id] = match self.node().map(|node| &node.data) {
            Some(Data::List(items)) => items,
            Some(Data::Scalar(..) | Data::Fields(_)) | None => &[],
        };
        items.iter().map(move |id| self.with(*id))
    }

    /// The fields of a mapping in the file's order; none for everything else.
    pub fn fields(self) -> impl Iterator<Item = (&'d str, Self)> + use<'d> {
        let fields: &[Field] = match self.node().map(|node| &node.data) {
            Some(Data::Fields(fields)) => &fields.list,
            Some(Data::Scalar(..) | Data::List(_)) | None => &[],
        };
        fields.iter().map(move |field| (&*field.name, self.with(field.value)))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        let Data::Fields(fields) = &self.node()?.data else { return None };
        let field = fields.list.get(fields.position(name)?)?;
        Some(self.with(field.value))
    }

    /// The value at a step of a pointer: a field's name, or an item's position from 0.
    #[must_use]
    pub fn step(self, step: &str) -> Option<Self> {
        match &self.node()?.data {
            Data::Fields(_) => self.get(step),
            // Digits without zeros before them (RFC 6901 section 4).
            Data::List(_) if step.starts_with('+') || (step.len() > 1 && step.starts_with('0')) => None,
            Data::List(items) => items.get(step.parse::<usize>().ok()?).map(|id| self.with(*id)),
            Data::Scalar(..) => None,
        }
    }

    /// The place of the value.
    #[must_use]
    pub fn place(self) -> Place {
        let (line, column) = self.node().map_or((0, 0), |node| (node.line, node.column));
        Place { file: self.document.name.clone(), line, column, pointer: self.pointer() }
    }

    /// The place of the name of the field that this is the value of; else the place of the value.
    #[must_use]
    pub fn name_place(self) -> Place {
        let named = self.node().and_then(|node| {
            let parent = self.document.values.get(node.parent as usize)?;
            let Data::Fields(fields) = &parent.data else { return None };
            fields.list.get(node.index as usize).filter(|field| field.value == self.id)
        });
        let place = self.place();
        match named {
            Some(field) => Place { line: field.line, column: field.column, ..place },
            None => place,
        }
    }

    /// The JSON Pointer; empty for the outermost value. One longer than [`MAX_POINTER_BYTES`] is `@` and the value's number, so
    /// that long names around many values cost nothing.
    #[must_use]
    pub fn pointer(self) -> String {
        let mut steps: Vec<std::borrow::Cow<'_, str>> = Vec::new();
        let mut here = self.id;
        let mut bytes = 0_usize;
        // The root is its own parent.
        while let Some(node) = self.document.values.get(here as usize).filter(|_| here != 0) {
            match self.document.values.get(node.parent as usize).map(|parent| &parent.data) {
                Some(Data::Fields(fields)) => {
                    let name = fields.list.get(node.index as usize).map_or("", |field| &*field.name);
                    steps.push(pointer::escaped(name));
                }
                Some(Data::List(_) | Data::Scalar(..)) | None => steps.push(node.index.to_string().into()),
            }
            bytes = bytes.saturating_add(steps.last().map_or(0, |step| step.len()));
            if bytes > MAX_POINTER_BYTES {
                return format!("@{}", self.id);
            }
            here = node.parent;
        }
        let mut written = String::new();
        for step in steps.iter().rev() {
            // Writing to a string cannot fail.
            let _ = write!(written, "/{step}");
        }
        written
    }

    /// The last step of the pointer: the field's name or the item's position.
    #[must_use]
    pub fn last_step(self) -> String {
        let pointer = self.pointer();
        let last = pointer.rsplit('/').next().unwrap_or_default();
        last.replace("~1", "/").replace("~0", "~")
    }

    /// The value as JSON. References are not followed.
    #[must_use]
    pub fn to_json(self) -> Json {
        match self.node().map(|node| &node.data) {
            Some(Data::Scalar(text, kind)) => match kind {
                Scalar::Null => Json::Null,
                Scalar::Bool(value) => Json::Bool(*value),
                Scalar::Number => scalar::number(text),
                Scalar::Text => Json::String(text.to_string()),
            },
            Some(Data::List(_)) => Json::Array(self.items().map(Self::to_json).collect()),
            Some(Data::Fields(_)) => {
                Json::Object(self.fields().map(|(name, value)| (name.to_owned(), value.to_json())).collect())
            }
            None => Json::Null,
        }
    }

    /// The bytes that the value takes as JSON in memory, roughly.
    #[must_use]
    pub fn weight(self) -> usize {
        const OF_VALUE: usize = 48;
        // A map allocates room for eleven fields at a time.
        const OF_FIELDS: usize = 640;
        let add = usize::saturating_add;
        match self.node().map(|node| &node.data) {
            Some(Data::Scalar(text, _)) => add(text.len(), OF_VALUE),
            Some(Data::List(_)) => self.items().map(Self::weight).fold(OF_VALUE, add),
            Some(Data::Fields(fields)) => {
                let room = fields.list.len().div_ceil(11).saturating_mul(OF_FIELDS);
                self.fields().map(|(name, value)| add(name.len(), value.weight())).fold(room, add)
            }
            None => 0,
        }
    }

    /// A word for the value's type, for messages.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self.node().map(|node| &node.data) {
            Some(Data::Scalar(_, Scalar::Null)) | None => "nothing",
            Some(Data::Scalar(_, Scalar::Bool(_))) => "a boolean",
            Some(Data::Scalar(_, Scalar::Number)) => "a number",
            Some(Data::Scalar(_, Scalar::Text)) => "a text",
            Some(Data::List(_)) => "a list",
            Some(Data::Fields(_)) => "a mapping",
        }
    }
}
