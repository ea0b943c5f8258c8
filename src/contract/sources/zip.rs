//! A zip archive as a set of files. Only YAML and JSON is unpacked, and never more than a contract may have.

use std::io::{Cursor, Read, Write};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{MAX_BYTES, MAX_FILES, SourceError, Sources};

/// The most entries of an archive, those that are not unpacked among them.
const MAX_ENTRIES: usize = 20_000;

/// The endings of the names that are unpacked.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// True if bytes begin as a zip archive does.
#[must_use]
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// True if a file of this name is unpacked: YAML, JSON, or a document that was fetched beforehand.
#[must_use]
pub fn is_unpacked(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    super::is_url(name) || ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// True for the shadow that archives of macOS have of each file.
fn is_shadow(name: &str) -> bool {
    !super::is_url(name) && (name.starts_with("__MACOSX/") || name.contains("/._"))
}

/// Packs files into an archive. The bytes depend on the files and their order alone.
///
/// # Errors
/// The files make no archive.
pub fn packed<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<Vec<u8>, SourceError> {
    let fault = |error: &dyn std::fmt::Display| SourceError::Zip(error.to_string());
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name, options).map_err(|error| fault(&error))?;
        writer.write_all(bytes).map_err(|error| fault(&error))?;
    }
    Ok(writer.finish().map_err(|error| fault(&error))?.into_inner())
}

/// Unpacks the YAML and JSON files of an archive. `main` names the AsyncAPI document, as in [`Sources::files`].
///
/// # Errors
/// The archive is damaged, has an entry that leaves the folder, is a link or is encrypted, or exceeds a limit.
pub fn unpacked(bytes: &[u8], main: Option<&str>) -> Result<Sources, SourceError> {
    let fault = |error: ::zip::result::ZipError| SourceError::Zip(error.to_string());
    if bytes.len() > MAX_BYTES {
        return Err(SourceError::TooLarge);
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(fault)?;
    if archive.len() > MAX_ENTRIES {
        return Err(SourceError::TooMany);
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(fault)?;
        let name = entry.name().map_err(fault)?.into_owned();
        // The URL of a document may end in a slash, as the name of a folder does.
        let is_folder = entry.is_dir() && !super::is_url(&name);
        if !is_folder && super::clean(&name).is_none() {
            return Err(SourceError::Name(name));
        }
        if is_folder || is_shadow(&name) || !is_unpacked(&name) {
            continue;
        }
        if entry.is_symlink() {
            return Err(SourceError::Zip(format!("{} is a link", super::quoted(&name))));
        }
        if files.len() >= MAX_FILES {
            return Err(SourceError::TooMany);
        }
        // The size that an entry declares may be a lie: the reading itself ends at the limit.
        let most = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
        let mut unpacked = Vec::new();
        let read = entry.by_ref().take(most).read_to_end(&mut unpacked);
        read.map_err(|error| SourceError::Zip(format!("{}: {error}", super::quoted(&name))))?;
        left = left.checked_sub(unpacked.len()).ok_or(SourceError::TooLarge)?;
        files.push((name, unpacked));
    }
    Sources::files(files, main)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::zip::ZipWriter;
    use ::zip::write::SimpleFileOptions;

    use super::super::{MAX_BYTES, SourceError};
    use super::{is_zip, packed, unpacked};

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            if let Some(target) = name.strip_suffix(" ->") {
                writer.add_symlink(target, "/etc/passwd", SimpleFileOptions::default()).unwrap();
                continue;
            }
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn yaml_and_json_is_unpacked_and_nothing_else() {
        let bytes = archive(&[
            ("api/asyncapi.yaml", b"asyncapi: 2.6.0\n"),
            ("api/x.json", b"{}"),
            ("logo.png", b"\xff"),
            ("__MACOSX/api/._asyncapi.yaml", b"\xff"),
        ]);
        assert!(is_zip(&bytes));
        let sources = unpacked(&bytes, None).unwrap();
        assert_eq!(sources.main(), "api/asyncapi.yaml");
        assert_eq!(sources.names().collect::<Vec<_>>(), ["api/asyncapi.yaml", "api/x.json"]);
    }

    #[test]
    fn what_is_packed_is_unpacked_as_it_was() {
        // Names of documents that were fetched have no ending that tells anything.
        let files = [
            ("a.yaml", &b"asyncapi: 2.6.0\n"[..]),
            ("https://a.example/._schema", b"x: 1\n"),
            ("https://a.example/schema?raw", b"x: 2\n"),
            ("https://a.example/schemas/", b"x: 3\n"),
            ("https://a.example/schemas/text", b"x: 4\n"),
        ];
        let bytes = packed(files).unwrap();
        assert_eq!(packed(files).unwrap(), bytes);
        assert_eq!(unpacked(&bytes, None).unwrap().iter().collect::<Vec<_>>(), files);
    }

    #[test]
    fn what_leaves_the_folder_is_a_link_or_is_too_large_is_refused() {
        assert!(matches!(unpacked(&archive(&[("../a.yaml", b"")]), None), Err(SourceError::Name(_))));
        assert!(matches!(unpacked(&archive(&[("/etc/a.yaml", b"")]), None), Err(SourceError::Name(_))));
        assert!(matches!(unpacked(&archive(&[("a.yaml ->", b"")]), None), Err(SourceError::Zip(_))));
        let bomb = archive(&[("a.yaml", &vec![b' '; MAX_BYTES + 1])]);
        assert!(bomb.len() < MAX_BYTES / 100, "{}", bomb.len());
        assert_eq!(unpacked(&bomb, None), Err(SourceError::TooLarge));
        assert!(matches!(unpacked(b"PK\x03\x04nonsense", None), Err(SourceError::Zip(_))));
        assert_eq!(unpacked(&archive(&[]), None), Err(SourceError::Empty));
        let mut damaged = archive(&[("a.yaml", &[b'x'; 5000])]);
        damaged[60] ^= 0xff;
        assert!(unpacked(&damaged, None).is_err());
    }
}
