//! A reader of WebSocket framing that is slow and plain: after every byte it judges the frame at hand from its first
//! bit again. Written from RFC 6455 sections 5.1 to 5.5, 7.4 and 11.7, and RFC 7692 section 6.
//!
//! The reference does not say which of several broken rules is named first, for the RFC does not: it lists all that the bytes
//! show so far. What may follow a close frame (section 5.5.1) is the connection's affair and not judged here.

/// The terms that the two ends agreed on, and the limits. Wide integers, so that no sum can overflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) masked: bool,
    pub(super) extension: Extension,
    pub(super) max_frame_bytes: u128,
    pub(super) max_message_bytes: u128,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Extension {
    None,
    Deflate,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    UnknownOpcode(u8),
    ReservedBit,
    FragmentedControl,
    ControlTooLong,
    MissingMask,
    UnexpectedMask,
    NonMinimalLength,
    LengthHighBit,
    NothingToContinue,
    InterleavedMessage,
    CloseBodyTooShort,
    CloseCode(u16),
    FrameTooBig,
    MessageTooBig,
}

/// The reference's knowledge after a number of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Bytes that may have gone on: whole frames, and of the last one its whole header and the payload that came.
    /// Control frames go whole or not at all.
    pub(super) good: usize,
    /// Payload bytes missing from the last frame that may have begun to go on.
    pub(super) payload_left: u128,
    /// Data messages whose last frame has begun to go on.
    pub(super) messages: u64,
    /// Every rule that the bytes show to be broken. It may be reported from here on.
    pub(super) shown: Vec<Rule>,
    /// True if it must be reported by now: the field that breaks it is whole; for rules on what a frame may follow
    /// and for limits the header is; for a close code the frame is.
    pub(super) due: bool,
}

/// A control frame that stood whole in the stream and broke no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) opcode: u8,
    pub(super) header_len: usize,
    pub(super) frame_len: usize,
    pub(super) key: Option<[u8; 4]>,
    pub(super) close_code: Option<u16>,
}

/// A stream, read.
#[derive(Debug)]
pub(super) struct Reading {
    known: Vec<Known>,
    pub(super) controls: Vec<Control>,
}

impl Reading {
    pub(super) fn of(stream: &[u8], terms: &Terms) -> Self {
        let mut reader = Reader::new(*terms);
        let mut known = vec![reader.known.clone()];
        for byte in stream {
            reader.take(*byte);
            known.push(reader.known.clone());
            if reader.known.due {
                break;
            }
        }
        Self { known, controls: reader.controls }
    }

    /// The knowledge after `seen` bytes. It does not change any more once a broken rule is due.
    pub(super) fn after(&self, seen: usize) -> &Known {
        self.known.get(seen).unwrap_or_else(|| self.at_end())
    }

    pub(super) fn at_end(&self) -> &Known {
        self.known.last().expect("there is always the state before the first byte")
    }

    /// Bytes after which nothing more is learned.
    pub(super) fn len(&self) -> usize {
        self.known.len() - 1
    }
}

struct Reader {
    terms: Terms,
    known: Known,
    controls: Vec<Control>,
    /// The bytes of the frame at hand, as long as none of it may go on.
    frame: Vec<u8>,
    /// Payload bytes so far of the message at hand, if one is open.
    message: Option<u128>,
    seen: usize,
}

impl Reader {
    fn new(terms: Terms) -> Self {
        Self { terms, known: Known::default(), controls: Vec::new(), frame: Vec::new(), message: None, seen: 0 }
    }

    fn take(&mut self, byte: u8) {
        self.seen += 1;
        if self.known.payload_left > 0 {
            self.known.payload_left -= 1;
            self.known.good = self.seen;
            return;
        }
        self.frame.push(byte);
        self.known.shown.clear();
        self.first_byte();
        if self.frame.len() >= 2 {
            self.second_byte();
            self.length_and_mask();
        }
    }

    /// Notes a broken rule, and whether what breaks it is whole.
    fn broken(&mut self, rule: Rule, due: bool) {
        self.known.shown.push(rule);
        self.known.due |= due;
    }

    fn fin(&self) -> bool {
        self.frame[0] & 0b1000_0000 != 0
    }

    fn opcode(&self) -> u8 {
        self.frame[0] & 0b0000_1111
    }

    /// Section 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
    fn is_control(&self) -> bool {
        self.opcode() >= 8
    }

    fn first_byte(&mut self) {
        let opcode = self.opcode();
        // 5.2: 3-7 and B-F are reserved.
        if ![0x0, 0x1, 0x2, 0x8, 0x9, 0xA].contains(&opcode) {
            self.broken(Rule::UnknownOpcode(opcode), true);
        }
        // 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
        let [rsv1, rsv2, rsv3] = [0b0100_0000, 0b0010_0000, 0b0001_0000].map(|bit| self.frame[0] & bit != 0);
        let wrong = match self.terms.extension {
            Extension::None => rsv1 || rsv2 || rsv3,
            // RFC 7692 6: RSV1 on the first frame of a data message; not on the others, not on control frames.
            Extension::Deflate => rsv2 || rsv3 || (rsv1 && opcode != 0x1 && opcode != 0x2),
            Extension::Unknown => false,
        };
        if wrong {
            self.broken(Rule::ReservedBit, true);
        }
        // 5.5: control frames "MUST NOT be fragmented".
        if self.is_control() && !self.fin() {
            self.broken(Rule::FragmentedControl, true);
        }
        // 5.4: what a data frame may follow.
        match (opcode, self.message.is_some()) {
            (0x0, false) => self.broken(Rule::NothingToContinue, false),
            (0x1 | 0x2, true) => self.broken(Rule::InterleavedMessage, false),
            _ => {}
        }
    }

