//! Decides whether SQLite's log (`ringway.db-wal`) belongs to the database beside it.
//!
//! SQLite applies every log that is whole. Where a node was killed, and a backup was then copied over `ringway.db` alone, SQLite
//! would undo the restore, or mix pages of two databases. So the store notes in a file which log belongs to which database:
//! the log's salts (a new pair whenever SQLite begins the log again) and the checksum of the database that the log builds on,
//! which no commit changes. Only a checkpoint changes it, and the store alone makes checkpoints while it is open.
//!
//! | note | at the start |
//! |---|---|
//! | missing, as before the first change, during a checkpoint and after an ordinary end | the log is believed |
//! | of another log: the files are a copy of another time, with their own log | the log is believed |
//! | of this log, and the database has the noted checksum | the log is believed |
//! | of this log, and the database has another checksum | the database was replaced: the log is put aside |

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::control::state_dir::{Existing, StateDir, write_whole};

/// The salts in the header of a log (sqlite.org/fileformat2.html#walformat): eight bytes from byte 16 on.
const SALTS_AT: usize = 16;
const HEADER_BYTES: usize = 32;
/// More than a note has.
const MAX_NOTE_BYTES: u64 = 4096;
/// The most logs that are put aside in one directory.
const MAX_ASIDE: u32 = 1000;

/// The note.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Note {
    /// The log's salts, in hexadecimal.
    log: String,
    /// The SHA-256 of the database that the log builds on.
    database: String,
}

/// Says whether the database was replaced while its log stayed. Reads the whole database if there is a log and a note. Call
/// this while no connection is open: closing a file of a database takes SQLite's locks away.
///
/// # Errors
/// A file cannot be read.
pub(super) fn is_replaced(state: &StateDir) -> io::Result<bool> {
    if !state.has_log() {
        return Ok(false);
    }
    let Some(note) = read_note(&state.log_note()) else { return Ok(false) };
    if Some(note.log) != salts(&state.log())? {
        return Ok(false);
    }
    Ok(note.database != checksum(&File::open(state.database())?)?)
}

/// Renames a log that does not belong to the database, and removes its index. Returns the new path.
///
/// # Errors
/// The files cannot be renamed or removed; the log is still in its place then.
pub(super) fn put_aside(state: &StateDir) -> io::Result<PathBuf> {
    let log = state.log();
    let free = |path: &PathBuf| fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let aside = (1..=MAX_ASIDE).map(|number| numbered(&log, number)).find(free);
    let aside = aside.ok_or_else(|| io::Error::other("too many logs were put aside; remove them"))?;
    match fs::remove_file(state.log_index()) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&log, &aside)?;
    forget(state)?;
    Ok(aside)
}

fn numbered(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".aside-{number}"));
    name.into()
}

/// Notes that the log belongs to the database. Call this after the first commit behind a checkpoint. `file` is the database,
/// opened before SQLite opened it and closed after: the first close of any of a process's descriptors of a file takes away all
/// of its locks (fcntl(2)).
///
/// # Errors
/// A file cannot be read, or the note cannot be written. There may be no note then, and the log is believed.
pub(super) fn note(state: &StateDir, file: &File) -> io::Result<()> {
    let Some(log) = salts(&state.log())? else { return Ok(()) };
    let note = Note { log, database: checksum(file)? };
    write_whole(&state.log_note(), &serde_json::to_vec(&note)?, Existing::Replaced)
}

/// Removes the note. Call this before a checkpoint: it changes the database.
///
/// # Errors
/// The note cannot be removed: there must be no checkpoint.
pub(super) fn forget(state: &StateDir) -> io::Result<()> {
    match fs::remove_file(state.log_note()) {
        Ok(()) => File::open(state.path())?.sync_all(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The note; `None` if there is none, or another text.
fn read_note(path: &Path) -> Option<Note> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_NOTE_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The salts of a log; `None` for one without a header.
fn salts(log: &Path) -> io::Result<Option<String>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(log)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    let salts = header.get(SALTS_AT..SALTS_AT.saturating_add(8)).filter(|_| header.len() == HEADER_BYTES);
    Ok(salts.map(hex))
}

fn checksum(file: &File) -> io::Result<String> {
    let (mut context, mut buffer, mut at) = (Context::new(&SHA256), vec![0; 64 * 1024], 0_u64);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hex(context.finish().as_ref())),
            Ok(n) => {
                context.update(buffer.get(..n).unwrap_or_default());
                at = at.saturating_add(n as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
