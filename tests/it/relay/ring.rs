//! The heaviest tests of the real process once more, over a ring with room for eight completions: it overflows all the
//! time, so polls end and are armed again, and events wait in the kernel.

use crate::harness::loads::{self, bulk_starves_nobody, connections_come_and_go};

const TINY: [&str; 2] = ["--ring-completions", "8"];

#[test]
fn messages_of_all_sizes_come_back_over_a_tiny_ring() {
    loads::messages_of_all_sizes_come_back(&TINY);
}

#[test]
fn many_connections_on_one_tiny_ring_each_get_their_own_messages() {
    loads::many_interleaved_connections_each_get_their_own(&["--ring-completions", "8", "--cpus", "0"], 150);
}

#[test]
fn frames_in_pieces_pass_unchanged_over_a_tiny_ring() {
    loads::a_stream_of_frames_passes_unchanged_both_ways(&TINY);
}

#[test]
fn connections_come_and_go_over_a_tiny_ring_and_leave_nothing_behind() {
    connections_come_and_go(&TINY, 10);
}

#[test]
fn bulk_over_a_tiny_ring_starves_nobody() {
    bulk_starves_nobody(&TINY);
}

#[test]
fn a_shard_that_cannot_make_its_ring_ends_the_process_and_says_which() {
    let listen = ["echo", "--listen", "127.0.0.1:0", "--cpus", "0"];
    let (code, stdout, stderr) =
        crate::harness::process::run(&[&listen[..], &["--ring-completions", "99999999"]].concat());
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("the shard for CPU 0 did not start"), "{stderr}");
}
