//! The parsed files of a contract, and what a `$ref` in them leads to.
//!
//! Files are parsed once, if a reference names them. A reference is resolved only when somebody asks, one step at a time, and
//! nothing is ever copied in its place: a cycle is a link to a value that is there already. Files outside the upload are never
//! read.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::document::pointer::{self, PointerFault};
use super::document::{Document, MAX_VALUES, Value, read};
use super::problem::{Level, MAX_PROBLEMS, Place, Problem, Problems, near, quoted};
use super::sources::{Sources, is_url, joined};

/// The most references on the way from one reference to its value.
pub const MAX_HOPS: usize = 64;

/// The bytes of references that may be followed, over all times that each is: many short ones may lead to one long one.
const MAX_FOLLOWED_BYTES: usize = 32 << 20;
/// The bytes that a step costs besides those of its text.
const BYTES_OF_HOP: usize = 16;

/// The field that makes a mapping a reference.
const REF: &str = "$ref";

/// The parsed files of a contract.
#[derive(Debug)]
pub struct Library {
    main: String,
    names: Vec<String>,
    /// Files that some reference names, and the main document.
    documents: BTreeMap<String, Result<Document, Box<Problem>>>,
    /// Searches for a nearest name that may still be made.
    searches: Cell<usize>,
    /// Bytes of references that may still be followed.
    followed: Cell<usize>,
}

/// The reason why a reference leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefFault {
    /// `$ref` is not a text.
    NotText,
    /// The reference is a URL that is not in the upload.
    Remote(String),
    /// The reference names a file of the machine.
    LocalFile(String),
    /// The path leaves the upload.
    Outside(String),
    /// The upload has no such file, and the name that is most like it.
    NoFile(String, Option<String>),
    /// The file is not YAML or JSON.
    Unreadable(String, String),
    /// The part after `#` is not a JSON Pointer.
    Pointer(PointerFault),
    /// A step of the pointer is not there: the pointer so far, the step, and the name that is most like it.
    Missing(String, String, Option<String>),
    /// References lead back to themselves.
    Cycle,
    /// More than [`MAX_HOPS`] references in a row.
    TooLong,
    /// All references together are followed too often for their length.
    TooMuchWork,
}

impl fmt::Display for RefFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("`$ref` must be a text"),
            Self::Remote(url) => {
                write!(f, "{} is not in the upload, and nothing is fetched while a contract is read", quoted(url))
            }
            Self::LocalFile(path) => write!(f, "{} names a file of this machine, which is never read", quoted(path)),
            Self::Outside(path) => write!(f, "{} leaves the folder of the upload", quoted(path)),
            Self::NoFile(name, _) => write!(f, "the upload has no file {}", quoted(name)),
            Self::Unreadable(name, reason) => write!(f, "the file {} cannot be read: {reason}", quoted(name)),
            Self::Pointer(fault) => fault.fmt(f),
            Self::Missing(so_far, step, _) if so_far.is_empty() => {
                write!(f, "the file has no {} at its top", quoted(step))
            }
            Self::Missing(so_far, step, _) => write!(f, "{} has no {}", quoted(so_far), quoted(step)),
            Self::Cycle => f.write_str("the references lead back to themselves and never to a value"),
            Self::TooLong => write!(f, "more than {MAX_HOPS} references lead to one another"),
            Self::TooMuchWork => write!(
                f,
                "the references of the contract are too many for their length: {} MiB of them were followed",
                MAX_FOLLOWED_BYTES >> 20
            ),
        }
    }
}

