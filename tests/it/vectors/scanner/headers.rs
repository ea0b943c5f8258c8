//! Every first two bytes there are, with lengths of every form, cut at every place.

use ringway::proto::Violation;
use ringway::proto::frame::{Reserved, Sender};

use super::follow::{RESERVED, SENDERS, Setting};
use super::reference::{Reading, Rule};
use super::wire::{BINARY, CLOSE, CONTINUATION, FIN, Form, KEY, PING, PONG, TEXT, close_body, frame, header, masked};

/// Extended lengths on both sides of every border that the RFC draws.
const MEDIUM: [u64; 6] = [0, 1, 125, 126, 127, 65_535];
const LONG: [u64; 10] = [0, 125, 126, 65_535, 65_536, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX];

/// A frame whose first two bytes are given, whatever they say, and what stands around it in the stream.
struct Specimen {
    stream: Vec<u8>,
    start: usize,
    header_len: usize,
    payload_len: usize,
}

impl Specimen {
    fn new(setting: &Setting, in_message: bool, first: u8, second: u8, length: u64) -> Self {
        let key = (second & 0x80 != 0).then_some(KEY);
        let form = match second & 0x7F {
            126 => Form::Medium,
            127 => Form::Long,
            _ => Form::Short,
        };
        let mut stream = if in_message { frame(TEXT, b"", setting.key()) } else { Vec::new() };
        let start = stream.len();
        stream.extend(header(first, form, length, key));
        let header_len = stream.len() - start;
        // A payload that is long enough to be one; nobody looks further into it.
        let payload_len = usize::try_from(length).unwrap_or(usize::MAX).min(200);
        let reason_len = payload_len.saturating_sub(2);
        stream.extend(masked(&close_body(1000, reason_len)[..payload_len], key));
        if payload_len as u64 == length {
            // One of the last two is wrong unless the frame was understood.
            stream.extend(frame(FIN | PING, b"", setting.key()));
            stream.extend(frame(FIN | CONTINUATION, b"", setting.key()));
            stream.extend(frame(FIN | TEXT, b"", setting.key()));
        }
        Self { stream, start, header_len, payload_len }
    }

    /// Every place in the header, the whole of a control frame, the ends of a data frame's payload and what follows.
    fn cuts(&self, reading: &Reading) -> impl Iterator<Item = usize> {
        let is_control = self.stream[self.start] & 0x08 != 0;
        let payload = self.start + self.header_len;
        let inside = payload + 2..(payload + self.payload_len).saturating_sub(2);
        // Once the verdict is due, more bytes change nothing; two more show that.
        let last = self.stream.len().min(reading.len() + 2);
        (self.start..=last).filter(move |cut| is_control || !inside.contains(cut))
    }
}

fn lengths(second: u8) -> Vec<u64> {
    match second & 0x7F {
        126 => MEDIUM.to_vec(),
        127 => LONG.to_vec(),
        short => vec![u64::from(short)],
    }
}

fn agree(setting: &Setting, specimen: &Specimen) -> Option<Violation> {
    let stream = &specimen.stream;
    let reading = setting.read(stream);
    let verdict = setting.follow(stream, &reading, [stream.len()]);
    for cut in specimen.cuts(&reading) {
        let cut_verdict = setting.follow(stream, &reading, [cut, stream.len()]);
        assert_eq!(cut_verdict, verdict, "{setting:?}: cut at {cut} of {stream:x?}");
    }
    let slow_verdict = setting.follow(stream, &reading, specimen.start..=stream.len());
    assert_eq!(slow_verdict, verdict, "{setting:?}: byte by byte {stream:x?}");
    verdict
}

/// Gives the number of frames that passed, so that a test cannot succeed by refusing everything.
fn judge_every_first_two_bytes(sender: Sender, reserved: Reserved) -> usize {
    let setting = Setting::new(sender, reserved);
    let mut passed = 0;
    for in_message in [false, true] {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for length in lengths(second) {
                    let specimen = Specimen::new(&setting, in_message, first, second, length);
                    agree(&setting, &specimen);
                    let end = specimen.start + specimen.header_len;
                    passed += usize::from(setting.read(&specimen.stream[..end]).at_end().shown.is_empty());
                }
            }
        }
    }
    passed
}

/// Text and binary, or a continuation: two FINs each, and a length of 126 short, 3 medium and 4 long ones. Three
/// control frames of 126 lengths, without the close of one byte.
const DATA: usize = 2 * (126 + 3 + 4);
const CONTROL: usize = 3 * 126 - 1;

#[test]
fn every_header_of_a_client_without_extensions_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Client, Reserved::None);
    assert_eq!(passed, 3 * DATA + 2 * CONTROL);
}

#[test]
fn every_header_of_a_client_with_deflate_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Client, Reserved::Deflate);
    assert_eq!(passed, (2 * 2 + 1) * DATA + 2 * CONTROL);
}

#[test]
fn every_header_of_a_client_with_an_unknown_extension_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Client, Reserved::Any);
    assert_eq!(passed, 8 * (3 * DATA + 2 * CONTROL));
}

#[test]
fn every_header_of_a_server_without_extensions_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Server, Reserved::None);
    assert_eq!(passed, 3 * DATA + 2 * CONTROL);
}

#[test]
fn every_header_of_a_server_with_deflate_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Server, Reserved::Deflate);
    assert_eq!(passed, (2 * 2 + 1) * DATA + 2 * CONTROL);
}

