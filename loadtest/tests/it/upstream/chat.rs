//! The chat: rooms, who hears what, and what is said to whom.

use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{Client, Server};

/// A user in a quiet chat.
fn join(server: &Server, name: &str) -> Client {
    let mut client = server.client();
    client.say(&json!({"type": "Connect", "username": name}).to_string());
    // Rooms are filled in the order of arrival, so each must have arrived.
    client.sync();
    client
}

fn say(client: &mut Client, message: &str) {
    client.say(&json!({"type": "Data", "message": message}).to_string());
    assert_eq!(client.hear(), "Message sent");
}

#[track_caller]
fn hear(client: &mut Client) -> Value {
    serde_json::from_str(&client.hear()).unwrap()
}

#[test]
fn rooms_of_five_do_not_hear_each_other_and_a_sender_is_told_that_it_sent() {
    let server = Server::start(&["chat", "--quiet"]);
    let mut users: Vec<Client> = (0..10).map(|user| join(&server, &format!("user{user}"))).collect();
    say(&mut users[1], "to the first room");
    say(&mut users[7], "to the second \"room\"");
    for (place, user) in users.iter_mut().enumerate() {
        if ![1, 7].contains(&place) {
            let (from, message) =
                if place < 5 { ("user1", "to the first room") } else { ("user7", "to the second \"room\"") };
            assert_eq!(hear(user), json!({"type": "Data", "from": from, "message": message, "totalUsers": 10}));
        }
        // Nothing else came.
        user.sync();
    }
    drop(users);
    let totals = server.totals();
    assert_eq!((totals.get("received_messages"), totals.get("sent_messages")), (12, 10));
}

#[test]
fn a_place_that_is_left_is_filled_again() {
    let server = Server::start(&["chat", "--room-size", "2"]);
    let mut ann = server.client();
    ann.say(r#"{"type":"Connect","username":"ann"}"#);
    hear(&mut ann);
    let mut bob = server.client();
    bob.say(r#"{"type":"Connect","username":"bob"}"#);
    assert_eq!(hear(&mut bob)["room"], 1);
    assert_eq!(hear(&mut ann)["username"], "bob");
    let mut cat = server.client();
    cat.say(r#"{"type":"Connect","username":"cat"}"#);
    assert_eq!(hear(&mut cat)["room"], 2);
    bob.0.close(None).unwrap();
    bob.hear_close();
    assert_eq!(hear(&mut ann)["type"], "Disconnect");
    let mut dan = server.client();
    dan.say(r#"{"type":"Connect","username":"dan"}"#);
    assert_eq!(hear(&mut dan)["room"], 1);
    assert_eq!(hear(&mut ann)["username"], "dan");
    say(&mut dan, "hi");
    assert_eq!(hear(&mut ann)["from"], "dan");
    cat.sync();
}

#[test]
fn who_comes_and_goes_is_announced_as_the_sample_does() {
    let server = Server::start(&["chat"]);
    let notice = |kind: &str, name: &str, count: u64, total: u64| {
        json!({"type": kind, "room": 1, "userCount": count, "maxUsers": 5, "status": "Online", "username": name,
               "totalUsers": total})
    };
    let mut ann = server.client();
    ann.say(r#"{"type":"Connect","username":"ann"}"#);
    assert_eq!(hear(&mut ann), notice("Connect", "ann", 1, 1));
    let mut bob = server.client();
    // The members in any order, one that is not known, and a message behind it in the same breath.
    bob.say(r#" {"x":[],"username":"bob","type":"Connect"} "#);
    bob.say(r#"{"type":"Data","message":{"any":["thing",null]}}"#);
    assert_eq!(hear(&mut bob), notice("Connect", "bob", 2, 2));
    assert_eq!(bob.hear(), "Message sent");
    assert_eq!(hear(&mut ann), notice("Connect", "bob", 2, 2));
    assert_eq!(hear(&mut ann)["message"], json!({"any": ["thing", null]}));
    drop(bob);
    // The sample counts who goes among all users still.
    assert_eq!(hear(&mut ann), notice("Disconnect", "bob", 1, 2));
}

#[test]
fn what_makes_no_sense_is_answered_and_the_connection_goes_on() {
    let server = Server::start(&["chat"]);
    let mut ann = server.client();
    let deep = format!(r#"{{"type":"Data","message":{}}}"#, "[".repeat(100_000));
    let long_name = json!({"type": "Connect", "username": "n".repeat(129)}).to_string();
    for (message, answer) in [
        ("hello", "not a JSON object"),
        ("", "not a JSON object"),
        ("null", "not a JSON object"),
        (r#"["Connect","ann",null]"#, "not a JSON object"),
        (r#"{"username":"ann"}"#, "not a JSON object"),
        (r#"{"type":1}"#, "not a JSON object"),
        (&deep, "not a JSON object"),
        (r#"{"type":"connect","username":"ann"}"#, "neither Connect nor Data"),
        (r#"{"type":"Connect"}"#, "a username is"),
        (r#"{"type":"Connect","username":""}"#, "a username is"),
        (r#"{"type":"Connect","username":5}"#, "a username is"),
        (&long_name, "a username is"),
        (r#"{"type":"Data","message":"hi"}"#, "not connected"),
    ] {
        ann.say(message);
        let heard = ann.hear();
        assert!(heard.starts_with("Error: ") && heard.contains(answer), "{message:.80}: {heard}");
    }
    ann.0.send(Message::binary(b"\x80\xff".to_vec())).unwrap();
    assert!(ann.hear().contains("not a JSON object"));
    ann.say(r#"{"type":"Disconnect"}"#);
    ann.sync();
    // The sample reads binary messages as it does text.
    ann.0.send(Message::binary(br#"{"type":"Connect","username":"ann"}"#.to_vec())).unwrap();
    assert_eq!(hear(&mut ann)["username"], "ann");
    ann.say(r#"{"type":"Connect","username":"bob"}"#);
    assert!(ann.hear().contains("connected before"));
    say(&mut ann, "alone");
}

#[test]
fn a_message_above_the_bound_is_closed_with_1009() {
    let server = Server::start(&["chat"]);
    let mut client = server.client();
    client.0.send(Message::text("x".repeat(256 * 1024))).unwrap();
    assert!(client.hear().contains("not a JSON object"));
    client.0.send(Message::text("x".repeat(256 * 1024 + 1))).unwrap();
    assert_eq!(client.hear_close().unwrap().0, CloseCode::Size);
}

#[test]
fn who_does_not_read_is_closed_with_1008_and_the_others_go_on() {
    let server = Server::start(&["chat"]);
    let mut ann = server.client();
    ann.say(r#"{"type":"Connect","username":"ann"}"#);
    hear(&mut ann);
    let mut bob = server.client();
    bob.say(r#"{"type":"Connect","username":"bob"}"#);
    assert_eq!(hear(&mut ann)["username"], "bob");
    let message = json!({"type": "Data", "message": "x".repeat(200_000)}).to_string();
    let told = loop {
        ann.say(&message);
        let heard = ann.hear();
        if heard != "Message sent" {
            break serde_json::from_str::<Value>(&heard).unwrap();
        }
    };
    assert_eq!((&told["type"], &told["username"]), (&json!("Disconnect"), &json!("bob")));
    assert_eq!(bob.hear_close(), Some((CloseCode::Policy, "too slow".to_owned())));
    assert_eq!(ann.hear(), "Message sent");
    say(&mut ann, "still here");
    drop((ann, bob));
    assert_eq!(server.totals().get("too_slow"), 1);
}
