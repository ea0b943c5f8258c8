//! A message's JSON as a tree: read once, with bounds on its depth and its number of values, and texts that point into the
//! message where they can.
//!
//! An object keeps its fields sorted by name. Two fields of one name are a fault: of two readers each may take another one, so
//! nobody could say which value was checked.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::invariant::Invariant;

/// The deepest nesting of a message.
pub const MAX_DEPTH: usize = 64;
/// The most values in a message.
pub const MAX_VALUES: usize = 100_000;
/// The looks at values that a check of any message may take.
const LOOKS: u32 = 20_000;
/// Further looks for each byte of a message.
const LOOKS_PER_BYTE: u32 = 2;

/// A message's value.
#[derive(Debug)]
pub(super) enum Node<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    List(Span),
    Fields(Span),
}

/// A part of the tree's items or fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    count: u32,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Field<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) value: Node<'t>,
}

/// A message.
#[derive(Debug)]
pub struct Tree<'t> {
    root: Node<'t>,
    items: Vec<Node<'t>>,
    fields: Vec<Field<'t>>,
    /// The looks that are left. Once there are none every value looks like null, so that a validator comes to its end.
    looks: Cell<u32>,
    /// The looks that there were.
    allowed: u32,
}

/// The reason why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no JSON.
    NotJson,
    /// An object has two fields of one name.
    DuplicateName,
    /// Lists and objects are nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// There are more values than [`MAX_VALUES`].
    TooManyValues,
}

impl<'t> Tree<'t> {
    /// Reads a message.
    ///
    /// # Errors
    /// The bytes are no JSON, or break a bound.
    pub fn read(bytes: &'t [u8]) -> Result<Self, Fault> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let tree = Self::from_reader(&mut reader, bytes.len())?;
        reader.end().map_err(|_| Fault::NotJson)?;
        Ok(tree)
    }

    /// Takes what a reader of JSON finds in a message of `length` bytes.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_reader<D: Deserializer<'t>>(reader: D, length: usize) -> Result<Self, Fault> {
        let mut builder = Builder::default();
        let root = Seed { builder: &mut builder, depth: 0 }.deserialize(reader);
        let Ok(root) = root else { return Err(builder.fault.unwrap_or(Fault::NotJson)) };
        let of_length = u32::try_from(length).unwrap_or(u32::MAX).saturating_mul(LOOKS_PER_BYTE);
        let allowed = LOOKS.saturating_add(of_length);
        Ok(Self { root, items: builder.items, fields: builder.fields, looks: Cell::new(allowed), allowed })
    }

    pub(super) fn root(&self) -> &Node<'t> {
        &self.root
    }

    pub(super) fn items(&self, span: Span) -> &[Node<'t>] {
        self.items.get(span.range()).expected_or_default()
    }

    pub(super) fn fields(&self, span: Span) -> &[Field<'t>] {
        self.fields.get(span.range()).expected_or_default()
    }

    /// The field of an object by its name; `None` if the node is no object.
    pub(super) fn field(&self, node: &Node<'_>, name: &str) -> Option<&Node<'t>> {
        let Node::Fields(span) = node else { return None };
        let fields = self.fields(*span);
        let found = fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        fields.get(found).map(|field| &field.value)
    }

    /// Takes looks. False once there are not enough, and then for ever.
    #[inline]
    pub(super) fn spend(&self, looks: u32) -> bool {
        let left = self.looks.get().checked_sub(looks);
        self.looks.set(left.unwrap_or_default());
        left.is_some()
    }

    /// The looks that were taken, those of reading among them.
    pub(super) fn looked(&self) -> u32 {
        let values = self.items.len().saturating_add(self.fields.len());
        let read = u32::try_from(values).unwrap_or(u32::MAX);
        self.allowed.saturating_sub(self.looks.get()).saturating_add(read)
    }

    /// True if a check used up all looks: its result means nothing.
    pub(super) fn is_exhausted(&self) -> bool {
        self.looks.get() == 0
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let start = u32::try_from(start).expected_or(u32::MAX);
        Self { start, count: u32::try_from(end).expected_or(u32::MAX).saturating_sub(start) }
    }

    fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start.saturating_add(self.count as usize)
    }
}

/// A tree that is being read. Values of a list wait until it is complete, so that they stand beside each other.
#[derive(Default)]
struct Builder<'t> {
    items: Vec<Node<'t>>,
    fields: Vec<Field<'t>>,
    waiting_items: Vec<Node<'t>>,
    waiting_fields: Vec<Field<'t>>,
    values: usize,
    fault: Option<Fault>,
}

impl<'t> Builder<'t> {
    fn fault<E: Error>(&mut self, fault: Fault) -> E {
        self.fault.get_or_insert(fault);
        E::custom("a bound is exceeded")
    }

    #[expect(clippy::disallowed_methods, reason = "`first` is a length that the list had, and it was not cut since")]
    fn list(&mut self, first: usize) -> Node<'t> {
        let start = self.items.len();
        self.items.extend(self.waiting_items.drain(first..));
        Node::List(Span::new(start, self.items.len()))
    }

    #[expect(clippy::disallowed_methods, reason = "`first` is a length that the list had, and it was not cut since")]
    fn object<E: Error>(&mut self, first: usize) -> Result<Node<'t>, E> {
        let fields = self.waiting_fields.get_mut(first..).expected_or_default();
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        if fields.windows(2).any(|pair| matches!(pair, [one, other] if one.name == other.name)) {
            return Err(self.fault(Fault::DuplicateName));
        }
        let start = self.fields.len();
        self.fields.extend(self.waiting_fields.drain(first..));
        Ok(Node::Fields(Span::new(start, self.fields.len())))
    }
}

struct Seed<'b, 't> {
    builder: &'b mut Builder<'t>,
    depth: usize,
}

impl<'b, 't> Seed<'b, 't> {
    fn below<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.builder.fault(Fault::TooDeep));
        }
        Ok(self.depth.saturating_add(1))
    }

    fn next(&mut self, depth: usize) -> Seed<'_, 't> {
        Seed { builder: self.builder, depth }
    }
}

impl<'t> DeserializeSeed<'t> for Seed<'_, 't> {
    type Value = Node<'t>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Node<'t>, D::Error> {
        self.builder.values = self.builder.values.saturating_add(1);
        if self.builder.values > MAX_VALUES {
            return Err(self.builder.fault(Fault::TooManyValues));
        }
        reader.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Seed<'_, 't> {
    type Value = Node<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'t>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'t>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'t>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'t>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'t>, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'t>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'t str) -> Result<Node<'t>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Node<'t>, E> {
        Ok(Node::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut list: A) -> Result<Node<'t>, A::Error> {
        let depth = self.below()?;
        let first = self.builder.waiting_items.len();
        while let Some(item) = list.next_element_seed(self.next(depth))? {
            self.builder.waiting_items.push(item);
        }
        Ok(self.builder.list(first))
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut object: A) -> Result<Node<'t>, A::Error> {
        let depth = self.below()?;
        let first = self.builder.waiting_fields.len();
        while let Some(name) = object.next_key_seed(Name)? {
            let value = object.next_value_seed(self.next(depth))?;
            self.builder.waiting_fields.push(Field { name, value });
        }
        self.builder.object(first)
    }
}

/// Reads a field's name.
struct Name;

impl<'t> DeserializeSeed<'t> for Name {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Cow<'t, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Name {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(value))
    }
}
