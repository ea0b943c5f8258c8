//! Every close code there is, from both senders.

use ringway::proto::frame::{Opcode, Reserved, Sender};
use ringway::proto::scan::Stop;
use ringway::proto::{Violation, close};

use super::follow::{SENDERS, Setting, UNLIMITED};
use super::reference::on_the_wire;
use super::wire::{CLOSE, FIN, close_body, frame};

/// 1000-1003 and 1007-1014 of IANA's list, 3000-3999 and 4000-4999 of section 7.4.2.
const CODES_ON_THE_WIRE: usize = 4 + 8 + 1000 + 1000;

fn verdict(setting: &Setting, stream: &[u8]) -> Stop {
    let scan = setting.scanner().scan(stream, &UNLIMITED);
    assert_eq!(scan.used, 0, "a close is judged before any of it is forwarded: {stream:x?}");
    scan.stop
}

#[test]
fn exactly_the_codes_of_ianas_list_and_of_applications_may_be_sent() {
    let sent = (0..=u16::MAX).filter(|code| close::may_be_sent(*code));
    assert!(sent.clone().eq((0..=u16::MAX).filter(|code| on_the_wire(*code))));
    assert_eq!(sent.count(), CODES_ON_THE_WIRE);
}

#[test]
fn every_close_code_is_read_or_refused_masked_or_not_with_a_reason_or_without() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        for code in 0..=u16::MAX {
            for reason_len in [0, 1, 123] {
                let stream = frame(FIN | CLOSE, &close_body(code, reason_len), setting.key());
                match verdict(&setting, &stream) {
                    Stop::Control(control) => {
                        assert!(on_the_wire(code), "{code} passes");
                        assert_eq!((control.opcode, control.close_code), (Opcode::Close, Some(code)));
                        assert_eq!((control.frame_len, control.mask), (stream.len(), setting.key()));
                    }
                    stop => {
                        assert!(!on_the_wire(code), "{code} is refused");
                        assert_eq!(stop, Stop::Violation(Violation::CloseCode(code)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_masked_code_is_unmasked_with_every_bit_of_the_keys_first_half() {
    let setting = Setting::new(Sender::Client, Reserved::None);
    for bit in 0..32 {
        let key = (1_u32 << bit).to_be_bytes();
        for (code, expected) in [(1000, true), (1005, false), (4999, true), (5000, false)] {
            let stop = verdict(&setting, &frame(FIN | CLOSE, &close_body(code, 5), Some(key)));
            assert_eq!(matches!(stop, Stop::Control(_)), expected, "{code} with {key:x?}");
        }
    }
}

/// An unmasked look at a masked body would judge the key instead of the code.
#[test]
fn a_key_that_makes_a_bad_code_look_good_does_not_help_it() {
    let setting = Setting::new(Sender::Client, Reserved::None);
    let [high, low] = (1000_u16 ^ 1006).to_be_bytes();
    let stream = frame(FIN | CLOSE, &close_body(1006, 0), Some([high, low, 0, 0]));
    assert_eq!(stream[6..], 1000_u16.to_be_bytes());
    assert_eq!(verdict(&setting, &stream), Stop::Violation(Violation::CloseCode(1006)));
}

#[test]
fn a_close_without_a_body_has_no_code_and_one_byte_is_too_short_for_one() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        let Stop::Control(control) = verdict(&setting, &frame(FIN | CLOSE, b"", setting.key())) else {
            panic!("an empty close is a close");
        };
        assert_eq!(control.close_code, None);
        let stop = verdict(&setting, &frame(FIN | CLOSE, b"\x03", setting.key()));
        assert_eq!(stop, Stop::Violation(Violation::CloseBodyTooShort));
    }
}

#[test]
fn a_bad_code_is_refused_wherever_the_frame_is_cut_and_nothing_of_it_is_forwarded() {
    for setting in SENDERS.map(|sender| Setting::new(sender, Reserved::None)) {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            let stream = frame(FIN | CLOSE, &close_body(code, 40), setting.key());
            let reading = setting.read(&stream);
            for cut in 0..=stream.len() {
                let verdict = setting.follow(&stream, &reading, [cut, stream.len()]);
                assert_eq!(verdict, Some(Violation::CloseCode(code)), "cut at {cut}");
            }
        }
    }
}
