//! The cost of the protocol without I/O: frames scanned, payloads masked, handshakes read and written.
//!
//! `cargo bench --bench proto`

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::proto::accept::{accept_for, key_from};
use ringway::proto::forward::{Offer, Via, write_fields, write_start};
use ringway::proto::frame::{Opcode, Reserved, Sender, write_header};
use ringway::proto::head::{HeadLimits, find_end};
use ringway::proto::mask;
use ringway::proto::request::Request;
use ringway::proto::response::{Expected, Response};
use ringway::proto::scan::{FrameLimits, Scanner};
use ringway::proto::via::ChainKey;

const KEY: mask::Key = [0x37, 0xfa, 0x21, 0x3d];
const FRAME_LIMITS: FrameLimits = FrameLimits { max_frame_bytes: 64 << 20, max_message_bytes: 64 << 20 };
const HEAD_LIMITS: HeadLimits = HeadLimits { max_bytes: 16 << 10, max_lines: 100 };
const CLIENT_KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// The request of a browser for `new WebSocket(..)`, with a session cookie.
const BROWSER: &[u8] = b"GET /default/chat/v1.0/rooms/42?token=abcdef0123456789 HTTP/1.1\r\n\
    Host: api.example.test\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://www.example.test\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n\
    \r\n";

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Protocol: chat.v2\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Server: example\r\n\
    \r\n";

fn frames(count: usize, payload_len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        write_header(Opcode::Binary, true, 0, payload_len as u64, Some(KEY), &mut out);
        out.resize(out.len() + payload_len, 0x5A);
    }
    out
}

/// A client's frames, each chunk from the first byte of a frame to the last of one.
fn scanner(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scanner");
    for (name, count, payload_len) in
        [("one message of 128 B", 1, 128), ("1000 messages of 16 B", 1000, 16), ("one message of 64 KiB", 1, 64 << 10)]
    {
        let chunk = frames(count, payload_len);
        let mut scanner = Scanner::new(Sender::Client, Reserved::None);
        assert_eq!(scanner.scan(&chunk, &FRAME_LIMITS).used, chunk.len());
        assert_eq!((scanner.messages(), scanner.at_boundary()), (count as u64, true));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| scanner.scan(black_box(&chunk), black_box(&FRAME_LIMITS)));
        });
    }
}

fn masking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for size in [16, 128, 64 << 10] {
        let mut payload = vec![0x5A; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, _| {
            bencher.iter(|| mask::apply(black_box(&mut payload), black_box(KEY), 0));
        });
    }
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    group.bench_function("parse a browser's request", |bencher| {
        bencher.iter(|| Request::parse(black_box(BROWSER), &HEAD_LIMITS).expect("it is valid"));
    });

    let key = key_from([7; 16]);
    let pseudonym = ChainKey::new([7; 16]).pseudonym(1);
    let via = Via {
        key: &key,
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        scheme: "http",
        trusted: false,
        subject: None,
        pseudonym: &pseudonym,
        extensions: Offer::AsTheClient,
        consumer: None,
    };
    let mut out = Vec::with_capacity(4096);
    group.bench_function("find, parse and write for the upstream", |bencher| {
        bencher.iter(|| {
            let bytes = black_box(BROWSER);
            let end = find_end(bytes, 0, &HEAD_LIMITS).expect("within the limit").expect("it is whole");
            let request = Request::parse(&bytes[..end], &HEAD_LIMITS).expect("it is valid");
            out.clear();
            write_start("/base", request.path_and_query, "10.0.0.1:9000", &mut out);
            write_fields(&request, &via, &mut out);
            out.len()
        });
    });

    group.bench_function("accept key", |bencher| bencher.iter(|| accept_for(black_box(CLIENT_KEY))));

    let request = Request::parse(BROWSER, &HEAD_LIMITS).expect("it is valid");
    let expected = Expected::new(&request, accept_for(CLIENT_KEY));
    let response = Response::parse(SWITCHING, &HEAD_LIMITS).expect("it is valid");
    group.bench_function("verify a response", |bencher| {
        bencher.iter(|| black_box(&response).verify(black_box(&expected)).expect("it is what was asked for"));
    });
    group.bench_function("parse and verify a response", |bencher| {
        bencher.iter(|| {
            let response = Response::parse(black_box(SWITCHING), &HEAD_LIMITS).expect("it is valid");
            response.verify(black_box(&expected)).expect("it is what was asked for")
        });
    });
}

criterion_group!(benches, scanner, masking, handshake);
criterion_main!(benches);
