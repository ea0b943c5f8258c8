//! Tests of cases that the simulator meets too seldom, over a transport made of two buffers.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::crypto::cipher::OutboundPlainMessage;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore, ServerConfig,
};

use super::{HANDSHAKE_RECEIVE_BYTES, MAX_CLIENT_HANDSHAKE_BYTES, MAX_SEALED_BYTES, MAX_SILENT_BYTES, RECORD_BYTES};
use crate::engine::{Fault, Figures, Received, Sent, Slot, Socket, Time, TlsFault, Transport};
use crate::tls::secured::{Secured, Sessions};
use crate::tls::testing::Authority;
use crate::tls::{Handshaking, SecureTransport};

const SOCKET: Socket = Socket { index: 3, generation: 1 };
const ME: Slot = Slot(0);

/// One socket: the bytes that came, the bytes that were sent, and the room for more.
#[derive(Debug, Default)]
struct Wire {
    came: VecDeque<u8>,
    went: Vec<u8>,
    room: usize,
    ended: bool,
    shut: bool,
}

impl Transport for Wire {
    fn now(&self) -> Time {
        Time::from_millis(0)
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn recv(&mut self, _: Socket, into: &mut [u8]) -> Received {
        assert!(!into.is_empty());
        match self.came.read(into).unwrap() {
            0 if self.ended => Received::End,
            0 => Received::Blocked,
            n => Received::Bytes(n),
        }
    }

    fn send(&mut self, _: Socket, bytes: &[u8]) -> Sent {
        assert!(!self.shut, "a send after the end");
        let n = self.room.min(bytes.len());
        self.went.extend_from_slice(&bytes[..n]);
        self.room -= n;
        if n == 0 { Sent::Blocked } else { Sent::Bytes(n) }
    }

    fn hung_up(&self, _: Socket) -> bool {
        self.ended
    }

    fn unacknowledged(&self, _: Socket) -> usize {
        0
    }

    fn dial(&mut self, _: Slot, _: Option<IpAddr>, _: SocketAddr) -> Result<Socket, Fault> {
        Err(Fault::Unreachable)
    }

    fn shutdown(&mut self, _: Socket) {
        self.shut = true;
    }

    fn close(&mut self, _: Socket) {}

    fn abort(&mut self, _: Socket) {}

    fn wake(&mut self, _: Slot) {}

    fn random(&mut self, into: &mut [u8]) {
        into.fill(7);
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// Both ends: ours, and a client.
struct Both {
    net: Wire,
    sessions: Sessions,
    client: ClientConnection,
}

impl Both {
    fn new() -> Self {
        let (mut both, server, _) = Self::apart(1);
        let hello = both.said();
        // The first bytes were received before the session started, the others arrive later.
        let (early, late) = hello.split_at(7);
        both.net.came.extend(late);
        both.ours().accept_tls(SOCKET, server, early).unwrap();
        both
    }

    /// Both ends before the handshake. The server's chain repeats its certificate `chain` times.
    fn apart(chain: usize) -> (Self, Arc<ServerConfig>, Arc<ClientConfig>) {
        let authority = Authority::new("test");
        let pair = authority.leaf(&["a.test"]);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap(); chain];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let server = server.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        let mut client = ClientConnection::new(Arc::clone(&config), name()).unwrap();
        client.set_buffer_limit(None);
        let net = Wire { room: usize::MAX, ..Wire::default() };
        (Self { net, sessions: Sessions::default(), client }, Arc::new(server), config)
    }

    fn open() -> Self {
        let mut both = Self::new();
        for _ in 0..4 {
            let _ = both.ours().handshake(SOCKET);
            both.hear();
            let said = both.said();
            both.net.came.extend(said);
        }
        assert_eq!(both.ours().handshake(SOCKET), Handshaking::Done);
        assert_eq!(both.ours().flush(SOCKET, &mut 0), Ok(true));
        both.hear();
        both
    }

    /// Continues our handshake with the bytes that came.
    fn shake_hands(&mut self) -> Handshaking {
        loop {
            match self.ours().handshake(SOCKET) {
                Handshaking::Blocked if !self.net.came.is_empty() => {}
                result => return result,
            }
        }
    }

    fn ours(&mut self) -> Secured<'_, Wire> {
        Secured::new(&mut self.net, &mut self.sessions, ME)
    }

    /// Bytes that the client sends.
    fn said(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// A record of `len` bytes from the client.
    fn record(&mut self, len: usize) -> Vec<u8> {
        let text: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        self.client.writer().write_all(&text).unwrap();
        self.said()
    }

    /// Shows the client the bytes that were sent to it. Returns their plaintext.
    fn hear(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.net.went);
        let (mut bytes, mut plain) = (bytes.as_slice(), Vec::new());
        while !bytes.is_empty() && self.client.read_tls(&mut bytes).unwrap() > 0 {
            self.client.process_new_packets().unwrap();
            let _ = self.client.reader().read_to_end(&mut plain);
        }
        plain
    }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("a.test").unwrap()
}

/// The longest handshake message that rustls would wait for, of this kind, in pieces that a record can hold.
fn longest_message(kind: u8) -> Vec<Vec<u8>> {
    let mut message = vec![kind, 0, 0xFF, 0xFF];
    message.resize(4 + 0xFFFF, 0);
    message.chunks(16_000).map(<[u8]>::to_vec).collect()
}

/// Records in the clear.
fn longest_hello(kind: u8) -> Vec<u8> {
    let record = |piece: Vec<u8>| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[22, 3, 3], &length[..], &piece].concat()
    };
    longest_message(kind).into_iter().flat_map(record).collect()
}

