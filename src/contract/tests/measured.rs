//! The time and the memory that each row of hostile input takes, one process a row. A build without optimisation says nothing, so
//! the test is run by hand: `cargo test --release --lib measured -- --ignored --nocapture`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures for whoever runs it by hand")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Sources;
use super::{hostile, hostile_files};

/// The row's number for a process of its own.
const ROW: &str = "RINGWAY_HOSTILE_ROW";
const MOST_TIME: Duration = Duration::from_secs(1);
const MOST_KIB: u64 = 200 * 1000 * 1000 / 1024;

fn rows() -> Vec<(&'static str, Sources)> {
    hostile::rows().into_iter().chain(hostile_files::read_rows()).collect()
}

/// The highest memory of this process, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[ignore = "measures a release build, by hand"]
fn every_hostile_row_takes_less_than_a_second_and_200_mb() {
    if let Ok(row) = std::env::var(ROW) {
        return measure(row.parse().unwrap());
    }
    let all = rows().iter().map(|(name, _)| *name).collect::<Vec<_>>();
    for (row, name) in all.iter().enumerate() {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["--ignored", "--exact", "--nocapture"]);
        process.arg("contract::tests::measured::every_hostile_row_takes_less_than_a_second_and_200_mb");
        let run = process.env(ROW, row.to_string()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{name}: {told}{}", String::from_utf8_lossy(&run.stderr));
        let line = told.lines().find(|line| line.starts_with("row ")).unwrap_or_default();
        eprintln!("{line}  {name}");
    }
}

fn measure(row: usize) {
    let sources = rows().into_iter().nth(row).unwrap().1;
    // The mark of the highest memory begins again; the rows that are gone do not count.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let begun = Instant::now();
    let contract = super::read(&sources, super::Options::default());
    let taken = begun.elapsed();
    drop(contract);
    println!("row {row}: {taken:?}, {} MiB", peak() >> 10);
    assert!(taken < MOST_TIME, "{taken:?}");
    assert!(peak() < MOST_KIB, "{} KiB", peak());
}
