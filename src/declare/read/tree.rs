//! A file's YAML as a tree in which every value knows its place, so that a reader can go on after a fault and report all
//! of them. Typed values are read from the tree through serde.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_saphyr::{Location, Spanned};

use super::Fault;
use crate::api::misfit::misfit;
use crate::declare::document::Origin;

/// Documents in a file at most, and pieces of YAML in all of them.
const MAX_DOCUMENTS: usize = 100_000;
const MAX_NODES: usize = 20_000_000;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Tree {
    /// The place where the value is used; for an alias, the place of the alias.
    pub(super) at: Location,
    node: Node,
}

#[derive(Debug)]
enum Node {
    Null,
    /// A plain scalar that YAML reads as a boolean or a number; the text is as in the file.
    Plain(String, Plain),
    Text(String),
    List(Vec<Tree>),
    Fields(Vec<Field>),
}

#[derive(Clone, Copy, Debug)]
enum Plain {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// A field of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// The place of the name.
    pub(super) at: Location,
    pub(super) value: Tree,
}

/// The reason why a value does not have the requested form.
#[derive(Debug)]
pub(super) struct Misfit {
    /// The innermost value that does not fit.
    pub(super) at: Option<Location>,
    pub(super) message: String,
}

/// The documents of a file's text, in order.
///
/// # Errors
/// The text is not YAML, and where.
pub(super) fn documents(file: &str, text: &str) -> Result<Vec<Tree>, Fault> {
    let budget = serde_saphyr::budget! {
        max_documents: MAX_DOCUMENTS, max_nodes: MAX_NODES, max_events: MAX_NODES,
    };
    // `off` is a value of policies, and no boolean.
    let options = serde_saphyr::options! { budget: budget, strict_booleans: true };
    let read: Vec<Spanned<Unplaced>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| syntax(file, text, &error))?;
    Ok(read.into_iter().map(|spanned| placed(spanned, text)).collect())
}

impl Tree {
    /// The fields of a mapping, in the file's order; `None` if the value is something else.
    pub(super) fn fields(&self) -> Option<&[Field]> {
        if let Node::Fields(fields) = &self.node { Some(fields) } else { None }
    }

    /// The items of a list; `None` if the value is something else.
    pub(super) fn items(&self) -> Option<&[Self]> {
        if let Node::List(items) = &self.node { Some(items) } else { None }
    }

    /// True if a field with this value counts as left out.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.node, Node::Null)
    }

    /// The place of `targets[3]` or `limits.idle_timeout_ms` below this value; of what is not there, the nearest place
    /// around it.
    pub(super) fn place(&self, path: &str) -> Location {
        let (mut here, mut rest) = (self, path);
        while let Some((next, after)) = here.step(rest.strip_prefix('.').unwrap_or(rest)) {
            (here, rest) = (next, after);
        }
        here.at
    }

    /// The value at the first step of a path, and the rest of the path. The name of a field may have dots: the longest name that
    /// fits counts.
    fn step<'p>(&self, path: &'p str) -> Option<(&Self, &'p str)> {
        match &self.node {
            Node::Fields(fields) => {
                let after = |field: &Field| {
                    let after = path.strip_prefix(field.name.as_str()).filter(|_| !field.name.is_empty())?;
                    (after.is_empty() || after.starts_with(['.', '['])).then_some(after)
                };
                let fitting = fields.iter().filter_map(|field| Some((field, after(field)?)));
                fitting.max_by_key(|(field, _)| field.name.len()).map(|(field, after)| (&field.value, after))
            }
            Node::List(items) => {
                let (index, after) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, after))
            }
            Node::Null | Node::Plain(..) | Node::Text(_) => None,
        }
    }

    fn text(&self) -> Result<&str, Misfit> {
        match &self.node {
            Node::Plain(text, _) | Node::Text(text) => Ok(text),
            Node::Null => Err(self.misfit("it is empty")),
            Node::List(_) | Node::Fields(_) => Err(self.misfit("a text is expected here")),
        }
    }

    pub(super) fn misfit(&self, message: impl Into<String>) -> Misfit {
        Misfit { at: Some(self.at), message: message.into() }
    }
}

/// A value as the YAML library hands it over. Plain scalars get their text from the source afterwards: `1.10` is a version.
#[derive(Debug)]
enum Unplaced {
    Null,
    Plain(Plain),
    Text(String),
    List(Vec<Spanned<Unplaced>>),
    Fields(Vec<(Spanned<String>, Spanned<Unplaced>)>),
}

