//! Where reports go.

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::harness::{Folder, Seen, Server, echo, run};

fn url(server: &Server) -> String {
    format!("ws://{}/", server.address())
}

const SHORT: [&str; 7] = ["--rate", "50", "--duration", "1500ms", "--warmup", "100ms", "--sleep"];

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let server = Server::echo();
    // With progress, which goes to standard error.
    let done = run(&[&["echo", "--url", &url(&server), "--json", "-"], &SHORT[..]].concat());
    done.report().is_sound();
    assert!(done.stdout.ends_with("}\n"), "{}", done.stdout);
    assert_ne!(done.stderr, "");
}

#[test]
fn without_files_the_report_is_a_text() {
    let server = Server::echo();
    let done = run(&[&["echo", "--url", &url(&server), "--no-progress"], &SHORT[..]].concat());
    assert!(done.stdout.contains("latency") && done.stdout.contains("75 received"), "{done:?}");
    assert!(!done.stdout.contains('\x1b'), "{done:?}");
    assert_eq!(done.stderr, "");
}

#[test]
fn the_latency_log_is_read_by_its_own_library() {
    let server = Server::echo();
    let folder = Folder::new();
    let path = folder.file("run.hlog");
    let report = echo(server.address(), &[&SHORT[..6], &["--hlog", &path]].concat()).report();
    report.is_sound();
    let log = std::fs::read(&path).unwrap();
    let (mut count, mut intervals) = (0, 0);
    let mut last = 0.0;
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: hdrhistogram::Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            count += histogram.len();
            intervals += 1;
            let start = interval.start_timestamp().as_secs_f64();
            assert!(start >= last);
            last = start;
        }
    }
    assert_eq!(count, report.messages("received"), "{report}");
    assert_eq!(intervals, 2);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_the_others_are_written() {
    for broken in ["--json", "--hlog", "--html"] {
        let server = Server::echo();
        let folder = Folder::new();
        let mut arguments = vec!["echo".to_owned(), "--url".to_owned(), url(&server), "--no-progress".to_owned()];
        arguments.extend(SHORT.iter().map(|&option| option.to_owned()));
        let nowhere = folder.file("no-such-folder/file");
        for option in ["--json", "--hlog", "--html"] {
            let path = if option == broken { nowhere.clone() } else { folder.file(&option[2..]) };
            arguments.extend([option.to_owned(), path]);
        }
        let done = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, 1, "{broken}: {done:?}");
        assert!(done.stderr.contains(&nowhere), "{broken}: {done:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{broken}: {done:?}");
        for other in ["json", "hlog", "html"].iter().filter(|other| broken != format!("--{other}")) {
            let text = std::fs::read_to_string(folder.file(other));
            assert!(text.is_ok_and(|text| !text.is_empty()), "{broken}: {other}");
        }
        assert!(done.stdout.contains("latency"), "{broken}: {done:?}");
    }
}

#[test]
fn a_report_that_is_there_is_replaced_whole() {
    let server = Server::echo();
    let folder = Folder::new();
    let path = folder.file("run.json");
    std::fs::write(&path, "x".repeat(1_000_000)).unwrap();
    run(&[&["echo", "--url", &url(&server), "--json", &path, "--no-progress"], &SHORT[..]].concat());
    let report = Seen(serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap());
    report.is_sound();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn two_outputs_do_not_share_standard_output() {
    let server = Server::echo();
    let done = run(&[&["echo", "--url", &url(&server), "--json", "-", "--hlog", "-"], &SHORT[..]].concat());
    assert!(matches!(done.code, 2 | 3), "{done:?}");
    assert_eq!(server.served(), 0);
}
