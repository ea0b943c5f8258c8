//! The feed: numbers, moments, and what becomes of a consumer that does not keep up.

use std::collections::BTreeSet;

use ringway::engine::Time;
use ringway_load::message::{Form, Format, Stamp};

use super::{Client, Server};

fn hear(client: &mut Client, format: &Format) -> (Stamp, usize) {
    let message = client.0.read().unwrap();
    assert_eq!(message.is_text(), format.form() == Form::Text);
    let payload = message.into_data();
    let stamp = format.read_stamp(&payload, payload.len()).expect("a message of this format");
    let mut whole = Vec::new();
    format.write_payload(&stamp, payload.len(), &mut whole);
    assert!(whole == payload[..], "the filler is damaged");
    (stamp, payload.len())
}

#[test]
fn every_connection_gets_numbered_messages_each_a_period_after_the_one_before() {
    for (form, arguments) in [(Form::Binary, &[][..]), (Form::Text, &["--text"])] {
        let mut all = vec!["feed", "--rate", "200", "--size", "100", "--seed", "7"];
        all.extend(arguments);
        let server = Server::start(&all);
        let format = Format::new(form, 7, 100);
        let mut clients: Vec<Client> = (0..5).map(|_| server.client()).collect();
        let mut numbers = BTreeSet::new();
        for client in &mut clients {
            let (first, _) = hear(client, &format);
            assert!(first.at <= Time::of_the_clock(), "a message before its moment");
            numbers.insert(first.from);
            for number in 1..20 {
                let (stamp, len) = hear(client, &format);
                assert_eq!((stamp.from, stamp.number, len), (first.from, number, 100));
                assert_eq!(stamp.at.since(first.at).as_nanos(), u128::from(number) * 5_000_000);
            }
            assert_eq!(first.number, 0);
        }
        assert_eq!(numbers, (0..5).collect());
        drop(clients);
        let totals = server.totals();
        assert!(totals.get("sent_messages") >= 100 && totals.get("dropped") == 0, "{}", totals.0);
        assert_eq!(totals.get("sent_bytes"), totals.get("sent_messages") * 100);
    }
}

#[test]
fn a_consumer_that_does_not_keep_up_sees_gaps_and_they_are_counted() {
    let server = Server::start(&["feed", "--rate", "2000", "--size", "100KiB", "--cpus", "0"]);
    let format = Format::new(Form::Binary, 1, 100 * 1024);
    let (mut client, mut expected, mut lost) = (server.client(), 0, 0);
    while lost == 0 {
        // However long it takes to fill the kernel's buffers: until then there is another round.
        std::thread::sleep(std::time::Duration::from_millis(100));
        for _ in 0..200 {
            let (stamp, _) = hear(&mut client, &format);
            lost += stamp.number - expected;
            expected = stamp.number + 1;
        }
    }
    client.sync_any();
    drop(client);
    assert!(server.totals().get("dropped") >= lost);
}

#[test]
fn a_feed_far_behind_its_rate_still_hears_a_signal() {
    let server = Server::start(&["feed", "--rate", "1000000000", "--cpus", "0"]);
    let mut client = server.client();
    let format = Format::new(Form::Binary, 1, 64);
    hear(&mut client, &format);
    client.sync_any();
    server.signal();
    client.hear_close();
    drop(client);
    assert!(server.ended().1);
}