    fn mask_bit(&self) -> bool {
        self.frame[1] & 0b1000_0000 != 0
    }

    fn short_length(&self) -> u8 {
        self.frame[1] & 0b0111_1111
    }

    fn second_byte(&mut self) {
        // 5.1: a client MUST mask all frames, a server MUST NOT mask any.
        match (self.terms.masked, self.mask_bit()) {
            (true, false) => self.broken(Rule::MissingMask, true),
            (false, true) => self.broken(Rule::UnexpectedMask, true),
            _ => {}
        }
        // 5.5: control frames have at most 125 bytes; 126 and 127 announce more or break the rule on minimal form.
        if self.is_control() && self.short_length() > 125 {
            self.broken(Rule::ControlTooLong, true);
        }
        // 5.5.1: if there is a body, its first two bytes are the code.
        if self.opcode() == 0x8 && self.short_length() == 1 {
            self.broken(Rule::CloseBodyTooShort, true);
        }
    }

    fn length_and_mask(&mut self) {
        let extended = match self.short_length() {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length_field: Vec<u8> = self.frame.iter().copied().skip(2).take(extended).collect();
        let length_is_whole = length_field.len() == extended;
        let value = length_field.iter().fold(0_u128, |value, byte| value * 256 + u128::from(*byte));
        // 5.2: 64 bits of which the most significant MUST be 0; always the minimal number of bytes.
        if extended == 8 && length_field.first().is_some_and(|byte| *byte >= 0x80) {
            self.broken(Rule::LengthHighBit, length_is_whole);
        }
        if extended == 8 && length_field.len() >= 6 && length_field.iter().take(6).all(|byte| *byte == 0)
            || extended == 2 && length_is_whole && value < 126
        {
            self.broken(Rule::NonMinimalLength, length_is_whole);
        }
        if !length_is_whole {
            return;
        }
        let length = if extended == 0 { u128::from(self.short_length()) } else { value };
        let header_len = 2 + extended + if self.mask_bit() { 4 } else { 0 };
        if self.is_control() {
            self.control_body(header_len, length);
        } else {
            self.data_header(header_len, length);
        }
    }

    fn data_header(&mut self, header_len: usize, length: u128) {
        let whole = self.frame.len() == header_len;
        let message = self.message.unwrap_or(0) + length;
        if length > self.terms.max_frame_bytes {
            self.broken(Rule::FrameTooBig, whole);
        }
        if message > self.terms.max_message_bytes {
            self.broken(Rule::MessageTooBig, whole);
        }
        if !whole {
            return;
        }
        if !self.known.shown.is_empty() {
            self.known.due = true;
            return;
        }
        self.message = if self.fin() { None } else { Some(message) };
        self.known.messages += u64::from(self.fin());
        self.known.payload_left = length;
        self.known.good = self.seen;
        self.frame.clear();
    }

    fn control_body(&mut self, header_len: usize, length: u128) {
        let whole = (self.frame.len() as u128) == header_len as u128 + length;
        let key: Option<[u8; 4]> =
            self.mask_bit().then(|| self.frame.get(header_len - 4..header_len)?.try_into().ok()).flatten();
        let close_code = self.close_code(header_len, key).filter(|_| length >= 2);
        if let Some(code) = close_code.filter(|code| !on_the_wire(*code)) {
            self.broken(Rule::CloseCode(code), whole);
        }
        if whole && self.known.shown.is_empty() {
            let (opcode, frame_len) = (self.opcode(), self.frame.len());
            self.controls.push(Control { opcode, header_len, frame_len, key, close_code });
            self.known.good = self.seen;
            self.frame.clear();
        }
    }

    fn close_code(&self, header_len: usize, key: Option<[u8; 4]>) -> Option<u16> {
        let [k0, k1, ..] = key.unwrap_or_default();
        match self.frame.get(header_len..) {
            Some([high, low, ..]) if self.opcode() == 0x8 => Some(u16::from(high ^ k0) * 256 + u16::from(low ^ k1)),
            _ => None,
        }
    }
}

/// 7.4.1 and IANA's registry "WebSocket Close Code Number" (11.7), row by row; 7.4.2 for the ranges.
pub(super) fn on_the_wire(code: u16) -> bool {
    match code {
        0..=999 => false,       // not used
        1000 => true,           // Normal Closure
        1001 => true,           // Going Away
        1002 => true,           // Protocol error
        1003 => true,           // Unsupported Data
        1004 => false,          // Reserved
        1005 => false,          // No Status Rcvd: MUST NOT be set in a close frame
        1006 => false,          // Abnormal Closure: MUST NOT be set in a close frame
        1007 => true,           // Invalid frame payload data
        1008 => true,           // Policy Violation
        1009 => true,           // Message Too Big
        1010 => true,           // Mandatory Ext.
        1011 => true,           // Internal Error
        1012 => true,           // Service Restart
        1013 => true,           // Try Again Later
        1014 => true,           // Bad gateway
        1015 => false,          // TLS handshake: MUST NOT be set in a close frame
        1016..=2999 => false,   // unassigned, for revisions of the RFC and for extensions
        3000..=3999 => true,    // libraries, frameworks, applications; registered
        4000..=4999 => true,    // private use
        5000..=65_535 => false, // not defined
    }
}
