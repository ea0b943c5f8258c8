//! Files of documents: one file, or all `*.yaml` and `*.yml` files in a folder and below, in the order of their names; for
//! the command line also several of these, and standard input.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::contracts::{self, Upload};
use super::document::{Document, Origin};
use super::read::{self, Fault, Readable};
use crate::api::ContractDigest;
use crate::api::view::apply::{DeclaredContract, DocumentFile};

/// The most bytes of a file, and of all files together.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
const MAX_TOTAL_BYTES: u64 = 256 * 1024 * 1024;
/// The most files, and the most folders inside one another.
const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 32;

/// Reads the documents of a file or a folder.
///
/// # Errors
/// All faults, with file, line and column.
pub fn documents(path: &Path) -> Result<Vec<Document>, Vec<Fault>> {
    let (mut texts, mut unread) = collect(path);
    unread.extend(nothing_there(path, &texts, &unread));
    let _ = read_contracts(&mut texts);
    match read::files(&texts) {
        Ok(documents) if unread.is_empty() => Ok(documents),
        Ok(_) => Err(unread),
        Err(mut wrong) => {
            wrong.append(&mut unread);
            Err(wrong)
        }
    }
}

/// Reads the documents of a file or a folder that can be read, with the contracts that they name. A folder without files declares
/// nothing, which is no fault.
#[must_use]
pub fn readable_documents(path: &Path) -> (Readable, Contracts) {
    let (mut texts, mut unread) = collect(path);
    let contracts = read_contracts(&mut texts);
    let mut read = read::readable_files(&texts);
    read.faults.append(&mut unread);
    (read, contracts)
}

/// The bytes of contracts, by their digests.
pub type Contracts = BTreeMap<ContractDigest, Vec<u8>>;

/// Reads the contracts that documents name by a path, which is relative to the file of the document. What cannot be read is noted
/// in the file.
#[must_use]
pub fn read_contracts(files: &mut [DocumentFile]) -> Contracts {
    let mut contracts = Contracts::new();
    let mut total = 0_u64;
    for file in files {
        for path in read::contract_paths(&file.text) {
            match contracts::upload(&beside(&file.name, &path)) {
                Ok(Upload { bytes, main }) => {
                    let digest = ContractDigest::of(&bytes);
                    total = total.saturating_add(bytes.len() as u64);
                    if total > MAX_TOTAL_BYTES {
                        let why = format!("the contracts of all files have more than {MAX_TOTAL_BYTES} bytes");
                        file.unread.insert(path, why);
                        continue;
                    }
                    file.contracts.insert(path, DeclaredContract { digest, main });
                    contracts.insert(digest, bytes);
                }
                Err(why) => drop(file.unread.insert(path, why)),
            }
        }
    }
    contracts
}

/// A path that a file names. For standard input it is relative to the current folder.
fn beside(file: &str, path: &str) -> PathBuf {
    if file == STANDARD_INPUT_NAME {
        return PathBuf::from(path);
    }
    Path::new(file).parent().unwrap_or(Path::new("")).join(path)
}

/// Takes out the files that documents of the other files name as their contracts, or as a folder of one: in a folder with both,
/// they are no documents.
fn without_contracts(texts: &mut Vec<DocumentFile>) {
    let named = texts
        .iter()
        .flat_map(|file| read::contract_paths(&file.text).into_iter().map(|path| beside(&file.name, &path)));
    let named: Vec<PathBuf> = named.filter_map(|path| fs::canonicalize(path).ok()).collect();
    if named.is_empty() {
        return;
    }
    let is_named = |path: &Path| named.iter().any(|contract| path.starts_with(contract));
    texts.retain(|file| !fs::canonicalize(&file.name).is_ok_and(|path| is_named(&path)));
}

/// The path that stands for standard input, and its name in messages.
const STANDARD_INPUT: &str = "-";
const STANDARD_INPUT_NAME: &str = "(standard input)";

/// Reads the texts of files and folders, and of standard input (`-`), in the order in which they are named.
///
/// # Errors
/// Every fault: a file cannot be read, there are too many, they are too long, or a source has no document.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<DocumentFile>, Vec<Fault>> {
    let (mut texts, mut faults) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let is_input = path == Path::new(STANDARD_INPUT);
        if paths.get(..index).unwrap_or_default().contains(path) {
            faults.push(fault(name(path), "it is named twice".to_owned()));
            continue;
        }
        let (mut found, mut unread) = if is_input { input() } else { collect(path) };
        if !is_input {
            unread.extend(nothing_there(path, &found, &unread));
        }
        // An empty pipe or file is a mistake somewhere before: nothing to do would hide it.
        if unread.is_empty() && found.iter().all(|file| has_no_document(&file.text)) {
            unread.push(fault(name(path), "there is no document in it".to_owned()));
        }
        texts.append(&mut found);
        faults.append(&mut unread);
    }
    let total = texts.iter().fold(0, |total: u64, file| total.saturating_add(file.text.len() as u64));
    if total > MAX_TOTAL_BYTES {
        let all = paths.first().map_or(Path::new(""), |path| name(path));
        faults.push(fault(all, format!("the files have more than {MAX_TOTAL_BYTES} bytes together")));
    }
    if faults.is_empty() { Ok(texts) } else { Err(faults) }
}

