//! Channels: the paths below an API's base path, and what the handshake on each must have.
//!
//! In: plain specs ([`ChannelSpec`]), and the rest of a request's path after the base path, with its query and headers. Out:
//! the request's channel ([`Match`]), or the value that does not fit ([`Unfit`]). The table is immutable; it knows neither
//! AsyncAPI nor HTTP answers.
//!
//! - Percent-encoding is normalised as that of base paths is (`routing/path.rs`), slashes are significant, and no value spans
//!   one. The base path with and without a slash is the channel `/`.
//! - The path alone chooses the channel (`tree.rs`); its values are checked after. So a value that does not fit is an error
//!   that names it, and never leads to another channel.
//! - Work is bounded by the head of the request and by constants, and does not depend on the number of channels.

mod pattern;
mod segment;
mod spec;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use self::pattern::Patterns;
use self::segment::Segment;
pub use self::spec::{ChannelSpec, SpecError, ValueSpec};
use self::tree::{MAX_SEGMENTS, MAX_VISITS, Tree};
use self::value::{Broken, Value, Values};
use super::path::{decoded, units};
use crate::invariant::Invariant;
use crate::proto::query;
use crate::proto::request::is_of_handshake;

/// The most channels of a table.
const MAX_CHANNELS: usize = 65_536;
/// The most bytes of a path.
const MAX_PATH_BYTES: usize = 4_096;
/// The first segment of paths that are Ringway's own.
const RESERVED: &str = ".ringway";
/// The channels that have a label of their own; the others share [`OTHER`].
pub const MAX_LABELS: usize = 100;
/// The label of channels that have none of their own.
pub const OTHER: &str = "other";
/// The most characters of a label.
const MAX_LABEL_CHARS: usize = 128;

/// The channels of an API.
#[derive(Debug)]
pub struct Channels {
    channels: Box<[Arc<Channel>]>,
    tree: Tree,
}

/// One path below the base path. Connections keep it for as long as they live, also when a later table does not have it.
pub struct Channel {
    /// The place among the specs that the table was built from.
    pub index: usize,
    /// The path as the contract has it, with its `{parameter}`s.
    pub path: Arc<str>,
    /// The names of the contract's channels that share the path.
    pub names: Box<[Box<str>]>,
    /// The label of metrics: the path, cut to 128 characters and without quotation marks, or [`OTHER`].
    pub label: Arc<str>,
    /// The parameters of the path, in its order.
    parameters: Box<[Value]>,
    query: Values,
    headers: Values,
}

/// The channel of a request.
#[derive(Debug)]
pub enum Match<'c> {
    /// The request's channel, whose rules it keeps.
    Listed(&'c Arc<Channel>),
    /// No channel has this path.
    Unlisted,
    /// The path is one of Ringway's own, which are never a channel.
    Reserved,
}

/// A request that breaks a rule of its channel.
#[derive(Debug)]
pub struct Unfit<'c> {
    /// The channel.
    pub channel: &'c Arc<Channel>,
    /// The rule.
    pub rule: BrokenRule,
    /// The name of the value in the contract: no text of the request.
    pub name: &'c Arc<str>,
}

/// The rule of a channel that a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// A parameter of the path has a value that is not allowed.
    ParameterInvalid,
    /// The query lacks a parameter.
    QueryMissing,
    /// A parameter of the query has a value that is not allowed.
    QueryInvalid,
    /// A header is missing.
    HeaderMissing,
    /// A header has a value that is not allowed.
    HeaderInvalid,
}

impl Channels {
    /// Builds the table.
    ///
    /// # Errors
    /// The first path that cannot be served, and why.
    pub fn build(specs: Vec<ChannelSpec>) -> Result<Self, SpecError> {
        if specs.len() > MAX_CHANNELS {
            return Err(SpecError::new("", format!("there are more than {MAX_CHANNELS} channels")));
        }
        let mut tree = Tree::default();
        let mut patterns = Patterns::default();
        let mut channels: Vec<Arc<Channel>> = Vec::with_capacity(specs.len());
        for (index, spec) in specs.into_iter().enumerate() {
            let path = spec.path.clone();
            let fault = |message| SpecError::new(&path, message);
            let (segments, names) = segments_of(&path).map_err(fault)?;
            tree.add(segments, index).map_err(|other| {
                let other = channels.get(other).map_or("", |other| &*other.path);
                fault(format!("no request can tell it from `{}`", other.escape_debug()))
            })?;
            channels.push(Arc::new(Channel::new(spec, index, &names, &mut patterns).map_err(fault)?));
        }
        let visits = tree.most_visits();
        if visits > MAX_VISITS {
            let message = format!(
                "the channels' paths overlap too much: to find the channel of a request can take {visits} comparisons, and \
                 may take {MAX_VISITS}"
            );
            return Err(SpecError::new("", message));
        }
        Ok(Self { channels: channels.into(), tree })
    }

    /// All channels, in the order of their specs.
    #[must_use]
    pub fn all(&self) -> &[Arc<Channel>] {
        &self.channels
    }

