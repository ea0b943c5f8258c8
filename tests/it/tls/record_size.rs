//! The largest TLS record of a listener, as a device with little memory sees it.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::harness::frame::{BINARY, FIN, plain};
use crate::harness::secure::client_config;
use crate::harness::site::{NAME, Site};
use crate::harness::wait::PATIENCE;
use crate::harness::{Upstream, client};

/// The longest record that a client gets, of the handshake and of a message of 100,000 bytes.
fn longest(site: &Site, options: &[&str]) -> usize {
    let upstream = Upstream::listen();
    let ringway = site.downstream(upstream.address(), options);
    let mut wire = TcpStream::connect(ringway.address()).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let mut tls = ClientConnection::new(std::sync::Arc::new(client_config(&site.authority)), name).unwrap();
    tls.writer().write_all(client::handshake("/", "").as_bytes()).unwrap();
    let (mut longest, mut clear, mut server) = (0, Vec::<u8>::new(), None);
    while clear.len() < 100_000 {
        while tls.wants_write() {
            tls.write_tls(&mut wire).unwrap();
        }
        if server.is_none()
            && let Some(stream) = upstream.try_accept()
        {
            let mut peer = crate::harness::Peer::over(stream);
            let request = peer.head();
            peer.switch(&request, "");
            peer.send(&plain(FIN | BINARY, &vec![7; 100_000]));
            server = Some(peer);
        }
        wire.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        let mut record = vec![0; 5];
        if !matches!(wire.peek(&mut record), Ok(1..)) {
            continue;
        }
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        wire.read_exact(&mut record).unwrap();
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        longest = longest.max(length);
        record.resize(5 + length, 0);
        wire.read_exact(&mut record[5..]).unwrap();
        let mut shown = record.as_slice();
        while !shown.is_empty() {
            tls.read_tls(&mut shown).unwrap();
            tls.process_new_packets().unwrap();
        }
        let mut some = [0; 32 * 1024];
        while let Ok(n @ 1..) = tls.reader().read(&mut some) {
            clear.extend(&some[..n]);
        }
    }
    longest
}

#[test]
fn a12_no_record_to_a_client_is_longer_than_the_option_says() {
    let site = Site::new();
    // TLS 1.3 adds the type of the content and a tag of 16 bytes.
    assert_eq!(longest(&site, &["--tls-max-record-bytes", "1KiB"]), 1024 + 17);
    assert!(longest(&site, &[]) > 4096);
}