impl RefFault {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotText => "ref-type",
            Self::Remote(_) => "ref-remote",
            Self::LocalFile(_) | Self::Outside(_) => "ref-outside",
            Self::NoFile(..) => "ref-file",
            Self::Unreadable(..) => "ref-unreadable",
            Self::Pointer(_) => "ref-pointer",
            Self::Missing(..) => "ref-missing",
            Self::Cycle => "ref-cycle",
            Self::TooLong => "ref-chain",
            Self::TooMuchWork => "ref-work",
        }
    }

    /// The problem at a reference.
    #[must_use]
    pub fn problem(&self, level: Level, reference: Value<'_>) -> Problem {
        let place = reference.get(REF).map_or_else(|| reference.place(), Value::place);
        let problem = Problem::new(level, self.rule(), place, self.to_string());
        match self {
            Self::NoFile(_, nearest) | Self::Missing(_, _, nearest) => problem.nearest(nearest.as_deref()),
            Self::Remote(_) => problem.expected("`#/...` or a file of the upload, for instance in a zip archive"),
            Self::Pointer(PointerFault::NoSlash) => problem.expected("`#/` and the path to the value"),
            Self::NotText
            | Self::LocalFile(_)
            | Self::Outside(_)
            | Self::Unreadable(..)
            | Self::Pointer(PointerFault::NotUtf8)
            | Self::Cycle
            | Self::TooLong
            | Self::TooMuchWork => problem,
        }
    }
}

/// True for a mapping with `$ref`.
#[must_use]
pub fn is_reference(value: Value<'_>) -> bool {
    value.get(REF).is_some()
}

impl Library {
    /// Parses the main document and every file of the upload that a reference leads to. A main document that cannot be read
    /// is a problem.
    #[must_use]
    pub fn load(sources: &Sources, problems: &mut Problems) -> Self {
        let names = sources.names().map(str::to_owned).collect();
        let mut library = Self {
            main: sources.main().to_owned(),
            names,
            documents: BTreeMap::new(),
            searches: Cell::new(MAX_PROBLEMS),
            followed: Cell::new(MAX_FOLLOWED_BYTES),
        };
        let mut budget = MAX_VALUES;
        let mut next = vec![library.main.clone()];
        while let Some(name) = next.pop() {
            let Some(bytes) = sources.get(&name) else { continue };
            if library.documents.contains_key(&name) {
                continue;
            }
            let read = read::document(&name, bytes, &mut budget, problems);
            if let Ok(document) = &read {
                let texts = document.fields_named(REF).filter_map(Value::text);
                let names = texts.filter_map(|text| library.file_of(&name, split(text).0).ok());
                next.extend(names.filter(|name| !library.documents.contains_key(name)));
                next.sort_unstable();
                next.dedup();
            }
            if let Err(problem) = &read
                && name == library.main
            {
                problems.add((**problem).clone());
            }
            library.documents.insert(name, read);
        }
        library
    }

