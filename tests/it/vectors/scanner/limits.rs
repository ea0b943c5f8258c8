//! Limits to the byte, lengths at the end of what the RFC allows, and a direction that ends at the next boundary.

use ringway::proto::Violation;
use ringway::proto::frame::{Reserved, Sender};
use ringway::proto::scan::{FrameLimits, Scan, Step, Stop};

use super::follow::{SENDERS, Setting, UNLIMITED};
use super::wire::{BINARY, CLOSE, CONTINUATION, FIN, Form, PING, TEXT, close_body, frame, header};

const LONGEST: u64 = (1 << 63) - 1;

fn limited(sender: Sender, max_frame_bytes: u64, max_message_bytes: u64) -> Setting {
    Setting { limits: FrameLimits { max_frame_bytes, max_message_bytes }, ..Setting::new(sender, Reserved::None) }
}

/// A message of parts of these sizes, with a ping before every part but the first.
fn message(setting: &Setting, sizes: &[usize]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (i, size) in sizes.iter().enumerate() {
        let opcode = if i == 0 { BINARY } else { CONTINUATION };
        let fin = if i + 1 == sizes.len() { FIN } else { 0 };
        if i > 0 {
            stream.extend(frame(FIN | PING, b"does not count", setting.key()));
        }
        stream.extend(frame(fin | opcode, &vec![0x5A; *size], setting.key()));
    }
    stream
}

/// The verdict, which must be the same at once and byte by byte.
fn verdict(setting: &Setting, stream: &[u8]) -> Option<Violation> {
    let reading = setting.read(stream);
    let verdict = setting.follow(stream, &reading, [stream.len()]);
    assert_eq!(setting.follow(stream, &reading, 0..=stream.len()), verdict);
    verdict
}

#[test]
fn a_frame_at_the_frame_limit_passes_and_one_byte_more_is_refused() {
    for sender in SENDERS {
        for limit in [0_usize, 1, 125, 126, 127, 1000, 65_535, 65_536] {
            let setting = limited(sender, limit as u64, u64::MAX);
            assert_eq!(verdict(&setting, &message(&setting, &[limit])), None, "{limit}");
            assert_eq!(verdict(&setting, &message(&setting, &[limit, limit])), None, "{limit}, twice");
            let above = verdict(&setting, &message(&setting, &[limit + 1]));
            assert_eq!(above, Some(Violation::FrameTooBig), "{limit}");
            let later = verdict(&setting, &message(&setting, &[0, limit + 1]));
            assert_eq!(later, Some(Violation::FrameTooBig), "{limit}, in a continuation");
        }
    }
}

#[test]
fn a_message_at_the_message_limit_passes_and_one_byte_more_in_any_of_its_frames_is_refused() {
    for sender in SENDERS {
        let setting = limited(sender, u64::MAX, 300);
        for sizes in [&[300][..], &[0, 300], &[300, 0], &[100, 100, 100], &[1, 0, 298, 1], &[299, 0, 0, 0, 1]] {
            assert_eq!(verdict(&setting, &message(&setting, sizes)), None, "{sizes:?}");
            for fat in 0..sizes.len() {
                let mut above = sizes.to_vec();
                above[fat] += 1;
                let refused = verdict(&setting, &message(&setting, &above));
                assert_eq!(refused, Some(Violation::MessageTooBig), "{above:?}");
            }
        }
    }
}

/// The frame that brings it above the limit is held back, not the whole message: the parts before it have gone on.
#[test]
fn of_a_message_above_the_limit_only_the_frame_that_exceeds_it_is_held_back() {
    let setting = limited(Sender::Server, u64::MAX, 10);
    let stream = message(&setting, &[4, 6, 1]);
    let scan = |bytes: &[u8]| {
        let (mut scanner, mut good) = (setting.scanner(), 0);
        loop {
            let scan = scanner.scan(&bytes[good..], &setting.limits);
            good += scan.used;
            match scan.stop {
                Stop::Control(control) => good += control.frame_len,
                stop => break (good, stop),
            }
        }
    };
    let last_frame = 3;
    assert_eq!(scan(&stream), (stream.len() - last_frame, Stop::Violation(Violation::MessageTooBig)));
}

