//! A process that is killed at any moment leaves a store that opens, an audit without gaps, and all that it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ringway::api::PageRequest;
use ringway::control::manage::AuditFilter;

use super::{end, key, make, open, run};

/// Tells the process that is killed where its state is.
const STATE: &str = "RINGWAY_TEST_STATE";
const KILLS: u64 = 30;

#[test]
fn a_process_that_is_killed_leaves_all_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let told = killed(folder.path(), usize::try_from(kill % 7).unwrap());
        acknowledged.extend(told);
        check(folder.path(), &acknowledged);
    }
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
}

/// Starts a process that makes APIs, kills it some time after it has acknowledged a few, and tells which.
fn killed(folder: &Path, few: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node::store::killed::inside::makes_apis_until_it_is_killed", "--ignored", "--nocapture"])
        .env(STATE, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = Vec::new();
    let number = |line: &str| line.strip_prefix("made ").map(|number| number.parse::<u64>().unwrap());
    while told.len() <= few {
        let line = lines.next().expect("the process goes on until it is killed");
        told.extend(number(&line));
    }
    child.kill().unwrap();
    // What it had said by then and nobody had read.
    told.extend(lines.filter_map(|line| number(&line)));
    child.wait().unwrap();
    told
}

/// All that was acknowledged is there, and nothing is there by half.
fn check(folder: &Path, acknowledged: &[u64]) {
    let started = open(folder).unwrap();
    let manager = &started.manager;
    run(async {
        for number in acknowledged {
            let api = manager.api(&key(*number)).await.unwrap().value;
            assert_eq!(api.deployments.len(), 1, "{number}");
        }
        let mut ids = Vec::new();
        let mut cursor = None;
        loop {
            let page = manager.audit(AuditFilter::default(), PageRequest { limit: 1000, cursor }).await.unwrap();
            ids.extend(page.items.iter().map(|entry| entry.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        ids.reverse();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
        let deployed = manager.deployed().await.unwrap().len();
        let apis = manager.apis(Default::default(), PageRequest { limit: 1000, cursor: None }).await.unwrap().items;
        // The project, and an entry for each API and each deployment.
        assert_eq!(ids.len(), 1 + apis.len() + deployed);
    });
    end(started);
}

mod inside {
    use super::{STATE, Write, make, open, run};

    #[test]
    #[ignore = "started by the test above, which kills it"]
    fn makes_apis_until_it_is_killed() {
        let folder = std::env::var_os(STATE).expect("the folder is given");
        let started = open(folder.as_ref()).unwrap();
        run(async {
            // Numbers of an earlier process that were not acknowledged are left out.
            let begin = started.manager.deployed().await.unwrap().len() as u64;
            for number in begin * 1000.. {
                if make(&started.manager, number).await.is_ok() {
                    writeln!(std::io::stdout(), "made {number}").unwrap();
                }
            }
        });
    }
}