    /// The URLs of documents that references lead to and nobody fetched, in order, each once.
    #[must_use]
    pub fn remote_files(&self) -> Vec<String> {
        let mut wanted = Vec::new();
        for document in self.documents.values().filter_map(|read| read.as_ref().ok()) {
            let texts = document.fields_named(REF).filter_map(Value::text);
            let faults = texts.filter_map(|text| self.file_of(document.name(), split(text).0).err());
            wanted.extend(faults.filter_map(|fault| match fault {
                RefFault::Remote(url) if is_url(&url) => Some(url),
                _ => None,
            }));
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// The outermost value of the main document, if it was readable.
    #[must_use]
    pub fn root(&self) -> Option<Value<'_>> {
        self.documents.get(&self.main)?.as_ref().ok().map(Document::root)
    }

    /// The place where the main document begins; the file as a whole if it was not readable.
    #[must_use]
    pub fn place(&self) -> Place {
        self.root().map_or_else(|| Place::file(&self.main), Value::place)
    }

    /// Follows references to a value that is none. A value that is no reference is the answer itself.
    ///
    /// # Errors
    /// A reference leads nowhere.
    pub fn follow<'l>(&'l self, value: Value<'l>) -> Result<Value<'l>, RefFault> {
        self.followed(value, &mut MAX_HOPS.clone())
    }

    /// The value that one reference names, which may be a reference itself.
    ///
    /// # Errors
    /// The reference leads nowhere.
    pub fn target<'l>(&'l self, reference: Value<'l>) -> Result<Value<'l>, RefFault> {
        self.hop(reference, &mut MAX_HOPS.clone())
    }

    fn followed<'l>(&'l self, value: Value<'l>, hops: &mut usize) -> Result<Value<'l>, RefFault> {
        let mut here = value;
        let mut seen = vec![here.key()];
        while is_reference(here) {
            here = self.hop(here, hops)?;
            if seen.contains(&here.key()) {
                return Err(RefFault::Cycle);
            }
            seen.push(here.key());
        }
        Ok(here)
    }

    /// `hops` bounds the recursion of `followed`, `hop` and `walk`.
    fn hop<'l>(&'l self, reference: Value<'l>, hops: &mut usize) -> Result<Value<'l>, RefFault> {
        *hops = hops.checked_sub(1).ok_or(RefFault::TooLong)?;
        let target = reference.get(REF).filter(|target| target.scalar() == Some(super::document::Scalar::Text));
        let text = target.and_then(Value::text).ok_or(RefFault::NotText)?;
        self.named(text, reference.document().name(), hops)
    }

    /// The value that the text of a reference in a file leads to.
    ///
    /// # Errors
    /// The text leads nowhere.
    pub fn found_at<'l>(&'l self, text: &str, from: Value<'_>) -> Result<Value<'l>, RefFault> {
        let hops = &mut MAX_HOPS.clone();
        let found = self.named(text, from.document().name(), hops)?;
        self.followed(found, hops)
    }

    fn named<'l>(&'l self, text: &str, from: &str, hops: &mut usize) -> Result<Value<'l>, RefFault> {
        let cost = text.len().saturating_add(BYTES_OF_HOP);
        self.followed.set(self.followed.get().checked_sub(cost).ok_or(RefFault::TooMuchWork)?);
        let (file, fragment) = split(text);
        let name = self.file_of(from, file)?;
        let steps = pointer::steps(fragment).map_err(RefFault::Pointer)?;
        let root = match self.documents.get(&name) {
            Some(Ok(document)) => document.root(),
            Some(Err(problem)) => {
                let reason = format!("{}: {}", problem.place, problem.message);
                return Err(RefFault::Unreadable(name, reason));
            }
            None => return Err(RefFault::NoFile(name, None)),
        };
        self.walk(root, &steps, hops)
    }

    /// Walks down a pointer. A reference on the way counts as what it leads to.
    fn walk<'l>(&'l self, root: Value<'l>, steps: &[String], hops: &mut usize) -> Result<Value<'l>, RefFault> {
        let mut here = root;
        for step in steps {
            if is_reference(here) && here.step(step).is_none() {
                here = self.followed(here, hops)?;
            }
            here = here.step(step).ok_or_else(|| {
                let known = self.near(step, here.fields().map(|(name, _)| name));
                RefFault::Missing(here.pointer(), step.clone(), known)
            })?;
        }
        Ok(here)
    }

    fn near<'n>(&self, unknown: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
        self.searches.set(self.searches.get().checked_sub(1)?);
        near(unknown, known).map(str::to_owned)
    }

    /// The name of the file that a reference in `from` names.
    fn file_of(&self, from: &str, file: &str) -> Result<String, RefFault> {
        if file.is_empty() {
            return Ok(from.to_owned());
        }
        let is_here = |name: &str| self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
        if let Some((scheme, _)) = file.split_once(':')
            && !scheme.contains('/')
        {
            return match scheme.to_ascii_lowercase().as_str() {
                "file" => Err(RefFault::LocalFile(file.to_owned())),
                scheme if scheme.len() == 1 => Err(RefFault::LocalFile(file.to_owned())),
                _ if is_here(file) => Ok(file.to_owned()),
                _ => Err(RefFault::Remote(file.to_owned())),
            };
        }
        if file.starts_with("//") {
            return Err(RefFault::Remote(file.to_owned()));
        }
        if file.starts_with('/') {
            return Err(RefFault::LocalFile(file.to_owned()));
        }
        let (origin, path) = origin_and_path(from);
        let mut folder: Vec<&str> = path.split('/').collect();
        folder.pop();
        let below = |file: &str| joined(&folder, file).map(|path| format!("{origin}{path}"));
        let name = below(file).ok_or_else(|| RefFault::Outside(file.to_owned()))?;
        if is_here(&name) {
            return Ok(name);
        }
        let decoded = percent_decode_str(file).decode_utf8().ok().and_then(|file| below(&file));
        if let Some(decoded) = decoded.filter(|name| is_here(name)) {
            return Ok(decoded);
        }
        if is_url(&name) {
            return Err(RefFault::Remote(name));
        }
        let known = self.near(&name, self.names.iter().map(String::as_str));
        Err(RefFault::NoFile(name, known))
    }
}