const TOO_LARGE: Fault = Fault::Tls(TlsFault::TooLarge);

#[test]
fn an_endless_handshake_is_given_up_before_it_fills_memory() {
    let (mut both, server, _) = Both::apart(1);
    let hello = longest_hello(1);
    let (early, late) = hello.split_at(7);
    both.net.came.extend(late);
    both.ours().accept_tls(SOCKET, server, early).unwrap();
    assert_eq!(both.shake_hands(), Handshaking::Failed(TOO_LARGE));
    assert!(hello.len() - both.net.came.len() <= MAX_CLIENT_HANDSHAKE_BYTES + HANDSHAKE_RECEIVE_BYTES);
    assert_eq!(both.shake_hands(), Handshaking::Failed(TOO_LARGE));

    // All of it was there before TLS was.
    let (mut both, server, _) = Both::apart(1);
    both.ours().accept_tls(SOCKET, server, &hello).unwrap();
    assert_eq!(both.shake_hands(), Handshaking::Failed(TOO_LARGE));

    let (mut both, _, client) = Both::apart(1);
    both.ours().connect_tls(SOCKET, client, name()).unwrap();
    both.net.came.extend(longest_hello(2));
    assert_eq!(both.shake_hands(), Handshaking::Failed(TOO_LARGE));
}

#[test]
fn an_upstream_may_show_a_long_chain() {
    let (mut both, server, client) = Both::apart(100);
    let mut server = rustls::ServerConnection::new(server).unwrap();
    both.ours().connect_tls(SOCKET, client, name()).unwrap();
    let mut shown = 0;
    while both.shake_hands() != Handshaking::Done {
        let went = std::mem::take(&mut both.net.went);
        let mut rest = went.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            shown += server.write_tls(&mut both.net.came).unwrap();
        }
        assert!(!both.net.came.is_empty(), "the handshake is stuck");
    }
    assert!(shown > MAX_CLIENT_HANDSHAKE_BYTES, "{shown}");
}

#[test]
fn messages_after_the_handshake_are_bounded() {
    let Both { mut net, mut sessions, client } = Both::open();
    let suite = client.negotiated_cipher_suite().unwrap().tls13().unwrap();
    let (first, secrets) = client.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another suite") };
    let mut encrypter = suite.aead_alg.encrypter(key, iv);
    for (piece, number) in longest_message(4).iter().zip(first..) {
        let (typ, version) = (ContentType::Handshake, ProtocolVersion::TLSv1_3);
        let plain = OutboundPlainMessage { typ, version, payload: piece.as_slice().into() };
        net.came.extend(encrypter.encrypt(plain, number).unwrap().encode());
    }
    // It has room for all of it at once.
    let mut into = vec![0; 1 << 18];
    for _ in 0..2 {
        let received = Secured::new(&mut net, &mut sessions, ME).recv(SOCKET, &mut into);
        assert_eq!(received, Received::Failed(TOO_LARGE));
    }
}

