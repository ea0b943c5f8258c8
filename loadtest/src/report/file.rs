//! Writes files atomically.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a temporary file next to `path` and renames it, so that an interrupted run leaves the old file or the new
/// one, never a part. `-` is standard output. An existing path that is not a regular file (`/dev/stderr`, a pipe) is
/// written to directly.
///
/// # Errors
/// Fails with the file that could not be written, and the reason.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let done = if path.as_os_str() == "-" {
        let mut output = io::stdout().lock();
        output.write_all(bytes).and_then(|()| output.flush())
    } else if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes))
    } else {
        replace(path, bytes)
    };
    done.map_err(|error| format!("{} was not written: {error}", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A symbolic link must keep pointing to the file instead of being replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&path)?;
    let written = OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, &path));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = std::env::temp_dir().join(format!("ringway-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("report.json");
        write(&path, b"first, and longer").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let link = folder.join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"third").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "something stayed beside it");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_refusal_names_the_file_and_leaves_nothing() {
        let error = write(Path::new("/nonexistent/ringway/report.json"), b"x").unwrap_err();
        assert!(error.contains("/nonexistent/ringway/report.json") && error.contains("No such file"), "{error}");
        assert!(write(Path::new(".."), b"x").is_err());
        write(Path::new("/dev/null"), b"x").unwrap();
    }
}
