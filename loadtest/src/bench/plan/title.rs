//! The headings of figures.

use super::{Load, Pace};
use crate::bench::downstream::{Downstream, Sessions};

/// The heading of a figure.
pub(super) fn of(load: Load, downstream: Downstream) -> String {
    match load {
        Load::Echo { connections, pace: Pace::Closed, size } => {
            format!("Echo of {}, {} connections, one message in flight on each", bytes(size), thousands(connections))
        }
        Load::Echo { connections, pace: Pace::Rate(rate), size } => format!(
            "Echo of {} at {} messages/s over {} connections",
            bytes(size),
            thousands(rate),
            thousands(connections)
        ),
        Load::Hold { connections } => format!("{} idle connections", thousands(connections)),
        Load::Storm { held: 0, sessions } => match (downstream, sessions) {
            (Downstream::Plain, _) => "Handshakes, one after the other".to_owned(),
            (Downstream::Tls, Sessions::New) => "Full TLS and WebSocket handshakes, one after the other".to_owned(),
            (Downstream::Tls, Sessions::Resumed) => {
                "Resumed TLS and WebSocket handshakes, one after the other".to_owned()
            }
        },
        Load::Storm { held, .. } => {
            format!("Handshakes, one after the other, over {} held connections", thousands(held))
        }
        Load::Fanout { subscribers, rate, size } => {
            format!("{} to {} subscribers, {} messages/s", bytes(size), thousands(subscribers), thousands(rate))
        }
    }
}

fn bytes(size: u64) -> String {
    match size {
        size if size >= 1 << 20 && size % (1 << 20) == 0 => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 && size % (1 << 10) == 0 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

/// Formats an integer with a comma at every third digit.
pub(in crate::bench) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
