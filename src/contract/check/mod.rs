//! Checks messages against a contract: what the clients of one route send, and what they receive.
//!
//! ```text
//! Model, Route -> RouteChecker (compiled once) -> check(direction, kind, bytes) -> Verdict
//!     message -> Tree (bounded) -> the candidate that its discriminating field names, or all candidates -> validator
//! Model -> judge_examples: the verdict of the same validators on the examples of the contract
//! ```
//!
//! In: a contract's model, and the unmasked bytes of whole messages. Out: verdicts, which never hold a value of a message. The
//! validator is a library's, and cannot be interrupted; so everything that its work grows with is bounded before or counted
//! inside: bytes (by the caller), nesting and values ([`tree`]), looks at values (`view.rs`), and schemas for one value (`schema.rs`).
//! Patterns match in linear time. Nothing is fetched: references lead into the same contract.

mod compile;
mod examples;
mod schema;
mod text;
pub mod tree;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::{PatternCache, Validator};
use serde_json::Value as Json;

pub use self::examples::judge as judge_examples;
use self::schema::Document;
pub use self::tree::Tree;
use self::tree::{Fault, Node};
use self::view::{View, Viewed};
use super::document::pointer::escaped;
use super::model::message::Format;
use super::model::{Direction, Message, Model, Route};
use crate::routing::validation::{Checked, Checkers, Finding, Kind, MessageChecker, Reason, Rule, Verdict};

/// The most values of the schemas of one direction, over all its messages.
const MAX_SCHEMA_VALUES: usize = 500_000;
/// The most candidates whose faults are compared to find the nearest.
const MAX_COMPARED: usize = 16;

/// Compiles the rules of all routes of a contract. It takes up to a second for a large contract: never call it on a shard.
#[must_use]
pub fn checkers(model: &Model) -> Checkers {
    Checkers::new(model.routes.iter().map(|route| {
        let rules: Arc<dyn MessageChecker> = Arc::new(RouteChecker::compile(model, route));
        (route.path.as_str().into(), rules)
    }))
}

/// The compiled rules of a route.
#[derive(Debug)]
pub struct RouteChecker {
    client_sends: Messages,
    client_receives: Messages,
    is_undirected: bool,
}

impl RouteChecker {
    /// Compiles the rules of a route. A message that cannot be checked is no fault: what may be one is passed as unchecked.
    #[must_use]
    pub fn compile(model: &Model, route: &Route) -> Self {
        let patterns = PatternCache::new();
        let of = |ids: &[String], by: Option<&str>| Messages::compile(model, ids, by, &patterns);
        Self {
            client_sends: of(&route.client_sends, route.client_sends_by.as_deref()),
            client_receives: of(&route.client_receives, route.client_receives_by.as_deref()),
            is_undirected: route.is_undirected,
        }
    }

    /// The reasons why some messages of a direction cannot be checked: the message's id, and why.
    #[must_use]
    pub fn unchecked(&self, direction: Direction) -> &[(Box<str>, Arc<str>)] {
        &self.of(direction).unchecked
    }

    fn of(&self, direction: Direction) -> &Messages {
        match direction {
            Direction::ClientSends => &self.client_sends,
            Direction::ClientReceives => &self.client_receives,
        }
    }
}

impl MessageChecker for RouteChecker {
    fn check(&self, direction: Direction, kind: Kind, message: &[u8]) -> Checked {
        let messages = self.of(direction);
        let unchecked = |reason| Checked { verdict: Verdict::Unchecked(reason), looks: 1 };
        match kind {
            Kind::Binary => unchecked(Reason::Binary),
            Kind::Text if messages.candidates.is_empty() => unchecked(messages.reason().unwrap_or(Reason::NoMessage)),
            Kind::Text => messages.check(message),
        }
    }

    fn is_undirected(&self) -> bool {
        self.is_undirected
    }
}

/// The messages of one direction.
#[derive(Debug, Default)]
struct Messages {
    candidates: Vec<Candidate>,
    by: Option<Discriminator>,
    /// Messages without a candidate, and why.
    unchecked: Vec<(Box<str>, Arc<str>)>,
}

