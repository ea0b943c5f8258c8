//! The committed fuzz corpora, run as tests: what the fuzzer once found stays found.

use std::fs;
use std::path::Path;

use crate::harness::{contracts, invariants, messages, routes};

/// Runs an invariant on every file of a corpus, which must hold at least these many good and bad inputs.
fn run(corpus: &str, invariant: fn(&[u8]) -> bool, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(corpus);
    let mut counts = [0_usize; 2];
    for entry in fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("a file of the corpus").path();
        let bytes = fs::read(&path).expect("a readable file");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match std::panic::catch_unwind(|| invariant(&bytes)) {
            Ok(good) => counts[usize::from(good)] += 1,
            Err(_) => panic!("{corpus}/{name} breaks an invariant"),
        }
    }
    let [bad, good] = counts;
    assert!(good >= least && bad >= least, "{corpus}: {good} good and {bad} bad inputs are too few of a kind");
}

#[test]
fn contracts_of_the_corpus_keep_the_invariants() {
    run("contract", contracts::contract, 8);
}

#[test]
fn messages_of_the_corpus_keep_the_invariants() {
    run("message", messages::message, 8);
}

#[test]
fn proxy_headers_of_the_corpus_keep_the_invariants() {
    run("proxy_header", invariants::proxy_header, 8);
}

#[test]
fn requests_of_the_corpus_keep_the_invariants() {
    run("request", invariants::request, 8);
}

#[test]
fn responses_of_the_corpus_keep_the_invariants() {
    run("response", invariants::response, 8);
}

#[test]
fn streams_of_the_corpus_keep_the_invariants() {
    run("scanner", invariants::scanner, 8);
}

#[test]
fn websockets_of_the_corpus_keep_the_invariants() {
    run("websocket", invariants::websocket, 8);
}

#[test]
fn paths_of_the_corpus_find_the_route_that_a_search_of_all_finds() {
    run("route", routes::find, 8);
}
