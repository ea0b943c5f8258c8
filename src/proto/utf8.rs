//! Checks UTF-8 as it arrives (RFC 6455 section 8.1), for endpoints that read text.

use crate::invariant::Invariant;

/// Checks a text that comes in chunks. Keeps at most three bytes of a character that was cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checker {
    held: [u8; 3],
    len: u8,
}

impl Checker {
    /// Checks the next bytes of the text: `false` as soon as no UTF-8 text can hold them.
    #[must_use]
    pub fn push(&mut self, mut bytes: &[u8]) -> bool {
        while self.len > 0 {
            let Some((&next, rest)) = bytes.split_first() else { return true };
            let mut whole = [0; 4];
            let len = usize::from(self.len);
            for (to, from) in whole.iter_mut().zip(self.held.iter().take(len).chain([&next])) {
                *to = *from;
            }
            bytes = rest;
            self.len = 0;
            if !self.keep_tail(whole.get(..=len).expected_or_default()) {
                return false;
            }
        }
        self.keep_tail(bytes)
    }

    /// True if the text may end here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    fn keep_tail(&mut self, bytes: &[u8]) -> bool {
        let Err(error) = std::str::from_utf8(bytes) else { return true };
        if error.error_len().is_some() {
            return false;
        }
        let tail = bytes.get(error.valid_up_to()..).expected_or_default();
        for (to, from) in self.held.iter_mut().zip(tail) {
            *to = *from;
        }
        self.len = u8::try_from(tail.len()).expected_or(3);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Checker;

    fn check(chunks: &[&[u8]]) -> bool {
        let mut checker = Checker::default();
        chunks.iter().all(|chunk| checker.push(chunk)) && checker.is_complete()
    }

    #[test]
    fn a_text_is_judged_alike_however_it_is_cut() {
        let texts: [&[u8]; 8] = [
            "a κόσμε \u{10FFFF} z".as_bytes(),
            b"",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"ab\xce",
            b"\xf0\x9f\x98",
            b"\x80",
        ];
        for text in texts {
            let expected = std::str::from_utf8(text).is_ok();
            assert_eq!(check(&text.chunks(1).collect::<Vec<_>>()), expected, "{text:x?} byte by byte");
            for cut in 0..=text.len() {
                assert_eq!(check(&[&text[..cut], &text[cut..]]), expected, "{text:x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_hopeless_text_is_refused_at_once() {
        let mut checker = Checker::default();
        assert!(!checker.push(b"\xf4\x90"));
    }
}