/// The property that tells candidates apart.
#[derive(Debug)]
struct Discriminator {
    name: Box<str>,
    /// The index of the candidate of each value that is a text.
    texts: HashMap<Box<str>, usize>,
    /// The index of the candidate of each other value, written as JSON.
    others: HashMap<Box<str>, usize>,
}

impl Discriminator {
    fn candidate(&self, tree: &Tree<'_>) -> Option<usize> {
        match tree.field(tree.root(), &self.name)? {
            Node::Text(text) => self.texts.get(&**text).copied(),
            other => self.others.get(&written(other)?).copied(),
        }
    }
}

/// A schema, and the messages that have it.
#[derive(Debug)]
struct Candidate {
    schema: String,
    names: Vec<Box<str>>,
    fixed: Vec<(String, Vec<Json>)>,
    validator: Validator<Viewed>,
}

impl Candidate {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    fn fits(&self, tree: &Tree<'_>) -> bool {
        self.validator.is_valid(View::of(tree))
    }

    /// The rule that a message breaks which does not fit.
    fn finding(&self, tree: &Tree<'_>) -> Option<Finding> {
        let error = self.validator.validate(View::of(tree)).err()?;
        Some(text::finding(&error, self.names()))
    }

    /// The number of fixed properties that a message has as this candidate fixes them.
    fn likeness(&self, tree: &Tree<'_>) -> usize {
        let is_fixed = |(name, values): &&(String, Vec<Json>)| {
            let value = tree.field(tree.root(), name).and_then(written);
            value.is_some_and(|value| values.iter().any(|fixed| key(fixed) == value))
        };
        self.fixed.iter().filter(is_fixed).count()
    }
}

impl Messages {
    fn compile(model: &Model, ids: &[String], by: Option<&str>, patterns: &PatternCache) -> Self {
        let mut messages = Self::default();
        let mut values = 0_usize;
        let mut by = by.map(|name| Discriminator { name: name.into(), texts: HashMap::new(), others: HashMap::new() });
        for message in ids.iter().filter_map(|id| model.message(id)) {
            match messages.add(model, message, &mut values, patterns) {
                Ok(index) => {
                    let Some(by) = &mut by else { continue };
                    let fixed = message.discriminators.iter().filter(|(name, _)| **name == *by.name);
                    for value in fixed.flat_map(|(_, values)| values) {
                        match value {
                            Json::String(text) => by.texts.insert(text.as_str().into(), index),
                            other => by.others.insert(key(other), index),
                        };
                    }
                }
                Err(reason) => messages.unchecked.push((message.id.as_str().into(), reason.into())),
            }
        }
        messages.by = by.filter(|by| !by.texts.is_empty() || !by.others.is_empty());
        messages
    }

    /// The index of the message's candidate.
    fn add(
        &mut self,
        model: &Model,
        message: &Message,
        values: &mut usize,
        patterns: &PatternCache,
    ) -> Result<usize, String> {
        if let Some(reason) = &message.unchecked {
            return Err(reason.clone());
        }
        let payload = message.payload.as_ref().ok_or("the document does not describe its payload")?;
        if let Format::Other(_) = &payload.format {
            return Err("its schema is no JSON Schema".to_owned());
        }
        if let Some(index) = self.candidates.iter().position(|candidate| candidate.schema == payload.schema) {
            let same = self.candidates.get_mut(index);
            same.into_iter().for_each(|candidate| candidate.names.push(message.id.as_str().into()));
            return Ok(index);
        }
        let document = Document::of(model, &payload.schema)?;
        *values = values.saturating_add(document.values);
        if *values > MAX_SCHEMA_VALUES {
            return Err(format!("the schemas of this direction have more than {MAX_SCHEMA_VALUES} values"));
        }
        self.candidates.push(Candidate {
            schema: payload.schema.clone(),
            names: vec![message.id.as_str().into()],
            fixed: message.discriminators.clone(),
            validator: compile::validator(&document, patterns)?,
        });
        Ok(self.candidates.len().saturating_sub(1))
    }

    /// The reason to pass a message that fits nothing: it may be one that cannot be checked.
    fn reason(&self) -> Option<Reason> {
        self.unchecked.first().map(|(_, reason)| Reason::Message(Arc::clone(reason)))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().flat_map(Candidate::names)
    }

