//! Gives the scanner a stream in chunks, and compares with the reference after each.

use ringway::proto::Violation;
use ringway::proto::frame::{Opcode, Reserved, Sender};
use ringway::proto::scan::{self, FrameLimits, Scanner, Stop};

use super::reference::{Control, Extension, Reading, Rule, Terms};
use super::wire::{KEY, Key};

pub(super) const UNLIMITED: FrameLimits = FrameLimits { max_frame_bytes: u64::MAX, max_message_bytes: u64::MAX };
pub(super) const SENDERS: [Sender; 2] = [Sender::Client, Sender::Server];
pub(super) const RESERVED: [Reserved; 3] = [Reserved::None, Reserved::Deflate, Reserved::Any];

/// The parameters of a scanner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) sender: Sender,
    pub(super) reserved: Reserved,
    pub(super) limits: FrameLimits,
}

impl Setting {
    pub(super) fn new(sender: Sender, reserved: Reserved) -> Self {
        Self { sender, reserved, limits: UNLIMITED }
    }

    pub(super) fn scanner(&self) -> Scanner {
        Scanner::new(self.sender, self.reserved)
    }

    /// A key where this sender has to mask.
    pub(super) fn key(&self) -> Option<Key> {
        (self.sender == Sender::Client).then_some(KEY)
    }

    pub(super) fn read(&self, stream: &[u8]) -> Reading {
        let extension = match self.reserved {
            Reserved::None => Extension::None,
            Reserved::Deflate => Extension::Deflate,
            Reserved::Any => Extension::Unknown,
        };
        let terms = Terms {
            masked: self.sender == Sender::Client,
            extension,
            max_frame_bytes: self.limits.max_frame_bytes.into(),
            max_message_bytes: self.limits.max_message_bytes.into(),
        };
        Reading::of(stream, &terms)
    }

    /// Scans `stream` as it would arrive in chunks that end at `cuts`, ascending. Whatever was not used is given again
    /// with the next chunk. Compares with `reading` after every chunk and gives the verdict.
    pub(super) fn follow(
        &self,
        stream: &[u8],
        reading: &Reading,
        cuts: impl IntoIterator<Item = usize>,
    ) -> Option<Violation> {
        let mut scanner = self.scanner();
        let (mut good, mut controls) = (0, reading.controls.iter());
        for seen in cuts {
            let stop = loop {
                let scan = scanner.scan(&stream[good..seen], &self.limits);
                good += scan.used;
                let Stop::Control(control) = scan.stop else { break scan.stop };
                assert_eq!(Some(&as_seen(&control)), controls.next(), "control frame at {good} of {stream:x?}");
                good += control.frame_len;
            };
            let known = reading.after(seen);
            let place = || format!("{self:?}, {seen} bytes seen of {stream:x?}\n{known:?}\n{stop:?}");
            assert_eq!(good, known.good, "bytes to forward: {}", place());
            assert_eq!(u128::from(scanner.remaining()), known.payload_left, "payload to come: {}", place());
            assert_eq!(scanner.at_boundary(), known.payload_left == 0, "boundary: {}", place());
            assert_eq!(scanner.messages(), known.messages, "messages: {}", place());
            match stop {
                Stop::Violation(violation) => {
                    assert!(known.shown.contains(&rule(violation)), "no such breach: {}", place());
                    let again = scanner.scan(&stream[good..seen], &self.limits);
                    assert_eq!(again, scan::Scan { used: 0, stop }, "a verdict stands: {}", place());
                    return Some(violation);
                }
                _ => assert!(!known.due, "a breach is overlooked: {}", place()),
            }
            let most = if stream.get(good).is_some_and(|first| first & 0x08 != 0) { 130 } else { 13 };
            assert!(seen - good <= most, "too much left over: {}", place());
        }
        None
    }
}

fn as_seen(control: &scan::Control) -> Control {
    let opcode = match control.opcode {
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xA,
        data => panic!("{data:?} is no control frame"),
    };
    let scan::Control { header_len, frame_len, mask, close_code, .. } = *control;
    Control { opcode, header_len, frame_len, key: mask, close_code }
}

/// The reference's word for a violation.
pub(super) fn rule(violation: Violation) -> Rule {
    match violation {
        Violation::UnknownOpcode(opcode) => Rule::UnknownOpcode(opcode),
        Violation::ReservedBit => Rule::ReservedBit,
        Violation::FragmentedControl => Rule::FragmentedControl,
        Violation::ControlTooLong => Rule::ControlTooLong,
        Violation::MissingMask => Rule::MissingMask,
        Violation::UnexpectedMask => Rule::UnexpectedMask,
        Violation::NonMinimalLength => Rule::NonMinimalLength,
        Violation::LengthHighBit => Rule::LengthHighBit,
        Violation::NothingToContinue => Rule::NothingToContinue,
        Violation::InterleavedMessage => Rule::InterleavedMessage,
        Violation::CloseBodyTooShort => Rule::CloseBodyTooShort,
        Violation::CloseCode(code) => Rule::CloseCode(code),
        Violation::FrameTooBig => Rule::FrameTooBig,
        Violation::MessageTooBig => Rule::MessageTooBig,
        Violation::NotUtf8 | Violation::BreaksContract | Violation::NotChecked => {
            panic!("a scanner never looks at text")
        }
    }
}
