//! The files of a contract, in memory: one file, the files of a folder or of a zip archive, and documents that somebody
//! fetched beforehand, under their URLs.
//!
//! In: names and bytes. Out: [`Sources`], whose names are clean and whose number and size are bounded. Nothing here reads a
//! disk or a network.

pub mod zip;

use std::collections::BTreeMap;
use std::fmt;

use super::problem::{listed, quoted};

/// The most bytes of all files of a contract together: 16 MiB.
pub const MAX_BYTES: usize = 16 << 20;
/// The most files of a contract.
pub const MAX_FILES: usize = 2_000;
/// The name of a document that came without one.
pub const NO_NAME: &str = "contract";
/// The longest name of a file, in bytes.
pub const MAX_NAME_BYTES: usize = 1_024;

/// The files of a contract by name. A name is a relative path without `.` and `..`, or an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<String, Vec<u8>>,
    main: String,
}

/// The reason why files are not a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// There is no file.
    Empty,
    /// A name is absolute, leaves the folder, or is not a path at all.
    Name(String),
    /// Two files have one name.
    Twice(String),
    /// The files have more than [`MAX_BYTES`] bytes.
    TooLarge,
    /// There are more than [`MAX_FILES`] files.
    TooMany,
    /// No file looks like an AsyncAPI document.
    NoMain(Vec<String>),
    /// Several files look like AsyncAPI documents.
    ManyMains(Vec<String>),
    /// The file that was named as the main one is not there.
    MainMissing(String),
    /// The archive cannot be read.
    Zip(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| listed(names.iter().map(String::as_str));
        match self {
            Self::Empty => f.write_str("there is no file in it"),
            Self::Name(name) => {
                write!(f, "the name {} is not a relative path below one folder", quoted(name))
            }
            Self::Twice(name) => write!(f, "two files are named {}", quoted(name)),
            Self::TooLarge => write!(f, "a contract has {} MiB at most, all files together", MAX_BYTES >> 20),
            Self::TooMany => write!(f, "a contract has {MAX_FILES} files at most"),
            Self::NoMain(files) => {
                write!(f, "no file has `asyncapi` at its top; there are {}", names(files))
            }
            Self::ManyMains(files) => write!(f, "several AsyncAPI documents are in it; name one: {}", names(files)),
            Self::MainMissing(name) => write!(f, "the file {} is not in it", quoted(name)),
            Self::Zip(reason) => write!(f, "the zip archive cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for SourceError {}

impl Sources {
    /// An upload: the files of a zip archive, or one document. `main` is the name of the AsyncAPI document in the archive, or a
    /// name for the only one.
    ///
    /// # Errors
    /// The archive cannot be read, a name is not a path, a limit is exceeded, or the main document is not certain.
    pub fn uploaded(bytes: Vec<u8>, main: Option<&str>) -> Result<Self, SourceError> {
        if zip::is_zip(&bytes) { zip::unpacked(&bytes, main) } else { Self::one(main.unwrap_or(NO_NAME), bytes) }
    }

    /// One file.
    ///
    /// # Errors
    /// The name is not a path, or the file is too large.
    pub fn one(name: &str, bytes: Vec<u8>) -> Result<Self, SourceError> {
        Self::files([(name.to_owned(), bytes)], Some(name))
    }

    /// Several files. `main` names the AsyncAPI document; without it the one file that is one.
    ///
    /// # Errors
    /// A name is not a path, a limit is exceeded, or the main document is not certain.
    pub fn files(files: impl IntoIterator<Item = (String, Vec<u8>)>, main: Option<&str>) -> Result<Self, SourceError> {
        let mut kept = BTreeMap::new();
        let mut left = MAX_BYTES;
        for (name, bytes) in files {
            let name = clean(&name).ok_or(SourceError::Name(name))?;
            left = left.checked_sub(bytes.len()).ok_or(SourceError::TooLarge)?;
            if kept.len() >= MAX_FILES {
                return Err(SourceError::TooMany);
            }
            if kept.insert(name.clone(), bytes).is_some() {
                return Err(SourceError::Twice(name));
            }
        }
        let main = match main {
            Some(name) => {
                let clean = clean(name).filter(|name| kept.contains_key(name));
                clean.ok_or_else(|| SourceError::MainMissing(name.to_owned()))?
            }
            None => main_of(&kept)?,
        };
        Ok(Self { files: kept, main })
    }

    /// The name of the AsyncAPI document.
    #[must_use]
    pub fn main(&self) -> &str {
        &self.main
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The names of all files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// All files, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

/// True for the name of a document that was fetched beforehand.
#[must_use]
pub fn is_url(name: &str) -> bool {
    let scheme = name.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// A name without `.` steps; `None` if it is absolute, leaves the folder, or has a character that no path of a contract needs.
#[must_use]
pub fn clean(name: &str) -> Option<String> {
    if name.len() > MAX_NAME_BYTES || name.contains(['\\', '\0']) || name.chars().any(char::is_control) {
        return None;
    }
    if is_url(name) {
        return Some(name.to_owned());
    }
    joined(&[], name)
}

/// A relative path below a folder, both in steps; `None` if it is absolute, empty, or leaves the topmost folder.
#[must_use]
pub fn joined(folder: &[&str], path: &str) -> Option<String> {
    if path.starts_with('/') || path.get(1..2) == Some(":") {
        return None;
    }
    let mut steps = folder.to_vec();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    (!steps.is_empty()).then(|| steps.join("/"))
}

/// The only AsyncAPI document. Of several, the only one named `asyncapi.yaml`, `.yml` or `.json` that is nearest to the top.
fn main_of(files: &BTreeMap<String, Vec<u8>>) -> Result<String, SourceError> {
    if let (1, Some(only)) = (files.len(), files.keys().next()) {
        return Ok(only.clone());
    }
    if files.is_empty() {
        return Err(SourceError::Empty);
    }
    let mains: Vec<&String> = files.iter().filter(|(_, bytes)| is_asyncapi(bytes)).map(|(name, _)| name).collect();
    match mains.as_slice() {
        [] => return Err(SourceError::NoMain(files.keys().cloned().collect())),
        [only] => return Ok((*only).clone()),
        _ => {}
    }
    let depth = |name: &str| name.matches('/').count();
    let named = |name: &str| {
        let file = name.rsplit('/').next().unwrap_or_default();
        matches!(file, "asyncapi.yaml" | "asyncapi.yml" | "asyncapi.json")
    };
    let top = mains.iter().filter(|name| named(name)).map(|name| depth(name)).min();
    let nearest: Vec<&&String> = mains.iter().filter(|name| named(name) && Some(depth(name)) == top).collect();
    match nearest.as_slice() {
        [only] => Ok((**only).clone()),
        _ => Err(SourceError::ManyMains(mains.into_iter().cloned().collect())),
    }
}

/// True if a line of the file begins with the field `asyncapi`. The file need not be readable otherwise.
fn is_asyncapi(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.trim_start_matches('\u{feff}').lines().any(|line| {
        let line = line.trim_start_matches([' ', '\t', '{', '"', '\'']);
        line.strip_prefix("asyncapi").is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, MAX_FILES, SourceError, Sources, clean};

    fn files(names: &[(&str, &str)], main: Option<&str>) -> Result<String, SourceError> {
        let files = names.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        Sources::files(files, main).map(|sources| sources.main().to_owned())
    }

    #[test]
    fn a_name_stays_below_one_folder() {
        for (name, expected) in [
            ("a.yaml", Some("a.yaml")),
            ("./a//b/../c.yaml", Some("a/c.yaml")),
            ("https://a.example/x.yaml", Some("https://a.example/x.yaml")),
            ("../a", None),
            ("a/../../b", None),
            ("/etc/passwd", None),
            ("C:/x", None),
            ("a\\b", None),
            ("a\0", None),
            ("a\nb", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(clean(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn the_main_document_is_found_or_asked_for() {
        let (doc, other) = ("info: {}\nasyncapi: 2.6.0\n", "x: 1\n");
        assert_eq!(files(&[("x.yaml", other)], None).unwrap(), "x.yaml");
        assert_eq!(files(&[("x.yaml", other), ("y/z.yml", doc)], None).unwrap(), "y/z.yml");
        assert_eq!(files(&[("a.json", "{\"asyncapi\" : \"2.0.0\"}"), ("b", "")], None).unwrap(), "a.json");
        assert_eq!(
            files(&[("asyncapi.yaml", doc), ("old/asyncapi.yaml", doc), ("b.yaml", doc)], None).unwrap(),
            "asyncapi.yaml"
        );
        let two = files(&[("a/asyncapi.yaml", doc), ("b/asyncapi.yaml", doc)], None).unwrap_err();
        assert_eq!(
            two.to_string(),
            "several AsyncAPI documents are in it; name one: `a/asyncapi.yaml`, `b/asyncapi.yaml`"
        );
        assert_eq!(
            files(&[("a/asyncapi.yaml", doc), ("b/asyncapi.yaml", doc)], Some("./b/asyncapi.yaml")).unwrap(),
            "b/asyncapi.yaml"
        );
        assert!(matches!(files(&[("a", other), ("b", other)], None), Err(SourceError::NoMain(_))));
        assert!(matches!(files(&[("a", other)], Some("b")), Err(SourceError::MainMissing(_))));
        assert_eq!(files(&[], None), Err(SourceError::Empty));
    }

    #[test]
    fn size_and_number_are_bounded() {
        assert!(matches!(Sources::one("a", vec![0; MAX_BYTES + 1]), Err(SourceError::TooLarge)));
        let many = (0..=MAX_FILES).map(|n| (n.to_string(), Vec::new()));
        assert_eq!(Sources::files(many, None), Err(SourceError::TooMany));
        assert!(matches!(files(&[("a", ""), ("./a", "")], None), Err(SourceError::Twice(_))));
        assert!(matches!(files(&[("../a", "")], None), Err(SourceError::Name(_))));
    }
}