    fn violation(&self, finding: Finding) -> Verdict {
        self.reason().map_or_else(|| Verdict::Violation(Box::new(finding)), Verdict::Unchecked)
    }

    fn check(&self, bytes: &[u8]) -> Checked {
        let tree = match Tree::read(bytes) {
            Ok(tree) => tree,
            // Reading takes about as long as a few looks at each value.
            Err(fault) => {
                let looks = u32::try_from(bytes.len()).unwrap_or(u32::MAX).div_euclid(8);
                return Checked { verdict: self.unreadable(fault), looks };
            }
        };
        let verdict = self.verdict(&tree);
        let verdict = if tree.is_exhausted() { Verdict::Unchecked(Reason::TooMuchWork) } else { verdict };
        Checked { verdict, looks: tree.looked() }
    }

    fn unreadable(&self, fault: Fault) -> Verdict {
        let (rule, text) = match fault {
            Fault::TooDeep => return Verdict::Unchecked(Reason::TooDeep),
            Fault::TooManyValues => return Verdict::Unchecked(Reason::TooManyValues),
            Fault::NotJson => (Rule::NOT_JSON, "the text is no JSON"),
            Fault::DuplicateName => (Rule::DUPLICATE_NAME, "an object has two properties of one name"),
        };
        self.violation(Finding::new(rule, "", self.names(), text))
    }

    fn verdict(&self, tree: &Tree<'_>) -> Verdict {
        let candidates = match &self.by {
            Some(by) => {
                let Some(candidate) = by.candidate(tree).and_then(|index| self.candidates.get(index)) else {
                    let pointer = format!("/{}", escaped(&by.name));
                    let text = format!("`{}` names none of the messages of this direction", by.name);
                    return self.violation(Finding::new(Rule::UNKNOWN_MESSAGE, &pointer, self.names(), text));
                };
                std::slice::from_ref(candidate)
            }
            None => self.candidates.as_slice(),
        };
        let mut fitting = candidates.iter().filter(|candidate| candidate.fits(tree));
        match (fitting.next(), fitting.next()) {
            (Some(_), None) => Verdict::Valid,
            (Some(one), Some(other)) => {
                let names = one.names().chain(other.names()).chain(fitting.flat_map(Candidate::names));
                let text = "the message fits several messages of the contract, and no property tells them apart";
                Verdict::Ambiguous(Box::new(Finding::new(Rule::MATCHES_SEVERAL, "", names, text)))
            }
            (None, _) => match (candidates, nearest(candidates, tree)) {
                (_, None) => Verdict::Valid,
                // Its discriminating field says which message it means to be.
                ([_], Some(finding)) if self.by.is_some() => Verdict::Violation(Box::new(finding)),
                (_, Some(finding)) => self.violation(finding),
            },
        }
    }
}

/// The finding of the candidate that a message comes nearest to: of those that share most of its fixed properties, the one whose
/// fault lies deepest.
fn nearest(candidates: &[Candidate], tree: &Tree<'_>) -> Option<Finding> {
    let mut by_likeness: Vec<(usize, &Candidate)> =
        candidates.iter().map(|candidate| (candidate.likeness(tree), candidate)).collect();
    by_likeness.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
    let most = by_likeness.first().map(|(likeness, _)| *likeness)?;
    let like = by_likeness.into_iter().take_while(|(likeness, _)| *likeness == most).take(MAX_COMPARED);
    let mut findings: Vec<Finding> = like.filter_map(|(_, candidate)| candidate.finding(tree)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.depth()));
    findings.into_iter().next()
}

/// A simple value as JSON; `None` for a list or an object.
fn written(node: &Node<'_>) -> Option<Box<str>> {
    let json = match node {
        Node::Null => Json::Null,
        Node::Bool(value) => Json::Bool(*value),
        Node::Number(number) => Json::Number(number.clone()),
        Node::Text(text) => Json::String(text.clone().into_owned()),
        Node::List(_) | Node::Fields(_) => return None,
    };
    Some(key(&json))
}

/// A value as JSON. `1` and `1.0` are the same number.
fn key(value: &Json) -> Box<str> {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}").into(),
        _ => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests;