#[test]
fn a_peer_that_sends_data_in_between_may_change_keys_forever() {
    let mut both = Both::open();
    let mut came = 0;
    for _ in 0..2000 {
        both.client.refresh_traffic_keys().unwrap();
        let raw = both.record(1);
        came += raw.len();
        both.net.came.extend(raw);
        assert_eq!(both.ours().recv(SOCKET, &mut [0; 4096]), Received::Bytes(1));
        both.hear();
    }
    assert!(came > 2 * MAX_SILENT_BYTES);
}

#[test]
fn a_receiver_with_little_room_gets_all_of_it_in_order() {
    for room in [1, 10, 2048, RECORD_BYTES] {
        for torn in [1, 9000, 14_500, 15_000, 16_000, 16_390] {
            let mut both = Both::open();
            let mut raw = both.record(16_384);
            (0..4).for_each(|_| raw.extend(both.record(1500)));
            let (first, rest) = raw.split_at(torn);
            both.net.came.extend(first);
            let mut into = vec![0; room];
            assert_eq!(both.ours().recv(SOCKET, &mut into), Received::Blocked);
            both.net.came.extend(rest);
            let mut got = Vec::new();
            while got.len() < 16_384 + 6000 {
                match both.ours().recv(SOCKET, &mut into) {
                    Received::Bytes(n) => got.extend_from_slice(&into[..n]),
                    // It has looked at enough for one call.
                    Received::Blocked if !both.net.came.is_empty() => {}
                    other => panic!("{other:?} with {room} of room, torn at {torn}, at {}", got.len()),
                }
            }
            assert!(
                got[16_384..16_384 + 1500].iter().zip(0..).all(|(byte, n)| *byte == u8::try_from(n % 251).unwrap())
            );
        }
    }
}

#[test]
fn a_peer_that_does_not_read_costs_no_more_than_is_encrypted_at_a_time() {
    let mut both = Both::open();
    both.net.room = 0;
    let text = vec![5; 1 << 20];
    assert_eq!(both.ours().send(SOCKET, &text), Sent::Bytes(MAX_SEALED_BYTES));
    assert_eq!(both.ours().send(SOCKET, &text), Sent::Blocked);
    assert!(both.ours().holds(SOCKET));
    both.net.room = usize::MAX;
    assert_eq!(both.ours().flush(SOCKET, &mut 0), Ok(true));
    assert_eq!(both.hear().len(), MAX_SEALED_BYTES);
}

#[test]
fn buffered_bytes_count_as_progress_and_bytes_sent_at_once_do_not() {
    let mut both = Both::open();
    let mut progress = 0;
    assert_eq!(both.ours().send(SOCKET, &[1; 1000]), Sent::Bytes(1000));
    assert_eq!(both.ours().flush(SOCKET, &mut progress), Ok(true));
    assert_eq!(progress, 0);
    both.net.room = 0;
    assert_eq!(both.ours().send(SOCKET, &[1; 1000]), Sent::Bytes(1000));
    both.net.room = 600;
    assert_eq!(both.ours().recv(SOCKET, &mut [0; 9]), Received::Blocked);
    assert_eq!(both.ours().flush(SOCKET, &mut progress), Ok(false));
    assert_eq!(progress, 600);
    both.net.room = 100;
    assert_eq!(both.ours().send(SOCKET, &[1; 1000]), Sent::Blocked);
    assert_eq!(both.ours().flush(SOCKET, &mut progress), Ok(false));
    assert_eq!(progress, 700);
}

#[test]
fn slices_of_any_size_arrive_in_order_though_the_peer_takes_little_at_a_time() {
    for room in [usize::MAX, 70_000, 1000] {
        let mut both = Both::open();
        let sizes = [3, MAX_SEALED_BYTES + 7, 40, 40, 20_000, MAX_SEALED_BYTES - 9, 1, 2, 60_000, 90_000, 5];
        let pieces: Vec<Vec<u8>> = (0..).zip(sizes).map(|(of, size)| vec![of; size]).collect();
        let all = pieces.concat();
        let (mut sent, mut heard) = (0, Vec::new());
        while heard.len() < all.len() {
            both.net.room = room;
            let mut skip = sent;
            let rest = pieces.iter().filter_map(|piece| {
                let from = skip.min(piece.len());
                skip -= from;
                (from < piece.len()).then(|| IoSlice::new(&piece[from..]))
            });
            let rest: Vec<IoSlice<'_>> = rest.collect();
            if both.ours().flush(SOCKET, &mut 0) == Ok(true) && !rest.is_empty() {
                match both.ours().send_vectored(SOCKET, &rest) {
                    Sent::Bytes(n) => sent += n,
                    Sent::Blocked => {}
                    Sent::Failed(fault) => panic!("{fault:?}"),
                }
            }
            heard.extend(both.hear());
        }
        assert!(heard == all, "with room for {room}");
    }
}

