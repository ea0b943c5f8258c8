//! Windows, lateness and the seconds of updates.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::{Event, Recorder, Trouble, Window};
use ringway::engine::Time;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

#[test]
fn an_answer_counts_by_when_it_was_due_and_as_late_as_it_came() {
    let (events, happens) = channel();
    let mut recorder = Recorder::new(0, events, at(0));
    recorder.measure(Window { from: at(1000), until: at(2000) });
    for (due, came) in [(999, 1000), (1000, 1001), (1999, 4999), (2000, 2001)] {
        recorder.due(at(due), at(due));
        recorder.received(at(due), at(came), 10);
    }
    recorder.hand_over(at(5000), Duration::ZERO);
    let Ok(Event::Update(update)) = happens.try_recv() else { panic!("no update") };
    assert_eq!((update.counts.due, update.counts.received, update.counts.bytes_received), (2, 2, 20));
    assert_eq!(update.latency.len(), 2);
    assert!(update.latency.max() >= 3_000_000_000, "{}", update.latency.max());
}

#[test]
fn only_what_is_taken_up_a_millisecond_late_is_late() {
    let (events, happens) = channel();
    let mut recorder = Recorder::new(0, events, at(0));
    recorder.measure(Window { from: at(0), until: at(2000) });
    recorder.due(at(10), at(11));
    recorder.due(at(10), at(12));
    recorder.hand_over(at(20), Duration::ZERO);
    let Ok(Event::Update(update)) = happens.try_recv() else { panic!("no update") };
    assert_eq!((update.counts.due, update.counts.late), (2, 1));
}

#[test]
fn updates_fall_on_the_windows_seconds() {
    let (events, happens) = channel();
    let mut recorder = Recorder::new(0, events, at(0));
    recorder.measure(Window { from: at(1500), until: at(9000) });
    recorder.failed(Trouble::Status(503));
    for now in (0..5000).step_by(100) {
        recorder.update(at(now), Duration::ZERO);
    }
    let seen: Vec<u64> = happens
        .try_iter()
        .map(|event| match event {
            Event::Update(update) => update.until.as_millis(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, vec![1500, 2500, 3500, 4500]);
}

#[test]
fn every_trouble_has_its_words() {
    assert_eq!(Trouble::Status(503).reason(), "status 503");
    assert_eq!(Trouble::Closed(Some(1001)).reason(), "closed with 1001");
    assert_eq!(Trouble::Status(503).during(), "handshake");
}
