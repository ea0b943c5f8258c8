//! Random streams of valid frames in random chunks, and the same with one fault in them.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::{prop_assert, prop_assert_eq, proptest};
use ringway::proto::Violation;
use ringway::proto::frame::{Reserved, Sender};
use ringway::proto::scan::{Scanner, Stop};

use super::follow::{RESERVED, SENDERS, Setting};
use super::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, Form, Key, PING, PONG, TEXT};

/// A frame before it is written: what the wire needs, and nothing of what a scanner makes of it.
#[derive(Clone, Debug)]
struct Frame {
    opcode: u8,
    fin: bool,
    rsv: u8,
    payload: Vec<u8>,
    key: Key,
}

impl Frame {
    fn is_control(&self) -> bool {
        self.opcode & 0x08 != 0
    }

    fn first(&self, reserved: Reserved) -> u8 {
        let begins_message = [TEXT, BINARY].contains(&self.opcode);
        let rsv = match reserved {
            Reserved::None => 0,
            Reserved::Deflate if begins_message => self.rsv & 0x40,
            Reserved::Deflate => 0,
            Reserved::Any => self.rsv,
        };
        if self.fin { FIN | rsv | self.opcode } else { rsv | self.opcode }
    }

    fn write(&self, setting: &Setting) -> Vec<u8> {
        wire::frame(self.first(setting.reserved), &self.payload, self.key(setting))
    }

    fn key(&self, setting: &Setting) -> Option<Key> {
        (setting.sender == Sender::Client).then_some(self.key)
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    (select(&SENDERS[..]), select(&RESERVED[..])).prop_map(|(sender, reserved)| Setting::new(sender, reserved))
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..300_usize, 20 => select(&[0_usize, 1, 125, 126, 127][..]), 1 => 65_534..65_538_usize]
}

fn payload(size: usize, seed: u8) -> Vec<u8> {
    (0..=u8::MAX).cycle().map(|byte| byte.wrapping_mul(31).wrapping_add(seed)).take(size).collect()
}

fn rsv() -> impl Strategy<Value = u8> {
    (0..8_u8).prop_map(|bits| bits << 4)
}

fn control() -> impl Strategy<Value = Frame> {
    let ping_or_pong = (select(&[PING, PONG][..]), vec(any::<u8>(), 0..=125));
    let code = prop_oneof![1000..=1003_u16, 1007..=1014_u16, 3000..=4999_u16];
    let close_body =
        prop_oneof![Just(Vec::new()), (code, 0..=123_usize).prop_map(|(code, n)| wire::close_body(code, n))];
    let what = prop_oneof![3 => ping_or_pong, 1 => (Just(CLOSE), close_body)];
    (what, rsv(), any::<Key>()).prop_map(|((opcode, payload), rsv, key)| Frame { opcode, fin: true, rsv, payload, key })
}

/// A message in one to five parts, with up to two control frames before each.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let part = (vec(control(), 0..=2), size(), any::<u8>(), rsv(), any::<Key>());
    (select(&[TEXT, BINARY][..]), vec(part, 1..=5)).prop_map(|(opcode, parts)| {
        let count = parts.len();
        let mut frames = Vec::new();
        for (i, (controls, size, seed, rsv, key)) in parts.into_iter().enumerate() {
            frames.extend(controls);
            let opcode = if i == 0 { opcode } else { CONTINUATION };
            frames.push(Frame { opcode, fin: i + 1 == count, rsv, payload: payload(size, seed), key });
        }
        frames
    })
}

fn stream() -> impl Strategy<Value = Vec<Frame>> {
    vec(message(), 1..=6).prop_map(|messages| messages.concat())
}

/// Sizes of chunks, taken round and round.
fn chunks() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![3 => 1..=3_usize, 3 => 1..=200_usize, 1 => 1..=70_000_usize];
    vec(size, 1..=12)
}

/// A proxy's work on one direction: keeps the bytes that were not used in a buffer of its own, and sends the others.
struct Relay {
    scanner: Scanner,
    setting: Setting,
    held: Vec<u8>,
    sent: Vec<u8>,
}

