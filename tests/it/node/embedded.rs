//! A node that another program starts, without the command line: the phases of `ringway::node`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringway::node::Shutdown;
use ringway::node::events::Signals;
use ringway::node::serve::{Options, Prepared};

use crate::harness::node::{Home, USUAL};

fn options(home: &Home) -> Options {
    Options { config: Some(home.configuration()), state: home.state(), apply: None, ring_completions: None }
}

/// The status line of an answer to a request without a token.
fn status_of(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_program_starts_a_node_and_ends_it_and_starts_it_again_in_the_same_place() {
    let home = Home::new(USUAL);
    for _ in 0..2 {
        let bound = Prepared::new(options(&home)).unwrap().bind().unwrap();
        let running = bound.start(Signals::Ignored).unwrap();
        let admin = running.admin();
        assert!(running.announcement().contains(&format!("admin API: http://{admin}")));
        assert_eq!(status_of(admin), "HTTP/1.1 401 Unauthorized");
        assert!(home.file("admin.addr").exists());
        assert_eq!(running.shut_down().unwrap(), Shutdown::Drained);
        assert!(!home.file("admin.addr").exists(), "nobody is sent where no node is");
        assert!(TcpStream::connect(admin).is_err());
    }
}

#[test]
fn a_phase_that_is_dropped_lets_go_of_what_it_held() {
    let home = Home::new(USUAL);
    let prepared = Prepared::new(options(&home)).unwrap();
    let refused = Prepared::new(options(&home)).err().unwrap().to_string();
    assert!(refused.contains("state"), "{refused}");
    drop(prepared);
    let bound = Prepared::new(options(&home)).unwrap().bind().unwrap();
    assert!(Prepared::new(options(&home)).is_err());
    drop(bound);
    Prepared::new(options(&home)).unwrap().bind().unwrap();
}