/// The name of a source in messages.
fn name(path: &Path) -> &Path {
    if path == Path::new(STANDARD_INPUT) { Path::new(STANDARD_INPUT_NAME) } else { path }
}

/// True for a text with blank lines, comments and separators alone.
fn has_no_document(text: &str) -> bool {
    let says_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---" || line == "...";
    text.trim_start_matches('\u{feff}').lines().all(|line| says_nothing(line.trim()))
}

/// The text of standard input.
fn input() -> (Vec<DocumentFile>, Vec<Fault>) {
    match text_of(io::stdin().lock(), Path::new(STANDARD_INPUT_NAME)) {
        Ok(text) => (vec![DocumentFile::new(STANDARD_INPUT_NAME.to_owned(), text)], Vec::new()),
        Err(fault) => (Vec::new(), vec![fault]),
    }
}

/// The texts of documents that could be read, and why the others could not.
fn collect(path: &Path) -> (Vec<DocumentFile>, Vec<Fault>) {
    let (mut texts, unread) = collect_all(path);
    without_contracts(&mut texts);
    (texts, unread)
}

fn collect_all(path: &Path) -> (Vec<DocumentFile>, Vec<Fault>) {
    let files = match listed(path) {
        Ok(files) => files,
        Err(fault) => return (Vec::new(), vec![fault]),
    };
    let (mut texts, mut unread, mut total) = (Vec::with_capacity(files.len()), Vec::new(), 0_u64);
    for file in &files {
        match text(file) {
            Ok(text) => {
                total = total.saturating_add(text.len() as u64);
                texts.push(DocumentFile::new(file.display().to_string(), text));
            }
            Err(fault) => unread.push(fault),
        }
        if total > MAX_TOTAL_BYTES {
            unread.push(fault(file, format!("the files have more than {MAX_TOTAL_BYTES} bytes with this one")));
            break;
        }
    }
    (texts, unread)
}

/// The files that a path names.
fn listed(path: &Path) -> Result<Vec<PathBuf>, Fault> {
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !about.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    below(path, 0, &mut files)?;
    Ok(files)
}

/// The fault of a folder without files, for somebody who names it to have it applied.
fn nothing_there(path: &Path, texts: &[DocumentFile], unread: &[Fault]) -> Option<Fault> {
    let is_empty = texts.is_empty() && unread.is_empty();
    is_empty.then(|| fault(path, "there is no *.yaml or *.yml file in this folder".to_owned()))
}