impl Relay {
    fn new(setting: Setting) -> Self {
        Self { scanner: setting.scanner(), setting, held: Vec::new(), sent: Vec::new() }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Violation> {
        self.held.extend(chunk);
        loop {
            let scan = self.scanner.scan(&self.held, &self.setting.limits);
            self.sent.extend(self.held.drain(..scan.used));
            match scan.stop {
                Stop::NeedMore => return Ok(()),
                Stop::Control(control) => self.sent.extend(self.held.drain(..control.frame_len)),
                Stop::Violation(violation) => return Err(violation),
            }
        }
    }
}

fn cuts(sizes: &[usize], len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = sizes
        .iter()
        .cycle()
        .scan(0, |end, size| {
            *end += size;
            Some(*end)
        })
        .take_while(|end| *end < len)
        .collect();
    cuts.push(len);
    cuts
}

/// One way to break a rule with a frame that is right in everything else.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Opcode(u8),
    ReservedBit(u8),
    ReservedBitOnControl,
    FragmentedControl,
    ControlTooLong,
    WrongMask,
    MediumLengthOfShort(u8),
    LongLengthOfMedium(u16),
    LengthHighBit(u64),
    OutOfPlace,
    CloseBodyTooShort,
    CloseCode(u16),
}

fn fault() -> impl Strategy<Value = Fault> {
    let reserved_opcodes = &[3, 4, 5, 6, 7, 11, 12, 13, 14, 15][..];
    let bad_codes = prop_oneof![0..=999_u16, 1004..=1006_u16, 1015..=2999_u16, 5000..=65_535_u16];
    prop_oneof![
        select(reserved_opcodes).prop_map(Fault::Opcode),
        select(&[0x10, 0x20, 0x30, 0x50, 0x60, 0x70][..]).prop_map(Fault::ReservedBit),
        Just(Fault::ReservedBitOnControl),
        Just(Fault::FragmentedControl),
        Just(Fault::ControlTooLong),
        Just(Fault::WrongMask),
        (0..126_u8).prop_map(Fault::MediumLengthOfShort),
        any::<u16>().prop_map(Fault::LongLengthOfMedium),
        ((1_u64 << 63)..=u64::MAX).prop_map(Fault::LengthHighBit),
        Just(Fault::OutOfPlace),
        Just(Fault::CloseBodyTooShort),
        bad_codes.prop_map(Fault::CloseCode),
    ]
}

impl Fault {
    /// The bad frame and its verdict. `in_message` says which data frames would be in their place.
    fn write(self, setting: &Setting, in_message: bool, key: Key) -> (Vec<u8>, Violation) {
        let data = if in_message { CONTINUATION } else { TEXT };
        let masked = setting.sender == Sender::Client;
        let key = masked.then_some(key);
        let long = |form, length| wire::header(FIN | data, form, length, key);
        match self {
            Self::Opcode(opcode) => (wire::frame(FIN | opcode, b"", key), Violation::UnknownOpcode(opcode)),
            Self::ReservedBit(bits) => (wire::frame(FIN | bits | data, b"x", key), Violation::ReservedBit),
            Self::ReservedBitOnControl => (wire::frame(FIN | 0x40 | PONG, b"", key), Violation::ReservedBit),
            Self::FragmentedControl => (wire::frame(PING, b"ping", key), Violation::FragmentedControl),
            Self::ControlTooLong => (wire::frame(FIN | PING, &[1; 126], key), Violation::ControlTooLong),
            Self::WrongMask if masked => (wire::frame(FIN | data, b"abc", None), Violation::MissingMask),
            Self::WrongMask => (wire::frame(FIN | data, b"abc", Some(wire::KEY)), Violation::UnexpectedMask),
            Self::MediumLengthOfShort(length) => (long(Form::Medium, length.into()), Violation::NonMinimalLength),
            Self::LongLengthOfMedium(length) => (long(Form::Long, length.into()), Violation::NonMinimalLength),
            Self::LengthHighBit(length) => (long(Form::Long, length), Violation::LengthHighBit),
            Self::OutOfPlace if in_message => (wire::frame(FIN | BINARY, b"", key), Violation::InterleavedMessage),
            Self::OutOfPlace => (wire::frame(FIN | CONTINUATION, b"", key), Violation::NothingToContinue),
            Self::CloseBodyTooShort => (wire::frame(FIN | CLOSE, b"\x03", key), Violation::CloseBodyTooShort),
            Self::CloseCode(code) => {
                (wire::frame(FIN | CLOSE, &wire::close_body(code, 7), key), Violation::CloseCode(code))
            }
        }
    }