#[test]
fn every_header_of_a_server_with_an_unknown_extension_is_judged_as_the_rfc_says() {
    let passed = judge_every_first_two_bytes(Sender::Server, Reserved::Any);
    assert_eq!(passed, 8 * (3 * DATA + 2 * CONTROL));
}

/// The lengths 2^n - 1, 2^n and 2^n + 1 in every form that can hold them: one form passes.
#[test]
fn a_length_passes_in_its_shortest_form_only() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        for power in 0..64 {
            for length in [(1_u64 << power) - 1, 1 << power, (1 << power) + 1] {
                for form in [Form::Short, Form::Medium, Form::Long] {
                    if form == Form::Short && length > 125 || form == Form::Medium && length > 65_535 {
                        continue;
                    }
                    let stream = header(FIN | BINARY, form, length, setting.key());
                    let reading = setting.read(&stream);
                    let verdict = setting.follow(&stream, &reading, 0..=stream.len());
                    let expected = if length >> 63 != 0 {
                        Some(Violation::LengthHighBit)
                    } else {
                        (form != Form::minimal(length)).then_some(Violation::NonMinimalLength)
                    };
                    assert_eq!(verdict, expected, "{length} as {form:?} from a {:?}", setting.sender);
                }
            }
        }
    }
}

/// Every rule that the stream breaks, and the one that the scanner names.
fn verdict_on(setting: &Setting, stream: &[u8]) -> (Vec<Rule>, Option<Violation>) {
    let reading = setting.read(stream);
    (reading.at_end().shown.clone(), setting.follow(stream, &reading, 0..=stream.len()))
}

/// Decided by hand, so that the reference is tested too.
#[test]
fn the_reference_and_the_scanner_name_the_same_single_rule() {
    let server = Setting::new(Sender::Server, Reserved::None);
    let client = Setting::new(Sender::Client, Reserved::None);
    let deflate = Setting::new(Sender::Server, Reserved::Deflate);
    let cases: [(&Setting, &[u8], Rule, Violation); 15] = [
        (&server, &[0x83, 0x00], Rule::UnknownOpcode(3), Violation::UnknownOpcode(3)),
        (&server, &[0x8F, 0x00], Rule::UnknownOpcode(15), Violation::UnknownOpcode(15)),
        (&server, &[0xC1, 0x00], Rule::ReservedBit, Violation::ReservedBit),
        (&server, &[0x91, 0x00], Rule::ReservedBit, Violation::ReservedBit),
        (&deflate, &[0xC9, 0x00], Rule::ReservedBit, Violation::ReservedBit),
        (&deflate, &[0x41, 0x00, 0xC0, 0x00], Rule::ReservedBit, Violation::ReservedBit),
        (&server, &[0x09, 0x00], Rule::FragmentedControl, Violation::FragmentedControl),
        (&server, &[0x8A, 0x7E], Rule::ControlTooLong, Violation::ControlTooLong),
        (&client, &[0x81, 0x00], Rule::MissingMask, Violation::MissingMask),
        (&server, &[0x81, 0x80], Rule::UnexpectedMask, Violation::UnexpectedMask),
        (&server, &[0x81, 0x7E, 0x00, 0x7D], Rule::NonMinimalLength, Violation::NonMinimalLength),
        (&server, &[0x80, 0x00], Rule::NothingToContinue, Violation::NothingToContinue),
        (&server, &[0x01, 0x00, 0x82, 0x00], Rule::InterleavedMessage, Violation::InterleavedMessage),
        (&server, &[0x88, 0x01], Rule::CloseBodyTooShort, Violation::CloseBodyTooShort),
        (&server, &[0x88, 0x02, 0x03, 0xED], Rule::CloseCode(1005), Violation::CloseCode(1005)),
    ];
    for (setting, stream, rule, violation) in cases {
        assert_eq!(verdict_on(setting, stream), (vec![rule], Some(violation)), "{stream:x?}");
    }
}

#[test]
fn a_breach_in_the_first_two_bytes_is_refused_without_waiting_for_a_third() {
    for (first, second) in [(0x83, 0x85), (0xC1, 0x85), (0x09, 0x85), (0x89, 0xFE), (0x81, 0x05), (0x88, 0x81)] {
        let setting = Setting::new(Sender::Client, Reserved::None);
        let stream = [first, second];
        assert!(setting.follow(&stream, &setting.read(&stream), [2]).is_some(), "{stream:x?}");
    }
}

#[test]
fn control_frames_of_every_length_pass_inside_a_fragmented_message_and_leave_it_open() {
    for sender in SENDERS {
        for reserved in RESERVED {
            let setting = Setting::new(sender, reserved);
            for (opcode, length) in [PING, PONG, CLOSE].into_iter().flat_map(|op| (2..=125).map(move |n| (op, n))) {
                let body = close_body(1001, length - 2);
                let mut stream = frame(BINARY, b"abc", setting.key());
                stream.extend(frame(FIN | opcode, &body, setting.key()));
                stream.extend(frame(CONTINUATION, b"", setting.key()));
                stream.extend(frame(FIN | opcode, &body, setting.key()));
                stream.extend(frame(FIN | CONTINUATION, b"def", setting.key()));
                let reading = setting.read(&stream);
                assert_eq!((reading.controls.len(), reading.at_end().messages), (2, 1));
                assert_eq!(setting.follow(&stream, &reading, [stream.len()]), None);
                assert_eq!(setting.follow(&stream, &reading, 0..=stream.len()), None);
            }
        }
    }
}
