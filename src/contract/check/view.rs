//! A message's tree as the validator sees it. Every look is counted: once the looks of a message are used up, all its values
//! look like null, and the validator, which cannot be interrupted, soon comes to its end.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node as JsonNode, NodeIdentity, Object};
use serde_json::{Number, Value};

use super::tree::{Field, Node, Tree};
/// Bytes of a text that cost as much as one look.
const BYTES_PER_LOOK: usize = 64;
/// Lists up to this length are compared item by item.
const MAX_COMPARED: usize = 8;

/// The representation of messages.
#[derive(Debug)]
pub(super) struct Viewed;

/// A value of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    node: &'a Node<'a>,
    /// `None` for the name of a field.
    tree: Option<&'a Tree<'a>>,
}

impl<'a> View<'a> {
    pub(super) fn of(tree: &'a Tree<'a>) -> Self {
        Self { node: tree.root(), tree: Some(tree) }
    }

    #[inline]
    fn looked(&self, looks: u32) -> Option<&'a Node<'a>> {
        self.tree.is_none_or(|tree| tree.spend(looks)).then_some(self.node)
    }

    /// Once the looks are used up everything is equal, so that a search for two equal items ends.
    fn is_equal(self, other: Self) -> bool {
        match (self.looked(1), other.looked(1)) {
            (None, _) | (_, None) => true,
            (Some(Node::Null), Some(Node::Null)) => true,
            (Some(Node::Bool(one)), Some(Node::Bool(other))) => one == other,
            (Some(Node::Number(one)), Some(Node::Number(other))) => is_same_number(one, other),
            (Some(Node::Text(one)), Some(Node::Text(other))) => one == other,
            (Some(Node::List(_)), Some(Node::List(_))) => {
                let (Some(one), Some(other)) = (self.as_array(), other.as_array()) else { return false };
                one.len() == other.len() && one.elements().zip(other.elements()).all(|(one, other)| one.is_equal(other))
            }
            (Some(Node::Fields(_)), Some(Node::Fields(_))) => {
                let (Some(one), Some(other)) = (self.as_object(), other.as_object()) else { return false };
                // Both are sorted by name.
                let mut pairs = one.members().zip(other.members());
                one.len() == other.len() && pairs.all(|(one, other)| one.0 == other.0 && one.1.is_equal(other.1))
            }
            _ => false,
        }
    }

    fn hash(self, hasher: &mut DefaultHasher) {
        match self.looked(1) {
            None | Some(Node::Null) => 0_u8.hash(hasher),
            Some(Node::Bool(value)) => value.hash(hasher),
            // Equal numbers are equal as floating point numbers, too. Zero has two signs.
            Some(Node::Number(number)) => (number.as_f64().unwrap_or_default() + 0.0).to_bits().hash(hasher),
            Some(Node::Text(text)) => text.hash(hasher),
            Some(Node::List(_)) => {
                self.as_array().into_iter().flat_map(|list| list.elements()).for_each(|item| item.hash(hasher));
            }
            Some(Node::Fields(_)) => {
                for (name, value) in self.as_object().into_iter().flat_map(|object| object.members()) {
                    name.hash(hasher);
                    value.hash(hasher);
                }
            }
        }
    }
}