    /// No reserved bit is wrong where an unknown extension was agreed.
    fn applies(self, setting: &Setting) -> bool {
        setting.reserved != Reserved::Any || !matches!(self, Self::ReservedBit(_) | Self::ReservedBitOnControl)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn valid_streams_come_out_as_they_went_in_however_they_are_cut(
        setting in setting(), frames in stream(), sizes in chunks(),
    ) {
        let mut stream = Vec::new();
        // From the frames themselves, not from the reference: where they begin and end, and where their headers end.
        let mut places = Vec::new();
        for frame in &frames {
            let start = stream.len();
            stream.extend(frame.write(&setting));
            places.push((start, stream.len() - frame.payload.len(), stream.len()));
        }
        let mut relay = Relay::new(setting);
        let mut seen = 0;
        for cut in cuts(&sizes, stream.len()) {
            prop_assert_eq!(relay.take(&stream[seen..cut]), Ok(()));
            seen = cut;
            let mut begun = frames.iter().zip(&places).filter(|(frame, (_, header_end, end))| {
                seen >= if frame.is_control() { *end } else { *header_end }
            });
            prop_assert_eq!(&relay.sent[..], &stream[..relay.sent.len()]);
            let messages = begun.clone().filter(|(frame, _)| frame.fin && !frame.is_control()).count();
            prop_assert_eq!(relay.scanner.messages(), messages as u64);
            let (good, boundary) = begun.next_back().map_or((0, true), |(_, (_, _, end))| (seen.min(*end), seen >= *end));
            prop_assert_eq!(relay.sent.len(), good);
            prop_assert_eq!(relay.scanner.at_boundary(), boundary);
        }
        prop_assert_eq!(&relay.sent, &stream);
        prop_assert!(relay.held.is_empty() && relay.scanner.at_boundary());
        let verdict = setting.follow(&stream, &setting.read(&stream), cuts(&sizes, stream.len()));
        prop_assert_eq!(verdict, None);
    }

    #[test]
    fn one_fault_is_found_and_named_and_everything_before_it_and_nothing_of_it_is_forwarded(
        setting in setting(), frames in stream(), sizes in chunks(), fault in fault(), at in any::<Index>(),
        key in any::<Key>(),
    ) {
        if !fault.applies(&setting) {
            return Ok(());
        }
        let (before, after) = frames.split_at(at.index(frames.len() + 1));
        let in_message = before.iter().rfind(|frame| !frame.is_control()).is_some_and(|frame| !frame.fin);
        let (bad, expected) = fault.write(&setting, in_message, key);
        let written = |frames: &[Frame]| -> Vec<u8> { frames.iter().flat_map(|frame| frame.write(&setting)).collect() };
        let good = written(before);
        let stream = [&good[..], &bad, &written(after)].concat();
        let cuts = cuts(&sizes, stream.len());
        let mut relay = Relay::new(setting);
        let mut seen = 0;
        let mut verdict = None;
        for cut in &cuts {
            if let Err(violation) = relay.take(&stream[seen..*cut]) {
                verdict = Some(violation);
                break;
            }
            seen = *cut;
        }
        prop_assert_eq!(verdict, Some(expected));
        prop_assert_eq!(&relay.sent, &good);
        prop_assert!(relay.scanner.at_boundary());
        prop_assert_eq!(setting.follow(&stream, &setting.read(&stream), cuts), Some(expected));
    }
}
