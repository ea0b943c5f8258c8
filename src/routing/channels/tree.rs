//! The tree of all paths, by segments: finds the channel of a path by hash look-ups, however many channels there are.
//!
//! At each segment a text is tried before segments that are text in part, and these before a parameter alone. What was tried
//! first is given up if the rest of the path does not fit below it, so a path is found whenever some template fits it. Each
//! node stands at one depth, so a search visits it once at most; and the build refuses a tree in which any search could
//! visit more than [`MAX_VISITS`] of them. So no path, and no contract, makes a search long.

use std::borrow::Cow;
use std::collections::HashMap;

use super::segment::{Mixed, Segment};
use crate::invariant::Invariant;

/// The most segments of a path.
pub(super) const MAX_SEGMENTS: usize = 64;
/// The most nodes that a search may visit, whatever the path.
pub(super) const MAX_VISITS: usize = 512;

/// The tree. A path's values are collected while it is searched.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// The segments of the longest path.
    max_segments: usize,
    /// The bytes of the longest text: a longer segment of a request is none of them.
    max_text: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// The channel whose path ends here.
    channel: Option<usize>,
    texts: HashMap<Box<str>, usize>,
    /// In the order in which they are tried.
    mixed: Vec<Ends>,
    whole: Option<usize>,
}

/// The segments that are text in part, with prefixes and suffixes of these lengths.
#[derive(Debug)]
struct Ends {
    prefix_bytes: usize,
    suffix_bytes: usize,
    /// By prefix, then by suffix; those with the same ones in the order in which they are tried.
    edges: HashMap<Box<str>, HashMap<Box<str>, Vec<Edge>>>,
}

/// A segment, and the node that it leads to.
type Edge = (Mixed, usize);

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], max_segments: 0, max_text: 0 }
    }
}

impl Tree {
    /// Adds a path that leads to a channel.
    ///
    /// # Errors
    /// The channel that has the path already.
    pub(super) fn add(&mut self, segments: Vec<Segment>, channel: usize) -> Result<(), usize> {
        self.max_segments = self.max_segments.max(segments.len());
        let mut at = 0;
        for segment in segments {
            at = self.child(at, segment);
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        match node.channel {
            Some(other) => Err(other),
            None => {
                node.channel = Some(channel);
                Ok(())
            }
        }
    }

    /// The child of a node for a segment, which is made if there is none.
    fn child(&mut self, at: usize, segment: Segment) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return 0 };
        let child = match segment {
            Segment::Literal(text) => {
                self.max_text = self.max_text.max(text.len());
                *node.texts.entry(text).or_insert(new)
            }
            Segment::Whole => *node.whole.get_or_insert(new),
            Segment::Mixed(mixed) => node.mixed_child(mixed, new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The most nodes that a search can visit: of the texts of a node one at most fits a segment, while each prefix and
    /// suffix, and the parameter alone, may fit besides.
    pub(super) fn most_visits(&self) -> usize {
        let mut visits = vec![1_usize; self.nodes.len()];
        // A child was made after its parent.
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let of = |child: &usize| visits.get(*child).copied().expected_or_default();
            let texts = node.texts.values().map(of).max().unwrap_or(0);
            let mixed = node.mixed.iter().map(|ends| ends.most_visits(of));
            let mixed = mixed.fold(0, usize::saturating_add);
            let whole = node.whole.as_ref().map_or(0, of);
            let all = [texts, mixed, whole].into_iter().fold(1, usize::saturating_add);
            if let Some(own) = visits.get_mut(index) {
                *own = all;
            }
        }
        visits.first().copied().expected_or_default()
    }

    /// True if a path with so many segments may be found.
    pub(super) fn may_hold(&self, segments: usize) -> bool {
        segments <= self.max_segments
    }

    /// Finds the channel of a path, and the values of its parameters in their order.
    pub(super) fn find<'s>(&self, segments: &'s [Cow<'_, str>]) -> Option<(usize, Vec<&'s str>)> {
        let mut values = Vec::new();
        let channel = self.search(0, segments, &mut values)?;
        Some((channel, values))
    }

    /// The number of segments bounds the recursion.
    fn search<'s>(&self, at: usize, segments: &'s [Cow<'_, str>], values: &mut Vec<&'s str>) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let Some((segment, rest)) = segments.split_first() else { return node.channel };
        let text = if segment.len() <= self.max_text { node.texts.get(&**segment) } else { None };
        if let Some(found) = text.and_then(|child| self.search(*child, rest, values)) {
            return Some(found);
        }
        let before = values.len();
        for ends in &node.mixed {
            let Some((edges, middle)) = ends.edges_of(segment) else { continue };
            for (mixed, child) in edges {
                if mixed.capture(middle, values) {
                    if let Some(found) = self.search(*child, rest, values) {
                        return Some(found);
                    }
                    values.truncate(before);
                }
            }
        }
        let child = node.whole.filter(|_| !segment.is_empty())?;
        values.push(segment);
        let found = self.search(child, rest, values);
        if found.is_none() {
            values.truncate(before);
        }
        found
    }
}

impl Node {
    fn mixed_child(&mut self, mixed: Mixed, new: usize) -> usize {
        let lengths = (mixed.prefix.len(), mixed.suffix.len());
        let known = self.mixed.iter().position(|ends| (ends.prefix_bytes, ends.suffix_bytes) == lengths);
        let at = known.unwrap_or_else(|| {
            let (prefix_bytes, suffix_bytes) = lengths;
            let at = self.mixed.partition_point(|ends| (ends.prefix_bytes, ends.suffix_bytes) > lengths);
            #[expect(clippy::disallowed_methods, reason = "a partition point is in range")]
            self.mixed.insert(at, Ends { prefix_bytes, suffix_bytes, edges: HashMap::new() });
            at
        });
        let Some(ends) = self.mixed.get_mut(at) else { return new };
        let edges = ends.edges.entry(mixed.prefix.clone()).or_default().entry(mixed.suffix.clone()).or_default();
        if let Some((_, child)) = edges.iter().find(|(known, _)| *known == mixed) {
            return *child;
        }
        let at = edges.partition_point(|(known, _)| known.order() < mixed.order());
        #[expect(clippy::disallowed_methods, reason = "a partition point is in range")]
        edges.insert(at, (mixed, new));
        new
    }
}

impl Ends {
    /// The edges for a segment with such a prefix and suffix, and what is between them.
    fn edges_of<'s>(&self, segment: &'s str) -> Option<(&[Edge], &'s str)> {
        let end = segment.len().checked_sub(self.suffix_bytes).filter(|end| *end > self.prefix_bytes)?;
        let edges = self.edges.get(segment.get(..self.prefix_bytes)?)?.get(segment.get(end..)?)?;
        Some((edges, segment.get(self.prefix_bytes..end)?))
    }

    /// The most visits below: one prefix and suffix fit a segment, with all edges that share them. A text that is searched
    /// for in vain counts like a visit.
    fn most_visits(&self, of: impl Fn(&usize) -> usize) -> usize {
        let edges = self.edges.values().flat_map(HashMap::values);
        let below =
            edges.map(|edges| edges.iter().map(|(_, child)| of(child)).fold(edges.len(), usize::saturating_add));
        below.max().unwrap_or(0).saturating_add(1)
    }
}