#[test]
fn a_new_message_counts_from_zero() {
    for sender in SENDERS {
        let setting = limited(sender, 100, 100);
        let stream = [&[100][..], &[50, 50], &[100], &[0], &[99, 1], &[100]].map(|sizes| message(&setting, sizes));
        assert_eq!(verdict(&setting, &stream.concat()), None);
    }
}

#[test]
fn limits_of_zero_let_empty_messages_and_all_control_frames_pass() {
    for sender in SENDERS {
        let setting = limited(sender, 0, 0);
        let mut stream = message(&setting, &[0, 0]);
        stream.extend(frame(FIN | PING, &[7; 125], setting.key()));
        stream.extend(frame(FIN | CLOSE, &close_body(1000, 123), setting.key()));
        assert_eq!(verdict(&setting, &stream), None);
    }
}

#[test]
fn a_frame_above_the_limit_is_refused_by_its_header_before_any_payload_came() {
    for sender in SENDERS {
        let setting = limited(sender, 1 << 20, u64::MAX);
        let stream = header(FIN | BINARY, Form::Long, (1 << 20) + 1, setting.key());
        assert_eq!(verdict(&setting, &stream), Some(Violation::FrameTooBig));
    }
}

#[test]
fn the_longest_length_of_all_passes_without_a_limit_and_is_counted_down() {
    for sender in SENDERS {
        let setting = Setting::new(sender, Reserved::None);
        let mut stream = header(FIN | BINARY, Form::Long, LONGEST, setting.key());
        let header_len = stream.len();
        stream.resize(header_len + 1000, 0xFF);
        assert_eq!(verdict(&setting, &stream), None);
        let mut scanner = setting.scanner();
        assert_eq!(scanner.scan(&stream, &UNLIMITED), Scan { used: stream.len(), stop: Stop::NeedMore });
        assert_eq!((scanner.remaining(), scanner.at_boundary()), (LONGEST - 1000, false));
        assert_eq!(scanner.step(&stream, &UNLIMITED), Step::Payload(stream.len()));
        assert_eq!(scanner.remaining(), LONGEST - 1000 - stream.len() as u64);
    }
}

#[test]
fn the_longest_length_of_all_is_exact_against_both_limits() {
    for (max_frame, max_message, expected) in [
        (LONGEST, LONGEST, None),
        (LONGEST - 1, u64::MAX, Some(Violation::FrameTooBig)),
        (u64::MAX, LONGEST - 1, Some(Violation::MessageTooBig)),
    ] {
        let setting = limited(Sender::Client, max_frame, max_message);
        let stream = header(FIN | BINARY, Form::Long, LONGEST, setting.key());
        assert_eq!(verdict(&setting, &stream), expected);
    }
}

#[test]
fn fragments_whose_sum_exceeds_63_bits_do_not_overflow_the_message_limit() {
    for (max_message, expected) in [
        (LONGEST + 10, None),
        (LONGEST + 9, Some(Violation::MessageTooBig)),
        (LONGEST, Some(Violation::MessageTooBig)),
        (u64::MAX, None),
    ] {
        let setting = limited(Sender::Server, u64::MAX, max_message);
        let mut stream = frame(TEXT, &[b'x'; 10], None);
        stream.extend(header(FIN | CONTINUATION, Form::Long, LONGEST, None));
        assert_eq!(verdict(&setting, &stream), expected, "{max_message}");
    }
}

#[test]
fn every_length_of_64_bits_is_refused_whatever_the_limits() {
    for length in [1 << 63, (1 << 63) + 125, u64::MAX - 1, u64::MAX] {
        for sender in SENDERS {
            let setting = Setting::new(sender, Reserved::Any);
            let stream = header(FIN | BINARY, Form::Long, length, setting.key());
            assert_eq!(verdict(&setting, &stream), Some(Violation::LengthHighBit), "{length:x}");
        }
    }
}
