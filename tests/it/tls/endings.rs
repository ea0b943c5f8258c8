//! How a tunnel over TLS ends that does not end in order: without close_notify, by a reset, a forged record or an alert, on
//! either side.

use std::io::{Read, Write};

use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};

use crate::harness::Ended;
use crate::harness::frame::{BINARY, CLOSE, FIN, TEXT, close_body, masked, plain};
use crate::harness::loads::noise;
use crate::harness::secure::{Shape, Tls};
use crate::harness::site::shaped;
use crate::harness::site::{SecureTunnel, Site};

#[test]
fn a_client_that_ends_without_close_notify_before_its_close_is_truncated() {
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&["--log-format", "json"]);
    client.say("last");
    client.finish();
    upstream.hears("last");
    upstream.ends();
    drop((client, upstream));
    let record = ringway.logged("client broken: tls-truncated");
    assert!(!record.contains("upstream_told"), "{record}");
}

#[test]
fn an_upstream_that_ends_without_close_notify_before_its_close_is_truncated() {
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&["--log-format", "json"]);
    upstream.answer("last");
    upstream.finish();
    client.hears("last");
    client.ends();
    drop((client, upstream));
    let record = ringway.logged("upstream broken: tls-truncated");
    assert!(!record.contains("client_told"), "{record}");
}

#[test]
fn close_notify_before_a_close_is_an_end_without_one() {
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    client.say("last");
    client.finish_tls();
    upstream.hears("last");
    // As it came: without a close frame that nobody sent. Its own direction stays open.
    upstream.ends();
    upstream.answer("still");
    upstream.finish_tls();
    client.hears("still");
    client.ends();
    drop((client, upstream));
    ringway.logged("client ended without a close frame");
}

#[test]
fn after_the_close_handshake_no_close_notify_is_missed() {
    let site = Site::new();
    for client_first in [true, false] {
        let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&["--log-format", "json"]);
        client.send(&masked(FIN | CLOSE, &close_body(4000, "")));
        assert_eq!(upstream.close().0, Some(4000));
        upstream.send(&plain(FIN | CLOSE, &close_body(4000, "")));
        if client_first {
            client.finish();
            upstream.finish();
        } else {
            upstream.finish();
            client.finish();
        }
        assert_eq!(client.close().0, Some(4000));
        client.ends();
        upstream.ends();
        drop((client, upstream));
        let record = ringway.logged("closed by client");
        assert!(record.contains("\"client_told\":4000") && record.contains("\"upstream_told\":4000"), "{record}");
        assert!(!ringway.log().contains("tls-truncated"), "{}", ringway.log());
    }
}

#[test]
fn a16_a_reset_in_the_middle_of_a_record_resets_the_other_side() {
    let site = Site::new();
    let message = noise(10_000, 1);
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    client.say("whole");
    upstream.hears("whole");
    let sealed = client.stream.seal(&masked(FIN | BINARY, &message));
    client.stream.wire.write_all(&sealed[..sealed.len() / 2]).unwrap();
    client.reset();
    assert_eq!(upstream.rest(), (vec![], Ended::Reset));
    drop(upstream);
    ringway.logged("client broken: ");

    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    let sealed = upstream.stream.seal(&plain(FIN | BINARY, &message));
    upstream.stream.wire.write_all(&sealed[..sealed.len() / 2]).unwrap();
    upstream.reset();
    assert_eq!(client.rest(), (vec![], Ended::Reset));
    drop(client);
    ringway.logged("upstream broken: ");
}

/// A way to spoil what is sent behind a message that is right.
type Spoil = fn(&mut Tls) -> Vec<u8>;

const SPOILT: [(&str, Spoil); 7] = [
    ("a bit is turned over", |tls| {
        let mut record = tls.seal(b"\x81\x85secret");
        let last = record.len() - 1;
        record[last] ^= 1;
        record
    }),
    ("a record comes twice", |tls| {
        let record = tls.seal(&masked(FIN | TEXT, b"once"));
        [record.as_slice(), &record].concat()
    }),
    ("a record is left out", |tls| {
        tls.seal(b"lost");
        tls.seal(b"behind it")
    }),
    ("plain text", |_| b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ("a kind of record that there is not", |_| b"\x63\x03\x03\x00\x05hello".to_vec()),
    ("a record that is longer than records are", |_| {
        let mut record = vec![23, 3, 3, 0xff, 0xff];
        record.extend([0; 0xffff]);
        record
    }),
    ("a record of zeros", |_| {
        let mut record = vec![23, 3, 3, 0, 32];
        record.extend([0; 32]);
        record
    }),
];

#[test]
fn a_forged_record_ends_the_clients_connection_with_an_alert_and_passes_nothing_on() {
    let site = Site::new();
    for version in [&TLS12, &TLS13] {
        for (what, spoil) in SPOILT {
            let SecureTunnel { ringway, mut client, mut upstream } = shaped(&site, version, Shape::Whole);
            client.say("whole");
            upstream.hears("whole");
            let bytes = spoil(&mut client.stream);
            client.stream.wire.write_all(&bytes).unwrap();
            if what == "a record comes twice" {
                upstream.hears("once");
            }
            assert_eq!(upstream.rest(), (vec![], Ended::Fin), "{what}");
            // A reset may come before the alert was read: what is behind the forged record is not waited for.
            if let Err(error) = client.stream.read(&mut [0])
                && let Some(rustls::Error::AlertReceived(alert)) = error.get_ref().and_then(|it| it.downcast_ref())
            {
                assert_ne!(*alert, AlertDescription::CloseNotify, "{what}");
            }
            drop((client, upstream));
            ringway.logged("client broken: tls-violation");
        }
    }
}

#[test]
fn a_forged_record_ends_the_upstreams_connection_and_passes_nothing_on() {
    let site = Site::new();
    for version in [&TLS12, &TLS13] {
        for (what, spoil) in SPOILT {
            // Frames of a server are not masked: here only what comes before the forgery counts.
            if what == "a record comes twice" {
                continue;
            }
            let SecureTunnel { ringway, mut client, mut upstream } = shaped(&site, version, Shape::Whole);
            upstream.answer("whole");
            client.hears("whole");
            let bytes = spoil(&mut upstream.stream);
            upstream.stream.wire.write_all(&bytes).unwrap();
            assert_eq!(client.rest(), (vec![], Ended::Fin), "{what}");
            drop((client, upstream));
            ringway.logged("upstream broken: tls-violation");
        }
    }
}

/// An alert in the middle of the tunnel: the peer says that it breaks off.
#[test]
fn a_fatal_alert_in_an_open_tunnel_ends_the_other_side() {
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    // What comes back is forged, so the client's rustls sends its alert.
    let mut wire = client.stream.wire.try_clone().unwrap();
    let mut forged: &[u8] = &[23, 3, 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    client.stream.session.read_tls(&mut forged).unwrap();
    client.stream.session.process_new_packets().unwrap_err();
    wire.write_all(&client.stream.sealed()).unwrap();
    upstream.ends();
    drop((client, upstream, wire));
    ringway.logged("client broken: tls-alert-received 20");
}
