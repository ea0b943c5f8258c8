//! The bytes that wait in the kernel: the sizes that the operator gives, and the figure that shows it.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use crate::harness::frame::{BINARY, FIN, plain};
use crate::harness::node::{Node, through, ws};
use crate::harness::{Upstream, until};

#[test]
fn a23_bytes_that_nobody_reads_are_shown_and_bounded_by_the_options() {
    let bounds = ["client_send", "client_receive", "upstream_send", "upstream_receive"];
    let options: String = bounds.iter().map(|name| format!("limits.{name}_buffer_bytes = \"8KiB\"\n")).collect();
    let (node, upstream) = (Node::start(&options), Upstream::listen());
    let (_, base) = node.serve("feed", &[ws(upstream.address())]);
    let (client, mut server, ..) = through(node.external("development"), &base, &upstream);
    let figure = |side: &str, queue: &str| {
        let text = node.admin.figures().text;
        let of = |line: &&str| {
            line.starts_with("ringway_shard_kernel_bytes{")
                && line.contains(&format!("side=\"{side}\""))
                && line.contains(&format!("queue=\"{queue}\""))
        };
        text.lines().filter(of).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>()
    };
    assert_eq!((figure("client", "send"), figure("upstream", "receive")), (0.0, 0.0));
    // The client reads nothing: what the upstream sends fills one buffer after the other.
    server.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let frame = plain(FIN | BINARY, &vec![7; 60_000]);
    let stuck = (0..2000).find_map(|_| server.stream.write_all(&frame).err()).expect("nobody reads it");
    assert!(matches!(stuck.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stuck}");
    until("the figures show it", || {
        (figure("client", "send") > 0.0 && figure("upstream", "receive") > 0.0).then_some(())
    });
    // The kernel doubles what it is asked for. It begins a last segment of up to 64 KiB before a buffer for sending is full.
    for (side, queue, bound) in [("client", "send", 16_384.0 + 65_536.0), ("upstream", "receive", 16_384.0)] {
        let bytes = figure(side, queue);
        assert!(bytes <= bound, "{side} {queue}: {bytes}");
    }
    drop((client, server));
}
