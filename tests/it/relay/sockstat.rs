//! The kernel's own count of sockets (/proc/net/sockstat) over a run of the real process. It counts for the whole
//! network namespace, so the run gets one of its own.

use crate::harness::loads::come_and_go;
use crate::harness::namespace::in_namespaces;
use crate::harness::{EchoServer, Ringway, until};

/// TCP sockets in use, those included that no descriptor leads to any more. The line's other numbers count for the
/// whole host.
fn in_use() -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/sockstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: inuse ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

in_namespaces! {
    "true";
    the_kernel_counts_no_socket_more_after_thousands_of_connections
}

mod inside {
    use super::{EchoServer, Ringway, come_and_go, in_use, until};

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn the_kernel_counts_no_socket_more_after_thousands_of_connections() {
        let server = EchoServer::start();
        let ringway = Ringway::proxy(server.address(), &[]);
        come_and_go(&ringway, 2);
        let before = in_use();
        come_and_go(&ringway, 40);
        // A socket is given back a moment after it is closed: some of those before may have been counted still.
        until(&format!("no more than {before} sockets are in use"), || (in_use() <= before).then_some(()));
    }
}
