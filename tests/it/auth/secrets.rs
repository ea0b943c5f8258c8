//! A key is in no record, no list and no answer, whatever becomes of its request.

use super::set_up::{EXPIRED, GOOD, UNKNOWN, everywhere, text, usual, with_keys};
use crate::harness::client;
use crate::harness::shard::{BOTH, TestShard};
use crate::harness::wait::PATIENCE;

/// The characters of a key that may never be seen: all but the prefix.
fn secret(key: u8) -> String {
    text(key)[4..].to_owned()
}

#[test]
fn no_record_and_no_answer_holds_a_key() {
    for places in [everywhere(), usual()] {
        let shard = TestShard::start(with_keys(places));
        let mut requests = 0;
        for key in [GOOD, EXPIRED, UNKNOWN] {
            let text = text(key);
            for (target, lines) in [
                ("/".to_owned(), format!("Authorization: Bearer {text}\r\n")),
                ("/".to_owned(), format!("X-API-Key: {text}\r\nAuthorization: Bearer {text}\r\n")),
                ("/".to_owned(), format!("Sec-WebSocket-Protocol: ringway.bearer, {text}, chat\r\n")),
                ("/".to_owned(), format!("Sec-WebSocket-Protocol: ringway.bearer, {text}/x\r\n")),
                ("/".to_owned(), format!("Cookie: ringway_key={text}\r\n")),
                (format!("/?apikey={text}"), String::new()),
                (format!("/?token={text}"), String::new()),
                (format!("/{text}/room"), String::new()),
                (format!("/{text} HTTP/1.0\r\nX: y"), String::new()),
                ("/".to_owned(), format!("X-API-Key: {text}\r\nContent-Length: 7\r\n")),
                ("/".to_owned(), format!("X-API-Key: {text}\r\nSec-WebSocket-Key: {text}\r\n")),
            ] {
                for speaks in BOTH {
                    let mut peer = shard.connect(speaks);
                    peer.send(client::handshake(&target, &lines).as_bytes());
                    // One that is let in is declined, so that its answer is whole as well.
                    let came = if key == GOOD {
                        std::thread::scope(|scope| {
                            let answer = scope.spawn(|| peer.all(PATIENCE));
                            while !answer.is_finished() {
                                if let Some(stream) = shard.upstream.try_accept() {
                                    let mut server = crate::harness::Peer::over(stream);
                                    let request = server.head();
                                    assert!(!request.contains(&secret(key)) || request.contains("/room"), "{request}");
                                    server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                                }
                                std::thread::yield_now();
                            }
                            answer.join().unwrap()
                        })
                    } else {
                        peer.all(PATIENCE)
                    };
                    assert!(!came.text().contains(&secret(key)), "{}", came.text());
                    let listed = format!("{:?}", shard.connections());
                    assert!(!listed.contains(&secret(key)), "{listed}");
                    drop(peer);
                    requests += 1;
                }
            }
        }
        for nth in 0..requests {
            let record = shard.record(nth);
            let note = record.note.as_ref().map(ToString::to_string);
            let shown = format!("{record:?} {} {note:?}", record.end);
            for key in [GOOD, EXPIRED, UNKNOWN] {
                assert!(!shown.contains(&secret(key)), "{shown}");
            }
        }
    }
}