/// Adds the files of a folder, in the order of their names. Hidden files and folders, such as git's, are skipped.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(fault(folder, format!("folders are more than {MAX_DEPTH} deep: does a link lead in a circle?")));
    }
    let failed = |error: io::Error| unreadable(folder, &error);
    let entries = fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort();
    for path in entries {
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => below(&path, depth.saturating_add(1), files)?,
            Ok(about) if is_yaml && about.is_file() => files.push(path),
            Err(error) if is_yaml => return Err(unreadable(&path, &error)),
            _ => {}
        }
        if files.len() > MAX_FILES {
            return Err(fault(folder, format!("there are more than {MAX_FILES} files in it")));
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, Fault> {
    File::open(path).map_err(|error| unreadable(path, &error)).and_then(|file| text_of(file, path))
}

fn text_of(from: impl Read, path: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    match from.take(MAX_FILE_BYTES.saturating_add(1)).read_to_string(&mut text) {
        Ok(n) if n as u64 > MAX_FILE_BYTES => Err(fault(path, format!("it has more than {MAX_FILE_BYTES} bytes"))),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(fault(path, "it is not UTF-8".to_owned())),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let text = error.to_string();
    fault(path, text.split(" (os error").next().unwrap_or_default().to_lowercase())
}

/// A fault of a whole file.
fn fault(path: &Path, message: String) -> Fault {
    Fault { origin: Origin { file: path.display().to_string(), line: 0, column: 0 }, field: None, message }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::documents;
    use crate::api::contract::Side;

    fn text(name: &str) -> String {
        format!("apiVersion: ringway/v1\nkind: Api\nname: {name}\nversion: 1.0\ntargets: [ws://a]\n")
    }

    fn faults(path: &std::path::Path) -> Vec<String> {
        documents(path).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_names_and_below() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        for (file, name) in [("z.yaml", "z"), ("a.yml", "a"), ("b/c/d.yaml", "d"), (".git/x.yaml", "x"), ("n.txt", "n")]
        {
            std::fs::write(root.join(file), text(name)).unwrap();
        }
        let read = documents(root).unwrap();
        let names: Vec<&str> = read.iter().map(|document| document.key.identifier.as_str()).collect();
        assert_eq!(names, ["a", "d", "z"]);
        assert!(read[1].origin.to_string().ends_with("b/c/d.yaml:1:1"), "{:?}", read[1].origin);
        assert_eq!(documents(&root.join("n.txt")).unwrap().len(), 1, "a file that is named is read whatever its name");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("a.yaml"), text("one")).unwrap();
        std::fs::write(root.join("b.yaml"), text("one")).unwrap();
        std::fs::write(root.join("c.yaml"), text("c").replace("apiVersion: ringway/v1\n", "")).unwrap();
        std::fs::write(root.join("d.yaml"), [0xff, 0xfe]).unwrap();
        symlink("nowhere", root.join("e.yaml")).unwrap_or_default();
        let told = faults(root);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with("e.yaml: no such file or directory"), "{told:?}");
        std::fs::remove_file(root.join("e.yaml")).unwrap();
        let told = faults(root);
        let expected =
            ["c.yaml:1:1: missing field `apiVersion`", "b.yaml:1:1: default/one:1.0 is", "d.yaml: it is not UTF-8"];
        for (line, part) in told.iter().zip(expected) {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn d5_several_sources_are_read_and_one_without_a_document_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = |name: &str, text: &str| {
            std::fs::write(root.join(name), text).unwrap();
            root.join(name)
        };
        std::fs::create_dir(root.join("below")).unwrap();
        path("below/a.yaml", &text("a"));
        path("below/nothing.yaml", "# to come\n---\n");
        let one = path("one.yaml", &text("one"));
        let read = super::texts(&[one.clone(), root.join("below")]).unwrap();
        assert_eq!(read.len(), 3);
        assert!(read[0].name.ends_with("one.yaml") && read[1].name.ends_with("below/a.yaml"), "{read:?}");
        let told = |paths: &[std::path::PathBuf]| -> Vec<String> {
            super::texts(paths).unwrap_err().iter().map(ToString::to_string).collect()
        };
        for empty in ["", "\n\n", "# nothing\n", "---\n", "---\n---\n# x\n...\n"] {
            let faults = told(&[one.clone(), path("empty.yaml", empty)]);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].ends_with("empty.yaml: there is no document in it"), "{empty:?}: {faults:?}");
        }
        let faults = told(&[one.clone(), root.join("none.yaml"), one, root.join("empty.yaml")]);
        for (fault, says) in
            faults.iter().zip(["none.yaml: no such file", "one.yaml: it is named twice", "no document"])
        {
            assert!(fault.contains(says), "{says}: {faults:?}");
        }
        assert_eq!(faults.len(), 3, "all at once: {faults:?}");
    }

    #[test]
    fn a_contract_is_read_beside_its_document_and_is_no_document() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("below/chat")).unwrap();
        let asyncapi = "asyncapi: 2.6.0\ninfo: {title: A, version: '1.0'}\nchannels: {/: {}}\n";
        for file in ["below/one.asyncapi.yaml", "below/chat/asyncapi.yaml"] {
            std::fs::write(root.join(file), asyncapi).unwrap();
        }
        std::fs::write(root.join("below/one.yaml"), text("one") + "contract: one.asyncapi.yaml\n").unwrap();
        let two = text("two") + "contract: {path: below/chat, perspective: client}\n";
        std::fs::write(root.join("two.yaml"), two).unwrap();
        let read = documents(root).unwrap();
        let contracts: Vec<_> = read.iter().map(|document| document.definition.contract.clone().unwrap()).collect();
        assert_eq!(contracts[0].digest, crate::api::ContractDigest::of(asyncapi.as_bytes()));
        assert_eq!(contracts[0].main.as_deref(), Some("one.asyncapi.yaml"));
        assert_eq!((contracts[1].main.as_deref(), contracts[1].perspective.map(Side::as_str)), (None, Some("client")));
        let (read, bytes) = super::readable_documents(root);
        assert!(read.faults.is_empty() && contracts.iter().all(|contract| bytes.contains_key(&contract.digest)));
        std::fs::write(root.join("three.yaml"), text("three") + "contract: none.yaml\n").unwrap();
        let told = faults(root);
        assert!(
            told.len() == 1 && told[0].ends_with("three.yaml:6:11: contract: none.yaml: no such file or directory"),
            "{told:?}"
        );
        assert_eq!(super::readable_documents(root).0.documents.len(), 2);
    }

    #[test]
    fn a_folder_with_nothing_in_it_and_one_that_goes_in_a_circle_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(faults(root)[0].ends_with("there is no *.yaml or *.yml file in this folder"));
        symlink(root, root.join("again")).unwrap();
        assert!(faults(root)[0].contains("does a link lead in a circle"), "{:?}", faults(root));
        assert!(faults(&root.join("none"))[0].ends_with("none: no such file or directory"));
    }
}
