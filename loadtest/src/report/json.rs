//! The report as a JSON file, which contains the version of its format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::file;
use super::model::{FORMAT, Report};

/// The largest file that is read: a run of one day has 86,400 seconds, some 17 MiB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Writes the report, to standard output if the path is `-`. Files are written atomically.
///
/// # Errors
/// Fails with the file that could not be written, and the reason.
pub fn write(report: &Report, path: &Path) -> Result<(), String> {
    let mut text = serde_json::to_vec_pretty(report).map_err(|error| format!("the report is not JSON: {error}"))?;
    text.push(b'\n');
    file::write(path, &text)
}

/// Reads a report, from standard input if the path is `-`.
///
/// # Errors
/// Fails with the file and its fault: it is missing, too large, not a report, or in a format that this program does not
/// support.
pub fn read(path: &Path) -> Result<Report, String> {
    let said = |why: String| format!("{}: {why}", path.display());
    let mut bytes = Vec::new();
    let limited = |from: &mut dyn Read, bytes: &mut Vec<u8>| from.take(MAX_FILE_BYTES + 1).read_to_end(bytes);
    let done = if path.as_os_str() == "-" {
        limited(&mut std::io::stdin().lock(), &mut bytes)
    } else {
        File::open(path).and_then(|mut file| limited(&mut file, &mut bytes))
    };
    let length = done.map_err(|error| said(error.to_string()))?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(said(format!("it is larger than {} MiB, so it is no report", MAX_FILE_BYTES >> 20)));
    }
    parse(&bytes).map_err(said)
}

fn parse(bytes: &[u8]) -> Result<Report, String> {
    /// Only the version, which is read first: another format may differ in everything else.
    #[derive(serde::Deserialize)]
    struct Versioned {
        format: u32,
    }
    match serde_json::from_slice(bytes) {
        Ok(Versioned { format: FORMAT }) => {}
        Ok(Versioned { format }) => {
            return Err(format!("it is in format {format}; this program reads format {FORMAT}"));
        }
        Err(error) if error.is_data() => return Err(format!("it is not a report of ringway-load: {error}")),
        Err(error) => return Err(format!("it is not JSON: {error}")),
    }
    serde_json::from_slice(bytes).map_err(|error| format!("it is not a whole report: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{parse, read, write};
    use crate::report::sample;
    use proptest::prelude::{any, proptest};
    use std::fs;
    use std::path::{Path, PathBuf};

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ringway-json-{}-{name}", std::process::id()))
    }

    #[test]
    fn what_is_written_is_read() {
        let path = scratch("whole.json");
        let report = sample::echo();
        write(&report, &path).unwrap();
        let back = read(&path).unwrap();
        let same = serde_json::to_string(&back).unwrap() == serde_json::to_string(&report).unwrap();
        assert!(same, "{} was not read as it was written", path.display());
        assert!(fs::read(&path).unwrap().ends_with(b"}\n"));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_with_the_files_name() {
        let absent = read(Path::new("/nonexistent/run.json")).unwrap_err();
        assert!(absent.starts_with("/nonexistent/run.json: No such file"), "{absent}");
        let path = scratch("large.json");
        fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
        assert!(read(&path).unwrap_err().contains("larger than 64 MiB"));
        fs::remove_file(&path).unwrap();
        for (text, says) in [
            ("", "not JSON"),
            ("{\"format\": 1", "not JSON"),
            ("[]", "not a report"),
            ("{\"name\": \"x\"}", "missing field `format`"),
            ("{\"format\": 2, \"anything\": []}", "format 2; this program reads format 1"),
            ("{\"format\": 1}", "not a whole report: missing field `tool`"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in any::<proptest::sample::Index>(), put: u8) {
            let _ = parse(&bytes);
            let mut whole = serde_json::to_vec(&sample::small()).unwrap();
            let at = cut.index(whole.len());
            whole[at] = put;
            let _ = parse(&whole);
            whole.truncate(at);
            let _ = parse(&whole);
        }
    }
}
