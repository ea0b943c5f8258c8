//! The text of a YAML or JSON file to its tree. JSON is read as the YAML that it is.
//!
//! The parser hands over events, so that nesting costs no stack. A fault of the syntax ends the reading; a duplicate key does
//! not. An alias copies what it names, as part of the bounded number of values; an alias inside its own anchor is a fault.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{Data, Document, Field, Fields, Id, MAX_DEPTH, Node, Scalar, scalar};
use crate::contract::problem::{Level, Place, Problem, Problems, quoted};

/// The longest name of a field, in bytes; without a `?` before it also in characters.
const MAX_KEY_CHARS: usize = 4096;

/// Reads a file. `budget` is the number of values that the contract may still have, and becomes smaller.
///
/// # Errors
/// The bytes are not UTF-8, the text is not YAML, or a limit is exceeded.
pub fn document(
    name: &str,
    bytes: &[u8],
    budget: &mut usize,
    problems: &mut Problems,
) -> Result<Document, Box<Problem>> {
    let fault = |rule, message: String| Problem::new(Level::BlocksRouting, rule, Place::file(name), message);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        fault("not-utf8", format!("the file is not UTF-8 from byte {at} on")).expected("YAML or JSON in UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        name,
        values: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        problems,
        budget: *budget,
        documents: 0,
    };
    reader.read(text)?;
    let Reader { values, budget: left, .. } = reader;
    if values.is_empty() {
        return Err(fault("empty", "the file is empty".to_owned()).expected("an AsyncAPI document").into());
    }
    *budget = left;
    Ok(Document { name: name.to_owned(), values })
}

/// A list or mapping whose end has not come yet.
struct Open {
    id: Id,
    /// The field or position in the parent, for the pointers of problems.
    step: String,
    anchor: usize,
    /// The name of the field whose value comes next.
    name: Option<Name>,
    /// Names so far, to find duplicates.
    names: HashSet<Box<str>>,
}

struct Name {
    text: Box<str>,
    line: u32,
    column: u32,
    is_merge: bool,
    is_duplicate: bool,
}

