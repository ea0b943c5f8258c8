//! The probe itself: a script does what it says, and a client sees which end came. No process under test.

use std::time::Duration;

use crate::harness::pki::Authority;
use crate::harness::wait::{PATIENCE, until};
use crate::harness::{Came, Ended, Gate, Peer, Script, client, secure};

/// Too short for anything to be decided by it but that nothing comes.
const A_MOMENT: Duration = Duration::from_millis(50);

fn asked(script: Script) -> Came {
    let upstream = script.plays();
    let mut client = Peer::connect(upstream.address());
    client.send(client::handshake("/", "").as_bytes());
    client.all(PATIENCE)
}

#[test]
fn a_client_sees_how_the_other_end_ended() {
    for (script, ended) in [
        (Script::answers("HTTP/1.1 204 No Content\r\n\r\n").fin(), Ended::Fin),
        (Script::answers("HTTP/1.1 204 No Content\r\n\r\n").close(), Ended::Fin),
        (Script::answers("HTTP/1.1 204 No Content\r\n\r\n").reset(), Ended::Reset),
    ] {
        let came = asked(script);
        assert_eq!(came.ended, ended);
        assert!(ended == Ended::Reset || came.status() == 204, "{}", came.text());
    }
    let upstream = Script::new().plays();
    assert_eq!(Peer::connect(upstream.address()).all(A_MOMENT).ended, Ended::Open);
}

#[test]
fn a_script_plays_its_steps_in_order_and_remembers_what_came() {
    let gate = Gate::default();
    let script = Script::new().head().switch("X-A: b\r\n").read(3).wait(&gate).chunk("Wiki").chunk("").fin();
    let upstream = script.plays();
    let mut client = Peer::connect(upstream.address());
    client.send_slices(&[client::handshake("/one", "").as_bytes(), b"ab", b"c"]);
    assert!(client.head().ends_with("X-A: b\r\n\r\n"));
    until("three bytes came", || upstream.so_far(0).filter(|seen| seen.bytes == b"abc"));
    assert_eq!(client.all(A_MOMENT).bytes, b"", "the gate is closed");
    gate.open();
    let came = client.all(PATIENCE);
    assert_eq!((came.text().as_str(), came.ended), ("4\r\nWiki\r\n0\r\n\r\n", Ended::Fin));
    client.finish();
    assert_eq!(upstream.saw(0).ended, Some(Ended::Fin));
    assert!(upstream.heads()[0].starts_with("GET /one "));
}

#[test]
fn each_connection_has_its_script_and_the_last_is_for_all_others() {
    let upstream = Script::in_turn([Script::new().close(), Script::new().fin()]);
    for _ in 0..3 {
        assert_eq!(Peer::connect(upstream.address()).all(PATIENCE), Came { bytes: Vec::new(), ended: Ended::Fin });
    }
    assert_eq!(upstream.accepts(), 3);
    let address = upstream.address();
    drop(upstream);
    let back = Script::at(address, [Script::new().fin()]);
    assert_eq!(Peer::connect(back.address()).all(PATIENCE).ended, Ended::Fin);
}

#[test]
fn an_upstream_that_reads_no_more_is_over_when_the_other_end_is_gone() {
    let upstream = Script::new().stall().plays();
    let mut client = Peer::connect(upstream.address());
    client.send(b"unread");
    drop(client);
    assert_eq!(upstream.saw(0).bytes, b"");
}

#[test]
fn an_upstream_that_never_ends_is_over_when_its_client_is() {
    let upstream = Script::new().forever("event: tick\n\n").plays();
    let mut client = Peer::connect(upstream.address());
    client.exactly(1 << 20);
    drop(client);
    assert_eq!(upstream.saw(0).ended, Some(Ended::Reset));
}

#[test]
fn a_script_speaks_tls_too() {
    let authority = Authority::new();
    let config = secure::server_config(&authority.server(&["upstream.test"]));
    let upstream = Script::answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\n{\"code\":\"wrong\"}")
        .fin()
        .plays_tls(config);
    let mut client = secure::connect(upstream.address(), "upstream.test", secure::client_config(&authority));
    client.send(client::handshake("/", "").as_bytes());
    let came = client.all(PATIENCE);
    assert_eq!((came.ended, came.code().as_str()), (Ended::Truncated, "wrong"));
    let came =
        asked(Script::answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 16\r\n\r\n{\"code\":\"wrong\"}").fin());
    came.is_refusal(400, "wrong");
}
