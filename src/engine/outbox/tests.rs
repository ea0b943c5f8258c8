//! An outbox beside a plain string of bytes, over a peer that takes as much as it likes.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;

use super::{Full, MAX_COPIED_BYTES, MAX_SLICES, Outbox, SEGMENT_BYTES};
use crate::engine::pool::{BUFFER_BYTES, Pool};
use crate::engine::{Fault, Figures, Received, Sent, Slot, Socket, Time, Transport};

const SOCKET: Socket = Socket { index: 0, generation: 0 };

/// A peer with room for some bytes.
#[derive(Default)]
struct Peer {
    room: usize,
    taken: Vec<u8>,
    calls: usize,
    most_slices: usize,
}

impl Transport for Peer {
    fn now(&self) -> Time {
        Time::default()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn recv(&mut self, _: Socket, _: &mut [u8]) -> Received {
        Received::Blocked
    }

    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        self.send_vectored(socket, &[IoSlice::new(bytes)])
    }

    fn send_vectored(&mut self, _: Socket, slices: &[IoSlice<'_>]) -> Sent {
        assert!(!slices.is_empty() && slices.iter().all(|slice| !slice.is_empty()), "a send of nothing");
        self.calls += 1;
        self.most_slices = self.most_slices.max(slices.len());
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = all.len().min(self.room);
        self.room -= taken;
        self.taken.extend(&all[..taken]);
        if taken == 0 { Sent::Blocked } else { Sent::Bytes(taken) }
    }

    fn hung_up(&self, _: Socket) -> bool {
        false
    }

    fn unacknowledged(&self, _: Socket) -> usize {
        0
    }

    fn dial(&mut self, _: Slot, _: Option<IpAddr>, _: SocketAddr) -> Result<Socket, Fault> {
        Err(Fault::Refused)
    }

    fn shutdown(&mut self, _: Socket) {}

    fn close(&mut self, _: Socket) {}

    fn abort(&mut self, _: Socket) {}

    fn wake(&mut self, _: Slot) {}

    fn random(&mut self, _: &mut [u8]) {}

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

fn flushed(outbox: &mut Outbox, peer: &mut Peer, pool: &mut Pool) -> (bool, usize) {
    let mut progress = 0;
    let done = outbox.flush(SOCKET, peer, pool, &mut progress).unwrap();
    (done, progress)
}

#[derive(Clone, Debug)]
enum Act {
    Send(usize),
    Scratch(usize),
    Share(usize),
    Flush(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let scratch = prop_oneof![1..300_usize, MAX_COPIED_BYTES..BUFFER_BYTES];
    prop_oneof![
        3 => (0..300_usize).prop_map(Act::Send),
        1 => scratch.prop_map(Act::Scratch),
        4 => (0..300_usize).prop_map(Act::Share),
        3 => prop_oneof![0..400_usize, 0..40_000_usize].prop_map(Act::Flush),
    ]
}

/// Returns `count` bytes that differ from those before and after.
fn fresh(count: usize, next: &mut u8) -> Vec<u8> {
    let bytes = (0..count).map(|_| {
        *next = next.wrapping_mul(5).wrapping_add(17);
        *next
    });
    bytes.collect()
}

const MAX_HELD: usize = 4096;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_peer_gets_what_was_queued_in_order_and_nothing_else(acts in prop::collection::vec(act(), 1..60)) {
        let (mut outbox, mut peer, mut pool) = (Outbox::default(), Peer::default(), Pool::default());
        let (mut expected, mut next, mut taken) = (Vec::new(), 0, 0);
        let mut scratch = pool.take();
        for act in acts {
            match act {
                Act::Send(count) => {
                    let bytes = fresh(count, &mut next);
                    outbox.send(SOCKET, &mut peer, &bytes).unwrap();
                    expected.extend(bytes);
                }
                Act::Scratch(count) => {
                    let bytes = fresh(count, &mut next);
                    scratch[..count].copy_from_slice(&bytes);
                    outbox.send_scratch(SOCKET, &mut peer, &mut scratch, count, &mut pool).unwrap();
                    prop_assert_eq!(scratch.len(), BUFFER_BYTES);
                    expected.extend(bytes);
                }
                Act::Share(count) => {
                    let shared: Arc<[u8]> = fresh(count, &mut next).into();
                    let held = outbox.held();
                    match outbox.push_shared(&shared, MAX_HELD) {
                        Ok(()) => {
                            prop_assert!(count == 0 || outbox.held() <= MAX_HELD);
                            expected.extend(&*shared);
                        }
                        Err(Full) => {
                            prop_assert!(held + SEGMENT_BYTES + count > MAX_HELD);
                            prop_assert_eq!(Arc::strong_count(&shared), 1);
                        }
                    }
                }
                Act::Flush(room) => {
                    peer.room = room;
                    let before = peer.taken.len();
                    let (done, progress) = flushed(&mut outbox, &mut peer, &mut pool);
                    prop_assert_eq!(progress, peer.taken.len() - before);
                    prop_assert_eq!(done, peer.taken.len() == expected.len());
                }
            }
            let waiting = expected.len() - peer.taken.len();
            prop_assert_eq!(outbox.is_empty(), waiting == 0);
            prop_assert!(outbox.held() >= waiting);
            prop_assert!(peer.taken[taken..] == expected[taken..peer.taken.len()]);
            taken = peer.taken.len();
        }
        peer.room = usize::MAX;
        prop_assert!(flushed(&mut outbox, &mut peer, &mut pool).0);
        prop_assert!(outbox.is_empty() && outbox.held() == 0 && peer.taken == expected);
        prop_assert!(peer.most_slices <= MAX_SLICES);
    }
}

#[test]
fn shared_segments_go_in_one_call_and_are_neither_copied_nor_kept() {
    let (mut outbox, mut peer, mut pool) = (Outbox::default(), Peer::default(), Pool::default());
    let messages: Vec<Arc<[u8]>> = (0_u8..).take(MAX_SLICES).map(|of| vec![of; 100].into()).collect();
    for message in &messages {
        outbox.push_shared(message, usize::MAX).unwrap();
        assert_eq!(Arc::strong_count(message), 2);
    }
    assert_eq!(peer.calls, 0, "nothing is sent before the flush");
    peer.room = 150;
    assert_eq!(flushed(&mut outbox, &mut peer, &mut pool), (false, 150));
    assert_eq!(Arc::strong_count(&messages[0]), 1, "the peer has taken all of it");
    assert_eq!(Arc::strong_count(&messages[1]), 2, "the peer has taken half of it");
    (peer.room, peer.calls) = (usize::MAX, 0);
    assert_eq!(flushed(&mut outbox, &mut peer, &mut pool), (true, messages.len() * 100 - 150));
    assert_eq!(peer.calls, 1);
    assert_eq!(peer.taken, messages.concat());
    assert!(messages.iter().all(|message| Arc::strong_count(message) == 1));
}

#[test]
fn an_outbox_that_would_hold_more_than_it_may_takes_nothing_more() {
    let (mut outbox, mut peer, mut pool) = (Outbox::default(), Peer::default(), Pool::default());
    let message: Arc<[u8]> = vec![7; 1000].into();
    assert_eq!(outbox.push_shared(&message, 999), Err(Full));
    assert!(outbox.is_empty());
    assert_eq!(outbox.push_shared(&message, 1000), Ok(()));
    assert_eq!(outbox.push_shared(&message, 1999 + SEGMENT_BYTES), Err(Full));
    assert_eq!(outbox.push_shared(&message, 2000 + SEGMENT_BYTES), Ok(()));
    assert_eq!(outbox.held(), 2000 + SEGMENT_BYTES);
    // A frame of the shard's own finds room all the same: a close must be able to follow.
    outbox.send(SOCKET, &mut peer, b"close").unwrap();
    peer.room = 2005;
    assert_eq!(flushed(&mut outbox, &mut peer, &mut pool), (true, 2005));
    assert!(peer.taken.ends_with(b"close"));
}

#[test]
fn a_large_rest_keeps_the_buffer_and_gives_it_back_to_the_pool() {
    let (mut outbox, mut peer, mut pool) = (Outbox::default(), Peer { room: 10, ..Peer::default() }, Pool::default());
    let mut scratch = pool.take();
    let address = scratch.as_ptr();
    outbox.send_scratch(SOCKET, &mut peer, &mut scratch, MAX_COPIED_BYTES + 11, &mut pool).unwrap();
    assert_ne!(scratch.as_ptr(), address);
    peer.room = usize::MAX;
    assert!(flushed(&mut outbox, &mut peer, &mut pool).0);
    let again = pool.take();
    assert_eq!(again.as_ptr(), address);
}

#[test]
fn what_was_sent_of_an_owned_segment_makes_room_for_more() {
    let (mut outbox, mut peer, mut pool) = (Outbox::default(), Peer::default(), Pool::default());
    let (mut expected, mut next) = (Vec::<u8>::new(), 0);
    for round in 0..2000_usize {
        let more = fresh(round % 97, &mut next);
        outbox.send(SOCKET, &mut peer, &more).unwrap();
        expected.extend(&more);
        peer.room = (round * 7) % 101;
        flushed(&mut outbox, &mut peer, &mut pool);
        peer.room = 0;
        let waiting = expected.len() - peer.taken.len();
        assert!(outbox.held() <= 2 * waiting + 2 * 101, "{} held for {waiting}", outbox.held());
    }
    peer.room = usize::MAX;
    flushed(&mut outbox, &mut peer, &mut pool);
    assert_eq!(peer.taken, expected);
}
