//! The log of the real process, when nobody reads it: a pipe that is full blocks who writes to it.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use tungstenite::Message;

use crate::harness::{EchoServer, client};

/// Connections whose records are more than a pipe holds, many times over.
const CONNECTIONS: usize = 1500;

#[test]
fn a_log_that_is_not_read_stops_no_shard() {
    let server = EchoServer::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(["proxy", "--listen", "127.0.0.1:0", "--target", &format!("ws://{}", server.address())])
        .args(["--cpus", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
    let mut held = client::connect(address);
    for _ in 0..CONNECTIONS {
        drop(client::connect(address));
    }
    // Nothing has been read of the log so far, and a connection is served like any other.
    held.send(Message::text("still there")).unwrap();
    assert_eq!(held.read().unwrap(), Message::text("still there"));
    let mut fresh = client::connect(address);
    fresh.send(Message::text("new")).unwrap();
    assert_eq!(fresh.read().unwrap(), Message::text("new"));
    drop((held, fresh));
    // SAFETY: the process is a child that has not been waited for, so the number is its.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).unwrap(), libc::SIGTERM) }, 0);
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(log.len() > 64 * 1024, "{} bytes: a pipe holds as much", log.len());
    let records = log.lines().filter(|line| line.contains("ringway::access")).count();
    assert_eq!(records, CONNECTIONS + 2, "none was lost: all of them fit the queue");
}

#[test]
fn a_log_that_is_not_read_does_not_keep_the_process_from_ending() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A pipe that is already full.
    let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
    // SAFETY: the descriptor is the pipe's own, and no pointer is involved.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    while std::io::Write::write(&mut writer, &[b'x'; 4096]).is_ok() {}
    // SAFETY: as above.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, 0) }, 0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(["echo", "--listen", "127.0.0.1:0", "--cpus", "0"])
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
    let mut open = client::connect(address);
    // SAFETY: the process is a child that has not been waited for, so the number is its.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).unwrap(), libc::SIGTERM) }, 0);
    assert!(matches!(open.read(), Ok(Message::Close(_))));
    while open.read().is_ok() {}
    drop(open);
    let status = crate::harness::until("the process ends", || child.try_wait().unwrap());
    assert!(status.success(), "{status:?}");
    drop(reader);
}
