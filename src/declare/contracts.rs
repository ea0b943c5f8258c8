//! Contracts on the disk: a file as it is, or the files of a folder, packed.
//!
//! A folder packs to the same bytes each time, so that its contract has one digest. Links are not followed: a folder from somewhere
//! else must not have files of the host uploaded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::contract::sources::{MAX_BYTES, MAX_FILES, zip};

/// The most folders inside one another.
const MAX_DEPTH: usize = 32;

/// The bytes to upload, and the name of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The document or archive.
    pub bytes: Vec<u8>,
    /// The name of the document; `None` for an archive.
    pub main: Option<String>,
}

impl Upload {
    /// A document or an archive, as it is. `name` names the document.
    #[must_use]
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        let main = (!zip::is_zip(&bytes)).then(|| name.to_owned());
        Self { bytes, main }
    }
}

/// Reads a file or a folder.
///
/// # Errors
/// Nothing can be read there, or it is too large: why, without the path.
pub fn upload(path: &Path) -> Result<Upload, String> {
    if fs::metadata(path).map_err(|error| unreadable(&error))?.is_dir() {
        let mut found = Found::default();
        found.add_folder(path, "", 0)?;
        let files = found.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        return Ok(Upload { bytes: zip::packed(files).map_err(|error| error.to_string())?, main: None });
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    Ok(Upload::new(&name, bounded(file)?))
}

/// Reads bytes up to the limit of a contract.
///
/// # Errors
/// The reading fails, or there are more.
pub fn bounded(from: impl Read) -> Result<Vec<u8>, String> {
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > MAX_BYTES { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> String {
    format!("a contract has {} MiB at most, all files together", MAX_BYTES >> 20)
}

/// The YAML and JSON files of a folder and below.
#[derive(Default)]
struct Found {
    files: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Found {
    /// Adds the files of a folder in the order of their names. Hidden ones and links are skipped.
    fn add_folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("its folders are more than {MAX_DEPTH} deep"));
        }
        let entries = fs::read_dir(folder).map_err(|error| unreadable(&error))?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(|error| unreadable(&error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().map_err(|error| unreadable(&error))?;
            let place = format!("{prefix}{name}");
            if name.starts_with('.') {
                continue;
            } else if kind.is_dir() {
                self.add_folder(&entry.path(), &format!("{place}/"), depth.saturating_add(1))?;
            } else if kind.is_file() && zip::is_unpacked(&name) {
                self.add_file(&entry.path(), place)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, name: String) -> Result<(), String> {
        if self.files.len() >= MAX_FILES {
            return Err(format!("a contract has {MAX_FILES} files at most"));
        }
        let file = File::open(path).map_err(|error| format!("{name}: {}", unreadable(&error)))?;
        let bytes = bounded(file)?;
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > MAX_BYTES {
            return Err(too_large());
        }
        self.files.push((name, bytes));
        Ok(())
    }
}

fn unreadable(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::upload;
    use crate::contract::Sources;
    use crate::contract::sources::MAX_BYTES;

    const DOCUMENT: &str = "asyncapi: 2.6.0\n";

    #[test]
    fn a_file_is_uploaded_as_it_is_and_a_folder_packs_to_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("api/.git")).unwrap();
        for (name, text) in [("asyncapi.yaml", DOCUMENT), ("api/b.json", "{}"), ("a.txt", "x"), ("api/.git/c.yaml", "")]
        {
            std::fs::write(root.join(name), text).unwrap();
        }
        symlink("/etc/passwd", root.join("secret.yaml")).unwrap();
        let file = upload(&root.join("asyncapi.yaml")).unwrap();
        assert_eq!((file.bytes.as_slice(), file.main.as_deref()), (DOCUMENT.as_bytes(), Some("asyncapi.yaml")));
        let packed = upload(root).unwrap();
        let sources = Sources::uploaded(packed.bytes.clone(), None).unwrap();
        assert_eq!(sources.names().collect::<Vec<_>>(), ["api/b.json", "asyncapi.yaml"]);
        assert_eq!(sources.main(), "asyncapi.yaml");
        std::fs::write(root.join("asyncapi.yaml"), DOCUMENT).unwrap();
        assert_eq!(upload(root).unwrap(), packed);
        std::fs::write(root.join("x.zip"), &packed.bytes).unwrap();
        assert_eq!(upload(&root.join("x.zip")).unwrap(), packed);
    }

    #[test]
    fn what_is_not_there_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(upload(&root.join("none")).unwrap_err(), "no such file or directory");
        std::fs::File::create(root.join("a.yaml")).unwrap().set_len(MAX_BYTES as u64 + 1).unwrap();
        assert!(upload(&root.join("a.yaml")).unwrap_err().contains("16 MiB at most"));
        assert!(upload(root).unwrap_err().contains("16 MiB at most"));
    }
}