/// `1` and `1.0` are the same number.
fn is_same_number(one: &Number, other: &Number) -> bool {
    match (one.as_u64(), other.as_u64(), one.as_i64(), other.as_i64()) {
        (Some(one), Some(other), ..) => one == other,
        (_, _, Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

impl Json for Viewed {
    type Node<'a> = View<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = ();

    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Self::Node<'_>) -> T) -> T {
        let node = Node::Text(Cow::Borrowed(string));
        f(View { node: &node, tree: None })
    }
}

impl<'a> JsonNode<'a, Viewed> for View<'a> {
    type Object = Fields<'a>;
    type Array = Items<'a>;
    type Number = &'a Number;

    #[inline]
    fn as_object(&self) -> Option<Fields<'a>> {
        match (self.looked(1), self.tree) {
            (Some(Node::Fields(span)), Some(tree)) => Some(Fields { fields: tree.fields(*span), tree }),
            _ => None,
        }
    }

    #[inline]
    fn as_array(&self) -> Option<Items<'a>> {
        match (self.looked(1), self.tree) {
            (Some(Node::List(span)), Some(tree)) => Some(Items { items: tree.items(*span).iter(), tree }),
            _ => None,
        }
    }

    #[inline]
    fn as_string(&self) -> Option<Cow<'a, str>> {
        let Node::Text(text) = self.node else { return None };
        let looks = u32::try_from(text.len().div_euclid(BYTES_PER_LOOK)).unwrap_or(u32::MAX).saturating_add(1);
        self.looked(looks).map(|_| Cow::Borrowed(&**text))
    }

    #[inline]
    fn as_number(&self) -> Option<&'a Number> {
        match self.looked(1) {
            Some(Node::Number(number)) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.looked(1) {
            Some(Node::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.looked(1), None | Some(Node::Null))
    }

    #[inline]
    fn json_type(&self) -> JsonType {
        match self.looked(1) {
            None | Some(Node::Null) => JsonType::Null,
            Some(Node::Bool(_)) => JsonType::Boolean,
            Some(Node::Number(_)) => JsonType::Number,
            Some(Node::Text(_)) => JsonType::String,
            Some(Node::List(_)) => JsonType::Array,
            Some(Node::Fields(_)) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.looked(1), expected) {
            (Some(Node::Null), Value::Null) => true,
            (Some(Node::Bool(value)), Value::Bool(expected)) => value == expected,
            (Some(Node::Number(number)), Value::Number(expected)) => is_same_number(number, expected),
            (Some(Node::Text(text)), Value::String(expected)) => text == expected,
            (Some(Node::List(_)), Value::Array(expected)) => self.as_array().is_some_and(|list| {
                let mut pairs = list.elements().zip(expected);
                list.len() == expected.len() && pairs.all(|(item, expected)| item.equals_value(expected))
            }),
            (Some(Node::Fields(_)), Value::Object(expected)) => self.as_object().is_some_and(|object| {
                let is_same = |(name, expected): (&String, &Value)| {
                    let value = object.value(name);
                    value.is_some_and(|value| value.equals_value(expected))
                };
                object.len() == expected.len() && expected.iter().all(is_same)
            }),
            _ => false,
        }
    }

    /// Always null: errors, which are all that this is for, must not hold what a message says.
    fn to_value(&self) -> Cow<'a, Value> {
        static NULL: Value = Value::Null;
        Cow::Borrowed(&NULL)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.node).addr()))
    }
}

/// An object of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    fields: &'a [Field<'a>],
    tree: &'a Tree<'a>,
}

impl<'a> Fields<'a> {
    fn value(&self, name: &str) -> Option<View<'a>> {
        if !self.tree.spend(1) {
            return None;
        }
        let found = self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        self.fields.get(found).map(|field| View { node: &field.value, tree: Some(self.tree) })
    }
}

impl<'a> Object<'a, Viewed> for Fields<'a> {
    type Node = View<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.fields.len()
    }

    #[inline]
    fn get(&self, key: &Box<str>) -> Option<View<'a>> {
        self.value(key)
    }

    fn members(&self) -> Members<'a> {
        Members { fields: self.fields.iter(), tree: self.tree }
    }
}

/// The fields of an object in turn, until the looks are used up.
#[derive(Debug)]
pub(super) struct Members<'a> {
    fields: std::slice::Iter<'a, Field<'a>>,
    tree: &'a Tree<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, View<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next().filter(|_| self.tree.spend(1))?;
        Some((&field.name, View { node: &field.value, tree: Some(self.tree) }))
    }
}

/// A list of a message, and its items in turn until the looks are used up.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    items: std::slice::Iter<'a, Node<'a>>,
    tree: &'a Tree<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = View<'a>;

    #[inline]
    fn next(&mut self) -> Option<View<'a>> {
        let node = self.items.next().filter(|_| self.tree.spend(1))?;
        Some(View { node, tree: Some(self.tree) })
    }
}

impl<'a> Array<'a, Viewed> for Items<'a> {
    type Node = View<'a>;
    type ElementsIter = Self;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn elements(&self) -> Self {
        self.clone()
    }

    /// Compares each item with those of its hash alone: a long list takes no time that grows with its square.
    fn is_unique(&self) -> bool {
        let items: Vec<View<'a>> = self.elements().collect();
        if items.len() <= MAX_COMPARED {
            return !has_equal_pair(&items);
        }
        let mut hashed: Vec<(u64, View<'a>)> = items
            .into_iter()
            .map(|item| {
                let mut hasher = DefaultHasher::new();
                item.hash(&mut hasher);
                (hasher.finish(), item)
            })
            .collect();
        hashed.sort_unstable_by_key(|(hash, _)| *hash);
        let mut groups = hashed.chunk_by(|one, other| one.0 == other.0).filter(|group| group.len() > 1);
        !groups.any(|group| has_equal_pair(&group.iter().map(|(_, item)| *item).collect::<Vec<_>>()))
    }
}

fn has_equal_pair(items: &[View<'_>]) -> bool {
    let mut later = items;
    while let Some((first, rest)) = later.split_first() {
        if rest.iter().any(|other| first.is_equal(*other)) {
            return true;
        }
        later = rest;
    }
    false
}
