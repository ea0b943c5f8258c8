use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::{Bounds, Incoming, WebSocketStream};
use crate::proto::Violation;
use crate::proto::frame::{ControlFrame, Opcode};
use crate::proto::terminated::{Expired, Timeouts};

const BOUNDS: Bounds =
    Bounds { max_message_bytes: 1 << 20, timeouts: Timeouts { idle: None, close: Duration::from_secs(60) } };
const KEY: [u8; 4] = [1, 2, 3, 4];

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

/// Both ends of a WebSocket; so many bytes fit between them.
fn pair(room: usize) -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (client, server) = duplex(room);
    (WebSocketStream::client(client, &[], BOUNDS), WebSocketStream::server(server, BOUNDS))
}

#[test]
fn messages_go_both_ways_and_a_close_is_answered() {
    run(async {
        let (mut client, mut server) = pair(100);
        let text = "häll\u{f6} ".repeat(10_000);
        let talk = async {
            client.send(Opcode::Text, text.as_bytes()).await.unwrap();
            client.send(Opcode::Binary, &[0xff; 3]).await.unwrap();
            client.close(1000, "bye");
            assert_eq!(client.next().await.unwrap(), Incoming::Text("last".to_owned()));
            assert!(matches!(client.next().await.unwrap(), Incoming::Close(Some(1000), _)));
            client.shutdown().await.unwrap();
        };
        let answer = async {
            assert_eq!(server.next().await.unwrap(), Incoming::Text(text.clone()));
            assert_eq!(server.next().await.unwrap(), Incoming::Binary(vec![0xff; 3]));
            server.send(Opcode::Text, b"last").await.unwrap();
            assert!(matches!(server.next().await.unwrap(), Incoming::Close(Some(1000), _)));
            server.finish().await;
        };
        tokio::join!(talk, answer);
    });
}

#[test]
fn a_receive_that_is_given_up_loses_no_byte() {
    run(async {
        let (mut client, server) = duplex(1 << 16);
        let mut server = WebSocketStream::server(server, BOUNDS);
        let mut frame = vec![0x81, 0x85, 1, 2, 3, 4];
        frame.extend(b"hello".iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        for byte in &frame[..frame.len() - 1] {
            client.write_all(&[*byte]).await.unwrap();
            assert!(timeout(Duration::ZERO, server.next()).await.is_err());
        }
        client.write_all(&frame[frame.len() - 1..]).await.unwrap();
        assert_eq!(server.next().await.unwrap(), Incoming::Text("hello".to_owned()));
    });
}

#[test]
fn a_peer_that_pings_and_does_not_read_is_owed_one_pong() {
    run(async {
        let (mut client, server) = duplex(1000);
        let mut server = WebSocketStream::server(server, BOUNDS);
        let (mut sent, mut received) = (0_u8, Vec::new());
        for number in 0..200 {
            client.write_all(ControlFrame::new(Opcode::Ping, &[number; 100], Some(KEY)).as_bytes()).await.unwrap();
            assert!(timeout(Duration::ZERO, server.next()).await.is_err());
            sent = number;
        }
        while received.last() != Some(&sent) {
            let mut some = [0; 1000];
            let n = client.read(&mut some).await.unwrap();
            received.extend_from_slice(&some[..n]);
            assert!(timeout(Duration::ZERO, server.next()).await.is_err());
        }
        assert!(received.len() < 2000, "{} bytes of pongs", received.len());
    });
}

#[test]
fn a_message_above_the_limit_is_refused_and_the_peer_is_told() {
    run(async {
        let (client, server) = duplex(1 << 16);
        let mut client = WebSocketStream::client(client, &[], BOUNDS);
        let mut server = WebSocketStream::server(server, Bounds { max_message_bytes: 10, ..BOUNDS });
        client.send(Opcode::Text, b"eleven byte").await.unwrap();
        assert_eq!(server.next().await.unwrap(), Incoming::Violation(Violation::FrameTooBig));
        let told = async {
            assert!(matches!(client.next().await.unwrap(), Incoming::Close(Some(1009), _)));
            drop(client);
        };
        tokio::join!(server.finish(), told);
    });
}

#[test]
fn a_peer_that_says_nothing_is_waited_for_no_longer_than_the_timeouts_say() {
    run(async {
        let short = Timeouts { idle: Some(Duration::from_millis(20)), close: Duration::from_millis(20) };
        let (_client, server) = duplex(100);
        let mut server = WebSocketStream::server(server, Bounds { timeouts: short, ..BOUNDS });
        assert_eq!(server.next().await.unwrap(), Incoming::Expired(Expired::Idle));
        server.close(1001, "idle");
        server.finish().await;
    });
}

#[test]
fn bytes_that_came_with_the_handshake_are_read_first_and_an_end_without_a_close_is_told() {
    run(async {
        let (client, server) = duplex(100);
        let mut client = WebSocketStream::client(client, b"\x81\x02hi", BOUNDS);
        drop(server);
        assert_eq!(client.next().await.unwrap(), Incoming::Text("hi".to_owned()));
        assert_eq!(client.next().await.unwrap(), Incoming::End);
    });
}