/// The file and the fragment of a reference.
fn split(text: &str) -> (&str, &str) {
    text.split_once('#').unwrap_or((text, ""))
}

/// `https://host/` and the path below it; for a file of the upload nothing and its name.
fn origin_and_path(name: &str) -> (&str, &str) {
    let host = name.find("://").map_or(0, |at| at.saturating_add(3));
    let slash = name.get(host..).and_then(|rest| rest.find('/')).filter(|_| host > 0);
    let end = slash.map_or(0, |at| host.saturating_add(at).saturating_add(1));
    (name.get(..end).unwrap_or_default(), name.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Library, RefFault};
    use crate::contract::document::Value;
    use crate::contract::problem::{Level, Problems};
    use crate::contract::sources::Sources;

    fn library(files: &[(&str, &str)]) -> Library {
        let owned = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        let mut problems = Problems::default();
        let library = Library::load(&Sources::files(owned, Some(files[0].0)).unwrap(), &mut problems);
        assert!(problems.list().is_empty(), "{problems:?}");
        library
    }

    fn value<'l>(library: &'l Library, path: &str) -> Value<'l> {
        path.split('.').fold(library.root().unwrap(), |value, step| value.step(step).unwrap())
    }

    /// The value that the field `r` of a text leads to.
    fn led(text: &str) -> Result<String, RefFault> {
        let library = library(&[("a/main.yaml", text), ("a/b c.yaml", "x: {y: [z]}\n"), ("top.yaml", "t: 1\n")]);
        library.follow(value(&library, "r")).map(|value| format!("{}#{}", value.document().name(), value.pointer()))
    }

    #[test]
    fn a_reference_leads_to_its_value() {
        for (text, expected) in [
            ("r: {$ref: '#/a'}\na: 1\n", "a/main.yaml#/a"),
            ("r: {$ref: '#'}\n", ""),
            ("r: {$ref: '#/~1ws/a~0b'}\n/ws: {a~b: 1}\n", "a/main.yaml#/~1ws/a~0b"),
            ("r: {$ref: '#/%7Eb/c%20d'}\n'~b': 1\n'x': 2\n", ""),
            ("r: {$ref: '#/l/1'}\nl: [1, 2]\n", "a/main.yaml#/l/1"),
            ("r: {$ref: './b c.yaml#/x/y/0'}\n", "a/b c.yaml#/x/y/0"),
            ("r: {$ref: 'b%20c.yaml#/x'}\n", "a/b c.yaml#/x"),
            ("r: {$ref: '../top.yaml'}\n", "top.yaml#"),
            ("r: {$ref: '#/s'}\ns: {$ref: '#/t'}\nt: 1\n", "a/main.yaml#/t"),
            // Through a reference on the way.
            ("r: {$ref: '#/c/y/0'}\nc: {$ref: 'b c.yaml#/x'}\n", "a/b c.yaml#/x/y/0"),
        ] {
            if let (Ok(found), false) = (led(text), expected.is_empty()) {
                assert_eq!(found, expected);
            } else {
                assert!(expected.is_empty(), "{text}: {:?}", led(text));
            }
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_says_why() {
        for (text, told) in [
            ("r: {$ref: 1}\n", "`$ref` must be a text"),
            ("r: {$ref: 'https://a.example/x.yaml#/y'}\n", "nothing is fetched"),
            ("r: {$ref: '//a.example/x.yaml'}\n", "nothing is fetched"),
            ("r: {$ref: 'urn:x'}\n", "nothing is fetched"),
            ("r: {$ref: 'file:///etc/passwd'}\n", "never read"),
            ("r: {$ref: '/etc/passwd'}\n", "never read"),
            ("r: {$ref: 'C:/x.yaml'}\n", "never read"),
            ("r: {$ref: '../../x.yaml'}\n", "leaves the folder"),
            ("r: {$ref: 'c.yaml'}\n", "no file `a/c.yaml`"),
            ("r: {$ref: '#anchor'}\n", "must be empty or begin with `/`"),
            ("r: {$ref: '#/%ff'}\n", "not UTF-8"),
            ("r: {$ref: '#/a/b'}\na: {c: 1}\n", "`/a` has no `b`"),
            ("r: {$ref: '#/a'}\n", "the file has no `a` at its top"),
            ("r: {$ref: '#/s'}\ns: {$ref: '#/r'}\n", "lead back"),
            ("r: {$ref: '#/r/x'}\n", "more than 64"),
            ("r: {$ref: '#/r'}\n", "lead back"),
        ] {
            let fault = led(text).unwrap_err();
            assert!(fault.to_string().contains(told), "{text}: {fault}");
        }
        let chain: String = (0..100).map(|n| format!("a{n}: {{$ref: '#/a{}'}}\n", n + 1)).collect();
        assert_eq!(led(&format!("r: {{$ref: '#/a0'}}\n{chain}a100: 1\n")), Err(RefFault::TooLong));
    }

    #[test]
    fn a_problem_has_the_line_of_the_reference_and_the_nearest_name() {
        let library = library(&[("m.yaml", "r:\n  $ref: '#/messages/mesage'\nmessages: {message: 1}\n")]);
        let reference = value(&library, "r");
        let problem = library.follow(reference).unwrap_err().problem(Level::BlocksValidation, reference);
        assert_eq!((problem.place.line, problem.place.column, problem.place.pointer.as_str()), (2, 9, "/r/$ref"));
        assert_eq!(problem.nearest.as_deref(), Some("message"));
    }

    #[test]
    fn documents_that_were_fetched_beforehand_refer_to_each_other() {
        let library = library(&[
            ("m.yaml", "r: {$ref: 'https://a.example/d/x.json#/y'}\n"),
            ("https://a.example/d/x.json", "{\"y\": {\"$ref\": \"../z.json\"}}"),
            ("https://a.example/z.json", "{\"n\": {\"$ref\": \"../../m.yaml\"}}"),
        ]);
        let found = library.follow(value(&library, "r")).unwrap();
        assert_eq!(found.document().name(), "https://a.example/z.json");
        assert!(matches!(library.follow(found.get("n").unwrap()), Err(RefFault::Outside(_))));
    }

    #[test]
    fn a_file_that_nothing_names_is_not_parsed_and_a_broken_one_is_told_at_its_reference() {
        let files = [("m.yaml", "r: {$ref: 'b.proto'}\n"), ("b.proto", "a: [1"), ("c.yaml", "a: [1")];
        let library = library(&files);
        let fault = library.follow(value(&library, "r")).unwrap_err();
        assert!(fault.to_string().starts_with("the file `b.proto` cannot be read: b.proto:"), "{fault}");
        assert!(!library.documents.contains_key("c.yaml"));
    }
}
