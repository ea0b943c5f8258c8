//! Hostile files: bytes that are no text, sets of files that leave their folder, and zip archives that are not what they say.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::hostile::used_files;
use crate::contract::Sources;
use crate::contract::sources::zip::{is_zip, unpacked};
use crate::contract::sources::{MAX_BYTES, MAX_FILES, SourceError};

/// The end of a row.
enum End {
    /// The files are no contract, in these words.
    Refused(&'static str),
    /// The contract has a problem with this rule.
    Told(&'static str),
}

use End::{Refused, Told};

/// The name, the files, and their end.
type Row = (&'static str, Result<Sources, SourceError>, End);

const DOCUMENT: &[u8] = b"asyncapi: 2.6.0\nchannels: {/: {publish: {message: {payload: {$ref: 'b.yaml#/c'}}}}}\n";

fn one(bytes: Vec<u8>) -> Result<Sources, SourceError> {
    if is_zip(&bytes) { unpacked(&bytes, None) } else { Sources::one("asyncapi.yaml", bytes) }
}

fn folder(files: &[(&str, &[u8])]) -> Result<Sources, SourceError> {
    Sources::files(files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())), None)
}

fn archive(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    archive([(name.to_owned(), bytes.to_vec())])
}

/// An archive with bytes of its central directory's first entry changed.
fn forged(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = zipped("a.yaml", &[b' '; 100_000]);
    let central = archive.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    archive[central + offset..][..bytes.len()].copy_from_slice(bytes);
    archive
}

fn bytes() -> Vec<Row> {
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(DOCUMENT.iter().flat_map(|byte| [*byte, 0])).collect();
    let mut gzip = vec![0x1f, 0x8b, 8, 0];
    gzip.extend([0xaa; 1000]);
    vec![
        ("50 MB in one file", one(vec![b' '; 50_000_000]), Refused("16 MiB at most")),
        ("one byte too many", one(vec![b'#'; MAX_BYTES + 1]), Refused("16 MiB at most")),
        ("16 MiB of spaces", one(vec![b' '; MAX_BYTES]), Told("empty")),
        ("16 MiB of tabs", one(vec![b'\t'; MAX_BYTES]), Told("empty")),
        ("no byte at all", one(Vec::new()), Told("empty")),
        ("bytes that are no UTF-8", one(vec![0xff; 1000]), Told("not-utf8")),
        ("UTF-16", one(utf_16), Told("not-utf8")),
        ("gzip", one(gzip), Told("not-utf8")),
        ("an ELF", one(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0".to_vec()), Told("syntax")),
        ("a page of HTML", one(b"<!doctype html><html><title>404</title></html>\n".to_vec()), Told("not-asyncapi")),
    ]
}

fn folders() -> Vec<Row> {
    let many = (0..=MAX_FILES).map(|n| (format!("{n}.yaml"), Vec::new()));
    let halves = (0..40).map(|n| (format!("{n}.yaml"), vec![b' '; 1 << 20]));
    let to_all: String = (0..1000).map(|n| format!("  - {{$ref: '{n}.yaml#/s'}}\n")).collect();
    let each_to_all = (0..100).map(|n| (format!("{n}.yaml"), format!("s:\n  oneOf:\n{to_all}").into_bytes()));
    let main = b"asyncapi: 2.6.0\nchannels: {/: {publish: {message: {payload: {$ref: '0.yaml#/s'}}}}}\n".to_vec();
    let each_to_all = each_to_all.chain([("asyncapi.yaml".to_owned(), main)]);
    vec![
        ("2,001 files", Sources::files(many, None), Refused("2000 files at most")),
        ("40 MB in 40 files", Sources::files(halves, None), Refused("16 MiB at most")),
        ("a file above the folder", folder(&[("../a.yaml", DOCUMENT)]), Refused("not a relative path")),
        ("a file of the system", folder(&[("/etc/passwd", DOCUMENT)]), Refused("not a relative path")),
        ("a file of another drive", folder(&[("C:/a.yaml", DOCUMENT)]), Refused("not a relative path")),
        ("a name with a NUL", folder(&[("a\0.yaml", DOCUMENT)]), Refused("not a relative path")),
        ("one file under two names", folder(&[("a.yaml", DOCUMENT), ("x/../a.yaml", b"")]), Refused("two files")),
        ("two documents", folder(&[("a.yaml", DOCUMENT), ("c.yaml", DOCUMENT)]), Refused("several AsyncAPI documents")),
        ("no document", folder(&[("a.yaml", b"x: 1\n"), ("b.yaml", b"")]), Refused("no file has `asyncapi`")),
        ("100 files that each refer to 1,000", Sources::files(each_to_all, None), Told("ref-file")),
        ("a neighbour that is no YAML", folder(&[("a.yaml", DOCUMENT), ("b.yaml", b"[")]), Told("ref-unreadable")),
        ("a neighbour that is not there", folder(&[("a.yaml", DOCUMENT)]), Told("ref-file")),
        (
            "a neighbour that is a bomb",
            folder(&[("a.yaml", DOCUMENT), ("b.yaml", "[".repeat(1 << 20).as_bytes())]),
            Told("ref-unreadable"),
        ),
    ]
}

fn archives() -> Vec<Row> {
    let files = |count: usize, size: usize, ending: &str| {
        archive((0..count).map(|n| (format!("{n}.{ending}"), vec![b' '; size])).collect::<Vec<_>>())
    };
    let mut cut = zipped("a.yaml", DOCUMENT);
    cut.truncate(cut.len() - 30);
    let mut large = b"PK\x03\x04".to_vec();
    large.resize(50_000_000, 0);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("a.yaml", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link = writer.finish().unwrap().into_inner();
    let inner = zipped("a.yaml", DOCUMENT);
    let deep = format!("{}a.yaml", "d/".repeat(1000));
    vec![
        ("a bomb of one file", one(zipped("a.yaml", &vec![b' '; 40 << 20])), Refused("16 MiB at most")),
        ("a bomb of 1,000 files", one(files(1000, 100_000, "yaml")), Refused("16 MiB at most")),
        ("50 MB that begin as an archive", one(large), Refused("16 MiB at most")),
        ("2,001 files", one(files(MAX_FILES + 1, 0, "yaml")), Refused("2000 files at most")),
        ("20,001 entries", one(files(20_001, 0, "png")), Refused("2000 files at most")),
        ("an archive in an archive", one(zipped("a.zip", &inner)), Refused("no file")),
        ("../", one(zipped("../a.yaml", DOCUMENT)), Refused("not a relative path")),
        ("a/../../", one(zipped("a/../../b.yaml", DOCUMENT)), Refused("not a relative path")),
        ("..\\", one(zipped("..\\a.yaml", DOCUMENT)), Refused("not a relative path")),
        ("/etc/", one(zipped("/etc/cron.d/a.yaml", DOCUMENT)), Refused("not a relative path")),
        ("1,000 folders deep", one(zipped(&deep, DOCUMENT)), Refused("not a relative path")),
        ("a link", one(link), Refused("is a link")),
        (
            "one name twice",
            one(archive([("a.yaml".into(), vec![]), ("./a.yaml".into(), vec![])])),
            Refused("two files"),
        ),
        ("cut off", one(cut), Refused("cannot be read")),
        ("the size is a lie", one(forged(24, &[1, 0, 0, 0])), Refused("cannot be read")),
        ("the checksum is a lie", one(forged(16, &[1, 2, 3, 4])), Refused("cannot be read")),
        ("the method is unknown", one(forged(10, &[77, 0])), Refused("cannot be read")),
        ("it is encrypted", one(forged(8, &[1, 0])), Refused("cannot be read")),
        ("the offset is a lie", one(forged(42, &[0xff, 0xff, 0xff, 0x7f])), Refused("cannot be read")),
    ]
}

/// All rows whose files are read, for measuring; those that are refused before cost nothing.
pub(super) fn read_rows() -> Vec<(&'static str, Sources)> {
    let rows = bytes().into_iter().chain(folders()).chain(archives());
    rows.filter_map(|(name, sources, _)| Some((name, sources.ok()?))).collect()
}

#[track_caller]
fn check(rows: Vec<Row>) {
    for (name, sources, end) in rows {
        match (sources, end) {
            (Err(fault), Refused(words)) => assert!(fault.to_string().contains(words), "{name}: {fault}"),
            (Ok(sources), Told(rule)) => {
                let contract = used_files(&sources);
                let rules: Vec<&str> = contract.problems.list().iter().map(|problem| problem.rule).collect();
                assert!(rules.contains(&rule), "{name}: {rule} is not among {rules:?}");
            }
            (Ok(_), Refused(words)) => panic!("{name}: it is accepted, and not refused with {words:?}"),
            (Err(fault), Told(_)) => panic!("{name}: {fault}"),
        }
    }
}

#[test]
fn bytes_that_are_no_document_are_refused() {
    check(bytes());
}

#[test]
fn folders_that_leave_their_place_or_are_too_large_are_refused() {
    check(folders());
}

#[test]
fn archives_that_are_not_what_they_say_are_refused() {
    check(archives());
}