struct Reader<'r> {
    name: &'r str,
    values: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Id>,
    problems: &'r mut Problems,
    budget: usize,
    documents: usize,
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Reader<'_> {
    fn read(&mut self, text: &str) -> Result<(), Box<Problem>> {
        let mut options = granit_parser::options! {
            simple_key_max_lookahead: MAX_KEY_CHARS, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|error| self.syntax(&error))?;
            let (line, column) = (small(span.start.line()), small(span.start.col()).saturating_add(1));
            if let Event::DocumentStart(..) = event {
                self.documents = self.documents.saturating_add(1);
            }
            if self.documents > 1 {
                let message = "a second YAML document begins here; only the first one is read";
                self.problems.add(Problem::new(Level::Note, "second-document", self.at(line, column), message));
                return Ok(());
            }
            self.event(event, &span, line, column)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: &Span, line: u32, column: u32) -> Result<(), Box<Problem>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = kind(&text, style, tag.as_deref());
                if self.expects_name() {
                    return self.field_name(&text, style, span);
                }
                let id = self.add(Data::Scalar(text.into(), kind), line, column)?;
                self.anchors.insert(anchor, id);
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Data::List(Vec::new()), anchor, line, column)?,
            Event::MappingStart(_, anchor, _) => self.begin(Data::Fields(Fields::default()), anchor, line, column)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                if self.expects_name() {
                    return Err(self.fault("key", line, column, "an alias cannot be the name of a field").into());
                }
                self.alias(anchor, line, column)?;
            }
            // Nothing else is a value; the last two are not asked for.
            _ => {}
        }
        Ok(())
    }

    fn at(&self, line: u32, column: u32) -> Place {
        let mut pointer = String::new();
        for step in self.open.iter().skip(1).map(|open| open.step.as_str()).chain(self.next_step().as_deref()) {
            pointer.push('/');
            pointer.push_str(&super::pointer::escaped(step));
            if pointer.len() > super::MAX_POINTER_BYTES {
                pointer = String::new();
                break;
            }
        }
        Place { file: self.name.to_owned(), line, column, pointer }
    }

    /// The field or position of the value that comes next.
    fn next_step(&self) -> Option<String> {
        let open = self.open.last()?;
        match self.values.get(open.id as usize).map(|node| &node.data) {
            Some(Data::List(items)) => Some(items.len().to_string()),
            Some(Data::Fields(_) | Data::Scalar(..)) | None => open.name.as_ref().map(|name| name.text.to_string()),
        }
    }

    fn fault(&self, rule: &'static str, line: u32, column: u32, message: impl Into<String>) -> Problem {
        Problem::new(Level::BlocksRouting, rule, self.at(line, column), message)
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let (line, column) = (small(error.marker().line()), small(error.marker().col()).saturating_add(1));
        if *error.kind() == granit_parser::ErrorKind::RecursionLimitExceeded {
            return self.too_deep(line, column);
        }
        self.fault("syntax", line, column, format!("the file is neither YAML nor JSON: {}", error.info()))
    }

    fn too_deep(&self, line: u32, column: u32) -> Problem {
        let message = format!("lists and mappings are nested deeper than {MAX_DEPTH}");
        let mut fault = self.fault("depth", line, column, message);
        fault.place.pointer = String::new();
        fault
    }

    /// True if the next scalar is a field's name.
    fn expects_name(&self) -> bool {
        self.open.last().is_some_and(|open| open.name.is_none() && self.is_mapping(open.id))
    }

    fn is_mapping(&self, id: Id) -> bool {
        matches!(self.values.get(id as usize).map(|node| &node.data), Some(Data::Fields(_)))
    }

    fn field_name(&mut self, text: &str, style: ScalarStyle, span: &Span) -> Result<(), Box<Problem>> {
        let (line, column) = (small(span.start.line()), small(span.start.col()).saturating_add(1));
        if text.len() > MAX_KEY_CHARS {
            let message = format!("the name of a field has {} bytes, and may have {MAX_KEY_CHARS}", text.len());
            return Err(self.fault("key", line, column, message).into());
        }
        let is_merge = text == "<<" && style == ScalarStyle::Plain;
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let is_duplicate = !open.names.insert(text.into());
        open.name = Some(Name { text: text.into(), line, column, is_merge, is_duplicate });
        if is_duplicate {
            let message = format!("the field {} is in this mapping twice", quoted(text));
            self.problems.add(self.fault("duplicate-key", line, column, message).expected("each name once"));
        }
        Ok(())
    }

    /// Adds a value to the list or mapping that is open.
    fn add(&mut self, data: Data, line: u32, column: u32) -> Result<Id, Box<Problem>> {
        let Some(left) = self.budget.checked_sub(1) else {
            let message = format!("the contract has more than {} values", super::MAX_VALUES);
            return Err(self.fault("too-many-values", line, column, message).into());
        };
        self.budget = left;
        let id = small(self.values.len());
        let parent = self.open.last().map(|open| open.id);
        let index = parent.map_or(0, |parent| self.attach(parent, id));
        let parent = parent.unwrap_or(0);
        self.values.push(Node { data, line, column, parent, index });
        Ok(id)
    }

    /// Enters a value in its parent, and gives its position there.
    fn attach(&mut self, parent: Id, id: Id) -> u32 {
        let name = self.open.last_mut().and_then(|open| open.name.take());
        match self.values.get_mut(parent as usize).map(|node| &mut node.data) {
            Some(Data::List(items)) => {
                items.push(id);
                small(items.len()).saturating_sub(1)
            }
            Some(Data::Fields(fields)) => {
                let Some(name) = name else { return u32::MAX };
                // The first of two fields of one name counts.
                if name.is_duplicate {
                    return u32::MAX;
                }
                // A text that no field has: what it holds is merged at the end of the mapping.
                let text = if name.is_merge { MERGE.into() } else { name.text };
                fields.list.push(Field { name: text, line: name.line, column: name.column, value: id });
                small(fields.list.len()).saturating_sub(1)
            }
            Some(Data::Scalar(..)) | None => u32::MAX,
        }
    }

    fn begin(&mut self, data: Data, anchor: usize, line: u32, column: u32) -> Result<(), Box<Problem>> {
        if self.expects_name() {
            return Err(self.fault("key", line, column, "a list or mapping cannot be the name of a field").into());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(line, column).into());
        }
        let step = self.next_step().unwrap_or_default();
        let id = self.add(data, line, column)?;
        self.open.push(Open { id, step, anchor, name: None, names: HashSet::new() });
        Ok(())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.merge(open.id);
        if let Some(Data::Fields(fields)) = self.values.get_mut(open.id as usize).map(|node| &mut node.data) {
            fields.index();
        }
        self.anchors.insert(open.anchor, open.id);
    }

    /// Copies what an anchor names to the place of its alias.
    fn alias(&mut self, anchor: usize, line: u32, column: u32) -> Result<(), Box<Problem>> {
        let is_open = self.open.iter().any(|open| open.anchor == anchor);
        let Some(from) = self.anchors.get(&anchor).copied().filter(|_| !is_open) else {
            return Err(self.fault("alias-cycle", line, column, "an alias is inside the value that it names").into());
        };
        self.copy(from, line, column)
    }

    /// The depth of `open` bounds the recursion.
    fn copy(&mut self, from: Id, line: u32, column: u32) -> Result<(), Box<Problem>> {
        let Some(node) = self.values.get(from as usize) else { return Ok(()) };
        match &node.data {
            Data::Scalar(text, kind) => {
                let data = Data::Scalar(text.clone(), *kind);
                self.add(data, line, column)?;
            }
            Data::List(items) => {
                let items = items.clone();
                self.begin(Data::List(Vec::new()), 0, line, column)?;
                for item in items {
                    self.copy(item, line, column)?;
                }
                self.end();
            }
            Data::Fields(fields) => {
                let copied = |field: &Field| (field.name.clone(), field.line, field.column, field.value);
                let fields: Vec<_> = fields.list.iter().map(copied).collect();
                self.begin(Data::Fields(Fields::default()), 0, line, column)?;
                for (text, name_line, name_column, value) in fields {
                    if let Some(open) = self.open.last_mut() {
                        let (line, column) = (name_line, name_column);
                        open.name = Some(Name { text, line, column, is_merge: false, is_duplicate: false });
                    }
                    self.copy(value, line, column)?;
                }
                self.end();
            }
        }
        Ok(())
    }

    /// Takes the fields of `<<: *anchor` into the mapping, where it has no field of that name.
    fn merge(&mut self, id: Id) {
        let Some(Data::Fields(fields)) = self.values.get_mut(id as usize).map(|node| &mut node.data) else { return };
        let Some(at) = fields.list.iter().position(|field| &*field.name == MERGE) else { return };
        let mut own = std::mem::take(&mut fields.list);
        let merged = own.get(at).map(|field| field.value);
        own.retain(|field| &*field.name != MERGE);
        let sources: Vec<Id> = match merged.and_then(|id| self.values.get(id as usize).map(|node| (id, &node.data))) {
            Some((id, Data::Fields(_))) => vec![id],
            Some((_, Data::List(items))) => items.clone(),
            Some((_, Data::Scalar(..))) | None => Vec::new(),
        };
        let mut names: HashSet<Box<str>> = own.iter().map(|field| field.name.clone()).collect();
        for source in sources {
            let Some(Data::Fields(fields)) = self.values.get_mut(source as usize).map(|node| &mut node.data) else {
                continue;
            };
            own.extend(std::mem::take(&mut fields.list).into_iter().filter(|field| names.insert(field.name.clone())));
        }
        for (index, field) in own.iter().enumerate() {
            if let Some(value) = self.values.get_mut(field.value as usize) {
                (value.parent, value.index) = (id, small(index));
            }
        }
        if let Some(Data::Fields(fields)) = self.values.get_mut(id as usize).map(|node| &mut node.data) {
            fields.list = own;
        }
    }
}

/// The name of a merge key until the end of its mapping. NUL is no character of YAML.
const MERGE: &str = "\0<<";

fn kind(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    match tag.and_then(|tag| tag.core_suffix()) {
        Some("str") => Scalar::Text,
        Some(_) => scalar::kind(text),
        None if style == ScalarStyle::Plain && tag.is_none_or(|tag| !tag.is_custom()) => scalar::kind(text),
        None => Scalar::Text,
    }
}

/// A value found by its pointer, for tests.
#[cfg(test)]
pub(crate) fn find<'d>(document: &'d Document, pointer: &str) -> Option<super::Value<'d>> {
    let steps = super::pointer::steps(pointer).ok()?;
    steps.iter().try_fold(document.root(), |value, step| value.step(step))
}

#[cfg(test)]
mod tests;
