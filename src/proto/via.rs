//! `Via` (RFC 9110 section 7.6.3): the pseudonym by which a route recognises a request that it has forwarded before. A
//! gateway must not forward a request to itself without end (section 7.6).

use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memmem;

/// The secret of a process that its routes' pseudonyms are made of. Two processes never have the same one, so a chain of
/// several Ringways is not taken for a loop.
#[derive(Clone, Copy)]
pub struct ChainKey([u8; 16]);

/// The name of one route of one process in `Via`: `ringway-` and 16 hexadecimal digits. Nobody can tell from it which
/// host, API or environment it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudonym([u8; PSEUDONYM_BYTES]);

const PREFIX: &[u8] = b"ringway-";
const HEX: &[u8; 16] = b"0123456789abcdef";
const PSEUDONYM_BYTES: usize = 24;

impl ChainKey {
    /// Takes random bytes: they must be other ones in each process.
    #[must_use]
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The pseudonym of the route with this number.
    #[must_use]
    pub fn pseudonym(&self, route: u64) -> Pseudonym {
        let mut hasher = DefaultHasher::new();
        (self.0, route).hash(&mut hasher);
        let mut rest = hasher.finish();
        let digits = std::iter::repeat_with(|| {
            rest = rest.rotate_left(4);
            usize::try_from(rest & 0xf).ok().and_then(|digit| HEX.get(digit)).copied().unwrap_or(b'0')
        });
        let mut name = [0; PSEUDONYM_BYTES];
        for (to, byte) in name.iter_mut().zip(PREFIX.iter().copied().chain(digits)) {
            *to = byte;
        }
        Pseudonym(name)
    }
}

impl std::fmt::Debug for ChainKey {
    /// The key is a secret: whoever has it can make a route refuse requests.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainKey(..)")
    }
}

impl Pseudonym {
    /// The name as it is written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if one of these `Via` lines has the name. The lines are not taken apart: a name that cannot be guessed is
    /// there only if this route wrote it, whatever a program in between has made of the line.
    #[must_use]
    pub fn is_in<'v>(&self, mut lines: impl Iterator<Item = &'v [u8]>) -> bool {
        lines.any(|line| memmem::find(line, &self.0).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::ChainKey;

    #[test]
    fn a_route_knows_its_own_name_and_no_other() {
        let (one, other) = (ChainKey::new([1; 16]), ChainKey::new([2; 16]));
        let own = one.pseudonym(7);
        let text = std::str::from_utf8(own.as_bytes()).unwrap().to_owned();
        assert!(text.strip_prefix("ringway-").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(own, one.pseudonym(7), "it stays");
        let line = format!("1.1 fred, HTTP/1.1 {text} (a, comment)");
        assert!(own.is_in([&b"1.0 ricky"[..], line.as_bytes()].into_iter()));
        for stranger in [one.pseudonym(8), other.pseudonym(7)] {
            assert!(!stranger.is_in([line.as_bytes()].into_iter()));
        }
        assert!(!own.is_in([&b""[..], b"1.1 ringway-"].into_iter()) && !own.is_in(std::iter::empty()));
        assert_eq!(format!("{one:?}"), "ChainKey(..)");
    }
}
