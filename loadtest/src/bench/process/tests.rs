//! Real processes: groups, zombies, output, ports.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::ports::{listens, listens_in};
use super::{LOOK, Launch, Running, Scratch, Trouble, is_zombie_in};

static GO_ON: AtomicBool = AtomicBool::new(false);
const SOON: Duration = Duration::from_secs(10);

fn shell(scratch: &Scratch, script: &str) -> Launch {
    Launch {
        name: "peer".to_owned(),
        program: PathBuf::from("sh"),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: Vec::new(),
        cpus: "0".to_owned(),
        log: scratch.path().join("log"),
    }
}

/// Waits until the script has written `count` numbers, and returns them.
fn written(running: &Running, count: usize) -> Vec<u32> {
    let deadline = Instant::now() + SOON;
    loop {
        let pids: Vec<u32> = running.output().split(" | ").filter_map(|pid| pid.parse().ok()).collect();
        if pids.len() >= count || Instant::now() > deadline {
            return pids;
        }
        std::thread::sleep(LOOK);
    }
}

fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[test]
fn dropping_a_process_ends_its_whole_group_even_when_it_does_not_listen_to_signals() {
    let scratch = Scratch::new().expect("a folder");
    let script = "trap '' TERM; sleep 61 & echo $!; echo $$; wait; sleep 62";
    let running = Running::start(&shell(&scratch, script)).expect("a shell");
    let pids = written(&running, 2);
    assert_eq!(pids.len(), 2, "{}", running.output());
    assert!(pids.iter().all(|&pid| runs(pid)));
    drop(running);
    let deadline = Instant::now() + SOON;
    while pids.iter().any(|&pid| runs(pid)) && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    assert!(pids.iter().all(|&pid| !runs(pid)), "{pids:?} still run");
}

#[test]
fn a_leader_that_ends_by_itself_takes_its_group_along_and_its_id_is_not_signalled_again() {
    let scratch = Scratch::new().expect("a folder");
    let script = "sleep 65 & echo $!; exit 7";
    let mut running = Running::start(&shell(&scratch, script)).expect("a shell");
    let status = running.wait_ended(SOON, &GO_ON).expect("nobody interrupts");
    assert_eq!(status.and_then(|status| status.code()), Some(7));
    assert!(running.stopped);
    let pids = written(&running, 1);
    assert_eq!(pids.len(), 1, "{}", running.output());
    let deadline = Instant::now() + SOON;
    while pids.iter().any(|&pid| runs(pid)) && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    assert!(pids.iter().all(|&pid| !runs(pid)), "{pids:?} still run");
    running.stop();
    assert_eq!(running.ended, status);
}

#[test]
fn only_a_process_without_any_thread_left_is_a_zombie() {
    let stat = |state: &str, threads: u32| {
        format!("7 (odd) Z name) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0")
    };
    assert!(is_zombie_in(&stat("Z", 1)));
    assert!(!is_zombie_in(&stat("Z", 2)));
    assert!(!is_zombie_in(&stat("S", 1)));
    assert!(!is_zombie_in(""));
}

#[test]
fn a_process_that_exits_at_once_is_quoted() {
    let scratch = Scratch::new().expect("a folder");
    let mut running = Running::start(&shell(&scratch, "echo unknown directive; exit 3")).expect("a shell");
    let Err(Trouble::Failed(why)) = running.wait_listening(1, SOON, &GO_ON) else { panic!("it cannot listen") };
    assert_eq!(why, "peer ended before it listened on 1 (exit status: 3); it said: unknown directive");
}

#[test]
fn a_process_that_never_listens_runs_out_of_time() {
    let scratch = Scratch::new().expect("a folder");
    let mut running = Running::start(&shell(&scratch, "sleep 63")).expect("a shell");
    let short = Duration::from_millis(30);
    let Err(Trouble::Failed(why)) = running.wait_listening(1, short, &GO_ON) else { panic!("it cannot listen") };
    assert_eq!(why, "peer had not listened on 1 after 30ms, and said nothing");
    let stop = AtomicBool::new(true);
    assert_eq!(running.wait_listening(1, SOON, &stop), Err(Trouble::Interrupted));
    assert_eq!(running.wait_ended(SOON, &stop), Err(Trouble::Interrupted));
}

#[test]
fn a_listener_is_seen_without_connecting_to_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    assert!(listens(port));
    drop(listener);
    // A process that another test starts holds a copy of the descriptor until its exec.
    let deadline = Instant::now() + SOON;
    while listens(port) {
        assert!(Instant::now() < deadline, "{port} is closed and seen listening");
        std::thread::sleep(LOOK);
    }
}

#[test]
fn only_listening_sockets_count() {
    let table = "  sl  local_address rem_address   st\n\
        0: 0100007F:1F90 0100007F:9C40 01 0:0\n   1: 0100007F:1F91 00000000:0000 0A 0:0\n   2: odd\n 3: a b c\n";
    assert!(!listens_in(table, 0x1F90));
    assert!(listens_in(table, 0x1F91));
}

#[test]
fn a_scratch_folder_is_gone_afterwards() {
    let scratch = Scratch::new().expect("a folder");
    let path = scratch.path().to_owned();
    fs::write(path.join("x"), "x").expect("a file");
    drop(scratch);
    assert!(!path.exists());
}
