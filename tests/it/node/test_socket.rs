//! The socket of a test page on the admin listener: who may open it, what it answers, how it ends.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::harness::admin::raw;
use crate::harness::client::KEY;
use crate::harness::node::Node;
use crate::harness::patient::Patient;
use crate::harness::wait::{PATIENCE, until};

const PATH: &str = "/api/v1/test-socket";

/// tungstenite, connected with these headers, and the subprotocol that was selected.
fn open(node: &Node, headers: &[(&'static str, &str)]) -> Result<(WebSocket<Patient>, Option<String>), String> {
    let mut request = format!("ws://{}{PATH}", node.admin.address()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = std::net::TcpStream::connect(node.admin.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (socket, response) = tungstenite::client(request, Patient(stream)).map_err(|error| error.to_string())?;
    let selected = response.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap().to_owned());
    Ok((socket, selected))
}

fn protocols(token: &str) -> String {
    format!("ringway.test, ringway.bearer.{}", BASE64_URL_SAFE_NO_PAD.encode(token))
}

#[test]
fn a_test_socket_sends_every_message_back_and_says_goodbye_when_the_node_stops() {
    let node = Node::start("");
    let token = node.admin.token().to_owned();
    let (mut socket, selected) = open(&node, &[("authorization", &format!("Bearer {token}"))]).unwrap();
    assert_eq!(selected, None);
    let (mut page, selected) = open(&node, &[("sec-websocket-protocol", &protocols(&token))]).unwrap();
    assert_eq!(selected.as_deref(), Some("ringway.test"));
    for socket in [&mut socket, &mut page] {
        for message in [Message::text("häll\u{f6} ".repeat(5000)), Message::binary(vec![0xff; 65_536])] {
            socket.send(message.clone()).unwrap();
            assert_eq!(socket.read().unwrap(), message);
        }
    }
    socket.send(Message::binary(vec![0; 65_537])).unwrap();
    let Message::Close(Some(close)) = socket.read().unwrap() else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Size);
    node.signal(libc::SIGTERM);
    let Message::Close(Some(close)) = page.read().unwrap() else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Away);
    while page.read().is_ok() {}
    assert_eq!(node.ended().code(), Some(0));
}

#[test]
fn only_who_has_the_token_and_is_no_other_sites_page_opens_a_test_socket() {
    let node = Node::start("");
    let (admin, token) = (node.admin.address(), node.admin.token().to_owned());
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let host = format!("Host: {admin}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let page = format!("Sec-WebSocket-Protocol: {}\r\n", protocols(&token));
    let wrong = format!("Sec-WebSocket-Protocol: {}\r\n", protocols(&token[1..]));
    for (status, code, lines) in [
        (401, "token", format!("{host}{upgrade}{key}")),
        (401, "token", format!("{host}{upgrade}{key}{wrong}")),
        (401, "token", format!("{host}{upgrade}{key}Authorization: Bearer x\r\n{page}")),
        (401, "token", format!("{host}{key}{page}")),
        (403, "origin-not-allowed", format!("{host}{upgrade}{key}{page}Origin: http://evil.test\r\n")),
        (421, "host-not-allowed", format!("Host: evil.test\r\n{upgrade}{key}{page}Origin: http://evil.test\r\n")),
        (400, "handshake-invalid", format!("{host}{bearer}Connection: close\r\n")),
        (400, "handshake-invalid", format!("{host}{bearer}{upgrade}Sec-WebSocket-Key: short\r\n")),
    ] {
        // A refused caller without the token is disconnected; any other is asked to close.
        let answer = raw(admin, &format!("GET {PATH} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.code()), (status, code), "{lines}: {}", answer.text);
    }
    let origin = format!("http://{admin}");
    assert!(open(&node, &[("sec-websocket-protocol", &protocols(&token)), ("origin", &origin)]).is_ok());
    node.stop();
}

#[test]
fn test_sockets_beyond_their_number_are_refused_until_one_closes() {
    let node = Node::start("");
    let bearer = format!("Bearer {}", node.admin.token());
    let mut sockets: Vec<_> = (0..16).map(|_| open(&node, &[("authorization", &bearer)]).unwrap().0).collect();
    assert!(open(&node, &[("authorization", &bearer)]).unwrap_err().contains("503"));
    let mut one = sockets.pop().unwrap();
    one.close(None).unwrap();
    while one.read().is_ok() {}
    drop(one);
    until("a place is free", || open(&node, &[("authorization", &bearer)]).ok());
}