#[test]
fn slices_for_a_peer_that_does_not_read_cost_no_more_than_is_encrypted_at_a_time() {
    let mut both = Both::open();
    both.net.room = 0;
    let piece = vec![5; 50_000];
    let slices = [&piece; 6].map(|piece| IoSlice::new(piece));
    assert_eq!(both.ours().send_vectored(SOCKET, &slices), Sent::Bytes(100_000));
    assert_eq!(both.ours().send_vectored(SOCKET, &slices), Sent::Blocked);
    both.net.room = usize::MAX;
    assert_eq!(both.ours().flush(SOCKET, &mut 0), Ok(true));
    assert_eq!(both.hear().len(), 100_000);
}

#[test]
fn small_slices_share_a_record() {
    let mut both = Both::open();
    both.net.went.clear();
    let pieces = [[1; 10], [2; 10], [3; 10]].map(|piece| piece.to_vec());
    let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    assert_eq!(both.ours().send_vectored(SOCKET, &slices), Sent::Bytes(30));
    assert!(both.net.went.len() < 2 * 30, "{} bytes on the wire", both.net.went.len());
    assert_eq!(both.hear(), pieces.concat());
}

#[test]
fn the_socket_is_shut_down_after_close_notify_and_nothing_follows() {
    let mut both = Both::open();
    both.net.room = 0;
    assert_eq!(both.ours().send(SOCKET, &[1; 1000]), Sent::Bytes(1000));
    both.ours().shutdown(SOCKET);
    assert!(!both.net.shut);
    both.net.room = usize::MAX;
    assert_eq!(both.ours().recv(SOCKET, &mut [0; 9]), Received::Blocked);
    assert!(both.net.shut);
    assert_eq!(both.hear().len(), 1000);
    let mut forged = both.record(10);
    *forged.last_mut().unwrap() ^= 1;
    both.net.came.extend(forged);
    let violation = Received::Failed(Fault::Tls(TlsFault::Violation));
    assert_eq!(both.ours().recv(SOCKET, &mut [0; 9]), violation);
    assert!(!both.ours().holds(SOCKET));
    both.ours().close(SOCKET);
}

#[test]
fn valid_bytes_before_a_forged_record_are_received_and_the_fault_stays() {
    let mut both = Both::open();
    let mut raw = both.record(100);
    raw.extend(both.record(100));
    *raw.last_mut().unwrap() ^= 1;
    both.net.came.extend(raw);
    let mut into = [0; 4096];
    assert_eq!(both.ours().recv(SOCKET, &mut into), Received::Bytes(100));
    for _ in 0..3 {
        let violation = Received::Failed(Fault::Tls(TlsFault::Violation));
        assert_eq!(both.ours().recv(SOCKET, &mut into), violation);
    }
    assert!(!both.net.went.is_empty(), "no alert");
}

#[test]
fn an_end_is_reported_each_time_and_one_without_close_notify_is_a_fault() {
    for is_notified in [true, false] {
        let mut both = Both::open();
        if is_notified {
            both.client.send_close_notify();
        }
        let said = both.said();
        both.net.came.extend(said);
        both.net.ended = true;
        let due = if is_notified { Received::End } else { Received::Failed(Fault::Tls(TlsFault::Truncated)) };
        for _ in 0..3 {
            assert_eq!(both.ours().recv(SOCKET, &mut [0; 9]), due);
        }
        // Who has finished may still hear.
        assert_eq!(both.ours().send(SOCKET, &[1; 10]), Sent::Bytes(10));
        assert_eq!(both.hear().len(), 10);
    }
}

#[test]
fn a_socket_that_reuses_an_index_has_no_session_of_an_earlier_socket() {
    let mut both = Both::open();
    let next = Socket { generation: 2, ..SOCKET };
    both.net.came.extend(b"plain");
    assert_eq!(both.ours().recv(next, &mut [0; 9]), Received::Bytes(5));
    assert!(both.ours().peer(next).is_none() && both.ours().peer(SOCKET).is_some());
}
