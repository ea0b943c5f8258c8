//! Files of lines, each with a checksum that also covers the line before: a line that is missing, changed or moved is noticed. The
//! first line has everything, a later one what changed; once those are longer than the first, the file is to be replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Algorithm, Context};
use serde::Serialize;

/// The most that is read: 100,000 deployments with targets of the usual length, or 4,000 with sixteen of the longest; or 10,000
/// applications with ten subscriptions and fifty keys each.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// The length of later lines up to which a file is never replaced because of them.
const MIN_CHANGES_BYTES: u64 = 64 * 1024;

/// The end of a file that a line can be added to.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// The checksum of the last line.
    pub(super) sum: String,
    /// The length of the first line.
    pub(super) first_bytes: u64,
    /// The length of the file.
    pub(super) bytes: u64,
    /// False for a file of an earlier form, and for one whose last line is not whole: the next write replaces it.
    pub(super) takes_lines: bool,
}

impl End {
    /// Adds a line with this checksum; `None` if the file must be replaced instead. The line is on the disk when this returns.
    pub(super) fn append(&self, path: &Path, mut line: Vec<u8>, sum: String) -> io::Result<Option<Self>> {
        line.push(b'\n');
        let bytes = self.bytes.saturating_add(line.len() as u64);
        let most = self.first_bytes.saturating_add(self.first_bytes.max(MIN_CHANGES_BYTES)).min(MAX_BYTES);
        if !self.takes_lines || bytes > most {
            return Ok(None);
        }
        let mut file = OpenOptions::new().append(true).open(path)?;
        if let Err(error) = file.write_all(&line).and_then(|()| file.sync_data()) {
            // Half a line would make the lines before it doubtful. A disk that does not even do this has the file replaced later.
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        Ok(Some(Self { sum, bytes, ..*self }))
    }
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| error.to_string();
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    Ok(bytes)
}

/// The checksum of a line: of the one before, followed by the value as JSON without spaces.
pub(super) fn sum(algorithm: &'static Algorithm, before: &str, value: &impl Serialize) -> serde_json::Result<String> {
    let mut context = Context::new(algorithm);
    context.update(before.as_bytes());
    context.update(&serde_json::to_vec(value)?);
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
