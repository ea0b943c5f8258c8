//! Frames that Ringway writes itself: the reference finds them right, byte for byte.

use ringway::proto::frame::{ControlFrame, MAX_CONTROL_BYTES, Opcode, Reserved, Sender, write_header};

use super::follow::{SENDERS, Setting};
use super::wire::{self, CLOSE, FIN, Form, PING, PONG, close_body, frame};

const CODES: [u16; 6] = [1000, 1001, 1002, 1007, 1009, 1011];

#[test]
fn a_ping_or_pong_of_ours_is_the_frame_that_the_rfc_draws_for_every_payload_length() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        for (opcode, number) in [(Opcode::Ping, PING), (Opcode::Pong, PONG)] {
            for length in 0..=130 {
                let payload: Vec<u8> = (100..).take(length).collect();
                let ours = ControlFrame::new(opcode, &payload, setting.key());
                let cut = &payload[..length.min(125)];
                assert_eq!(ours.as_bytes(), frame(FIN | number, cut, setting.key()), "{length}");
                assert!(ours.as_bytes().len() <= MAX_CONTROL_BYTES);
            }
        }
    }
}

#[test]
fn a_close_of_ours_is_the_frame_that_the_rfc_draws_for_every_reason_that_fits() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        for (code, reason_len) in CODES.into_iter().flat_map(|code| (0..=123).map(move |n| (code, n))) {
            let ours = ControlFrame::close(code, &"r".repeat(reason_len), setting.key());
            assert_eq!(ours.as_bytes(), frame(FIN | CLOSE, &close_body(code, reason_len), setting.key()));
            let reading = setting.read(ours.as_bytes());
            assert_eq!(reading.controls.first().and_then(|control| control.close_code), Some(code));
        }
    }
}

#[test]
fn a_data_header_of_ours_has_the_shortest_length_around_every_power_of_two() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::Any)) {
        for length in (0..63).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1]) {
            for (opcode, number) in [(Opcode::Continuation, 0), (Opcode::Text, 1), (Opcode::Binary, 2)] {
                for (fin, bit) in [(false, 0), (true, FIN)] {
                    let mut ours = Vec::new();
                    write_header(opcode, fin, 0x40, length, setting.key(), &mut ours);
                    let expected = wire::header(bit | 0x40 | number, Form::minimal(length), length, setting.key());
                    assert_eq!(ours, expected, "{length}");
                }
            }
        }
    }
}

/// Input that would make a frame of the proxy break a rule does not reach the wire.
#[test]
fn only_the_three_reserved_bits_of_what_is_asked_for_are_set() {
    let mut ours = Vec::new();
    write_header(Opcode::Text, false, 0xFF, 0, None, &mut ours);
    assert_eq!(ours, [0x71, 0x00]);
    assert!(Setting::new(Sender::Server, Reserved::Any).read(&ours).at_end().shown.is_empty());
}