fn placed(spanned: Spanned<Unplaced>, source: &str) -> Tree {
    let node = match spanned.value {
        Unplaced::Null => Node::Null,
        Unplaced::Plain(value) => Node::Plain(slice(source, spanned.defined), value),
        Unplaced::Text(text) => Node::Text(text),
        Unplaced::List(items) => Node::List(items.into_iter().map(|item| placed(item, source)).collect()),
        Unplaced::Fields(fields) => Node::Fields(
            fields
                .into_iter()
                .map(|(name, value)| Field { name: name.value, at: name.referenced, value: placed(value, source) })
                .collect(),
        ),
    };
    Tree { at: spanned.referenced, node }
}

/// The source's text at a place.
fn slice(source: &str, at: Location) -> String {
    let span = at.span();
    let text = span.byte_offset().zip(span.byte_len()).and_then(|(start, len)| {
        let start = usize::try_from(start).ok()?;
        source.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    });
    debug_assert!(text.is_some(), "a scalar has a place in the source");
    text.unwrap_or_default().trim().to_owned()
}

impl<'de> Deserialize<'de> for Unplaced {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Unplaced;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Unplaced, E> {
                Ok(Unplaced::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Unplaced, E> {
                Ok(Unplaced::Plain(Plain::Bool(value)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Unplaced, E> {
                Ok(Unplaced::Plain(Plain::Unsigned(value)))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Unplaced, E> {
                Ok(Unplaced::Plain(Plain::Signed(value)))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Unplaced, E> {
                Ok(Unplaced::Plain(Plain::Float(value)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Unplaced, E> {
                Ok(Unplaced::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unplaced, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Unplaced::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unplaced, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Unplaced::Fields(fields))
            }
        }

        from.deserialize_any(Any)
    }
}

/// The fault of a text that is not YAML. Nothing of the text is repeated but a field's name: the rest may be a secret in the
/// wrong place.
fn syntax(file: &str, text: &str, error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let at = error.location();
    let (line, column) = at.map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let said = error.to_string();
    // The library repeats the place, and how it could be configured.
    let said = said.split(" at line ").next().unwrap_or_default();
    let message = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned();
    let there = line.checked_sub(1).and_then(|line| text.lines().nth(usize::try_from(line).ok()?));
    let begins =
        there.map(|there| there.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default().trim());
    let field = begins.filter(|begins| super::is_field(begins)).map(str::to_owned);
    Fault { origin: Origin { file: file.to_owned(), line, column }, field, message }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

impl Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, message: misfit(&message.to_string()).message }
    }
}

impl<'de> Deserializer<'de> for &'de Tree {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let read = match &self.node {
            Node::Null => visitor.visit_unit(),
            Node::Plain(_, Plain::Bool(value)) => visitor.visit_bool(*value),
            Node::Plain(_, Plain::Unsigned(value)) => visitor.visit_u64(*value),
            Node::Plain(_, Plain::Signed(value)) => visitor.visit_i64(*value),
            Node::Plain(_, Plain::Float(value)) => visitor.visit_f64(*value),
            Node::Text(text) => visitor.visit_str(text),
            Node::List(items) => visitor.visit_seq(Items(items.iter())),
            Node::Fields(fields) => visitor.visit_map(Fields { rest: fields.iter(), value: None }),
        };
        read.map_err(|misfit| Misfit { at: misfit.at.or(Some(self.at)), ..misfit })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let read = visitor.visit_str(self.text()?);
        read.map_err(|misfit: Misfit| Misfit { at: misfit.at.or(Some(self.at)), ..misfit })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.items() {
            Some(_) => self.deserialize_any(visitor),
            None => Err(self.misfit("a list is expected here")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.fields() {
            Some(_) => self.deserialize_any(visitor),
            None => Err(self.misfit("fields (`name: value`) are expected here")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        struct enum identifier ignored_any
    }
}

struct Items<'t>(std::slice::Iter<'t, Tree>);

impl<'t> SeqAccess<'t> for Items<'t> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Fields<'t> {
    rest: std::slice::Iter<'t, Field>,
    value: Option<&'t Tree>,
}

impl<'t> MapAccess<'t> for Fields<'t> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some(field) = self.rest.next() else { return Ok(None) };
        self.value = Some(&field.value);
        let name: serde::de::value::StrDeserializer<'_, Misfit> = field.name.as_str().into_deserializer();
        let read = seed.deserialize(name).map(Some);
        read.map_err(|misfit| Misfit { at: misfit.at.or(Some(field.at)), ..misfit })
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Misfit::custom("a value was asked for before its name")),
        }
    }
}