    /// The channel of a request. `rest` is the path and query after the base path: empty, or beginning with a slash or
    /// question mark, in ASCII. `headers` are those that reach the upstream.
    ///
    /// # Errors
    /// The rule of its channel that the request breaks.
    pub fn find<'r>(
        &self,
        rest: &'r str,
        headers: impl Iterator<Item = (&'r str, &'r [u8])>,
    ) -> Result<Match<'_>, Unfit<'_>> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let first = path.split('/').next().expected_or_default();
        if units(first) == RESERVED {
            return Ok(Match::Reserved);
        }
        let count = if path.is_empty() { 0 } else { path.split('/').take(MAX_SEGMENTS.saturating_add(1)).count() };
        if !self.tree.may_hold(count) {
            return Ok(Match::Unlisted);
        }
        let segments: Vec<Cow<'_, str>> = path.split('/').take(count).map(units).collect();
        let Some((index, values)) = self.tree.find(&segments) else { return Ok(Match::Unlisted) };
        let Some(channel) = self.channels.get(index) else { return Ok(Match::Unlisted) };
        match channel.broken(&values, query, headers) {
            None => Ok(Match::Listed(channel)),
            Some((rule, name)) => Err(Unfit { channel, rule, name }),
        }
    }
}

impl Channel {
    fn new(spec: ChannelSpec, index: usize, names: &[&str], patterns: &mut Patterns) -> Result<Self, String> {
        let label = if index < MAX_LABELS { label_of(&spec.path) } else { OTHER.to_owned() };
        let mut described = spec.parameters;
        let parameters: Result<Vec<Value>, String> = names
            .iter()
            .map(|name| {
                let known = described.iter_mut().find(|known| known.name == *name);
                let known = known.map(std::mem::take).unwrap_or_default();
                Value::new(ValueSpec { name: (*name).to_owned(), ..known }, patterns)
            })
            .collect();
        let mut headers = spec.headers;
        // The handshake has rules of its own for these, and the upstream gets others.
        headers.retain(|header| !is_of_handshake(&header.name));
        Ok(Self {
            index,
            path: spec.path.into(),
            names: spec.names.into_iter().map(String::into_boxed_str).collect(),
            label: label.into(),
            parameters: parameters?.into(),
            query: Values::new(spec.query, value::exactly, patterns)?,
            headers: Values::new(headers, value::without_case, patterns)?,
        })
    }

    /// The first rule that a request breaks, and the name that it is about: parameters of the path first, then the query.
    fn broken<'r>(
        &self,
        values: &[&str],
        query: &'r str,
        headers: impl Iterator<Item = (&'r str, &'r [u8])>,
    ) -> Option<(BrokenRule, &Arc<str>)> {
        for (parameter, value) in self.parameters.iter().zip(values) {
            let bytes = decoded(value);
            let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            if !parameter.fits_in_path(text) {
                return Some((BrokenRule::ParameterInvalid, &parameter.name));
            }
        }
        if let Err((broken, name)) = self.query.check(query::pairs(query)) {
            let rule = match broken {
                Broken::Missing => BrokenRule::QueryMissing,
                Broken::Invalid => BrokenRule::QueryInvalid,
            };
            return Some((rule, name));
        }
        let headers = headers.map(|(name, value)| {
            (Cow::Borrowed(name), std::str::from_utf8(value.trim_ascii()).ok().map(Cow::Borrowed))
        });
        let (broken, name) = self.headers.check(headers).err()?;
        let rule = match broken {
            Broken::Missing => BrokenRule::HeaderMissing,
            Broken::Invalid => BrokenRule::HeaderInvalid,
        };
        Some((rule, name))
    }
}

/// A path as a label: without what the text format of metrics would need escaped.
fn label_of(path: &str) -> String {
    let shown = |character: char| match character {
        '"' | '\\' => '_',
        character if character.is_control() => '_',
        character => character,
    };
    path.chars().take(MAX_LABEL_CHARS).map(shown).collect()
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.path).finish()
    }
}

/// The segments of a template, and the names of its parameters in their order.
fn segments_of(path: &str) -> Result<(Vec<Segment>, Vec<&str>), String> {
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("it has more than {MAX_PATH_BYTES} bytes"));
    }
    let rest = path.strip_prefix('/').ok_or("it does not begin with `/`")?;
    let mut names = Vec::new();
    if rest.is_empty() {
        return Ok((Vec::new(), names));
    }
    if rest.split('/').count() > MAX_SEGMENTS {
        return Err(format!("it has more than {MAX_SEGMENTS} segments"));
    }
    let segments: Result<Vec<Segment>, String> =
        rest.split('/').map(|segment| Segment::read(segment, &mut names)).collect();
    let segments = segments?;
    if matches!(segments.first(), Some(Segment::Literal(first)) if **first == *RESERVED) {
        return Err(format!("paths below `/{RESERVED}/` are Ringway's own"));
    }
    Ok((segments, names))
}
