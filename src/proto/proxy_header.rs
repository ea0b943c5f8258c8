//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): the client on whose behalf a balancer
//! connects.
//!
//! The `ppp` crate is not used: it takes a line that was cut off before its last number for a broken one, waits for
//! ever for the rest of certain whole headers, and does not bound version 2. Here the answer depends on the bytes
//! alone, not on how they were cut, and later bytes never change an answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::invariant::Invariant;

/// The longest line of version 1, its CR LF included (section 2.1).
pub const MAX_V1_BYTES: usize = 107;
/// The longest header of version 2 that is accepted. The protocol allows 64 KiB, but the bytes after the addresses are
/// ignored.
pub const MAX_V2_BYTES: usize = 4096;

const V1_START: &[u8] = b"PROXY ";
/// The start of version 2 (section 2.2). No line of another protocol begins so.
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of the start, the version and command, the family and transport, and the length of the rest.
const V2_FIXED: usize = 16;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client's address. `None` if the balancer names none (LOCAL, UNKNOWN) or one that is not TCP over IP: then
    /// the peer of the connection counts as the client.
    pub source: Option<SocketAddr>,
    /// Bytes of the header. The client's bytes follow.
    pub len: usize,
}

/// The reason why bytes are not a valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes begin like neither version.
    NoHeader,
    /// Longer than [`MAX_V1_BYTES`] or [`MAX_V2_BYTES`].
    TooLong,
    /// A line of version 1 that breaks its grammar: too many words, too few, or a wrong one.
    Line,
    /// A version other than 2, after the start of version 2.
    Version,
    /// A command that is neither LOCAL nor PROXY.
    Command,
    /// An unknown family or transport.
    Family,
    /// Too short for the addresses of its family.
    TooShort,
}

impl Malformed {
    /// A stable word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "no-header",
            Self::TooLong => "header-too-long",
            Self::Line => "line-malformed",
            Self::Version => "version-unknown",
            Self::Command => "command-unknown",
            Self::Family => "family-unknown",
            Self::TooShort => "header-too-short",
        }
    }
}

/// Reads the header at the start of the bytes; `None` while it is incomplete.
///
/// # Errors
/// The header is malformed. Reported as soon as no further byte can make it valid.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => parse_v1(bytes),
        Some(b'\r') => parse_v2(bytes),
        Some(_) => Err(Malformed::NoHeader),
    }
}

/// The number of bytes to receive next after `bytes`, which are not a whole header yet, at least one. For version 2
/// never more than the header has; for version 1, which does not declare its length, never more than it may have.
#[must_use]
pub fn wanted(bytes: &[u8]) -> usize {
    let whole = match bytes.first() {
        Some(b'P') if bytes.len() >= V2_FIXED => MAX_V1_BYTES,
        Some(b'\r') => declared_len(bytes).map_or(V2_FIXED, |len| V2_FIXED.saturating_add(len)),
        _ => V2_FIXED,
    };
    whole.saturating_sub(bytes.len()).max(1)
}

/// Section 2.1: `PROXY TCP4 source destination port port`, single spaces, one line.
fn parse_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    starts_like(bytes, V1_START)?;
    let within = bytes.get(..MAX_V1_BYTES).unwrap_or(bytes);
    let Some(end) = within.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() >= MAX_V1_BYTES { Err(Malformed::TooLong) } else { Ok(None) };
    };
    let line = within.get(V1_START.len()..end).expected_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Line)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        Some("TCP4") => Some(endpoints::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(endpoints::<Ipv6Addr>(words)?),
        // The rest of the line must be ignored.
        Some("UNKNOWN") => None,
        _ => return Err(Malformed::Line),
    };
    Ok(Some(ProxyHeader { source, len: end.saturating_add(2) }))
}

/// Reads the source's address and port. The destination's must be valid, too.
fn endpoints<'l, A>(mut words: impl Iterator<Item = &'l str>) -> Result<SocketAddr, Malformed>
where
    A: FromStr + Into<IpAddr>,
{
    let mut word = || words.next().ok_or(Malformed::Line);
    let address = |word: &str| word.parse::<A>().map(Into::into).map_err(|_| Malformed::Line);
    let (source, _) = (address(word()?)?, address(word()?)?);
    let (port, _) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(Malformed::Line);
    }
    Ok(endpoint(source, port))
}

/// Reads a decimal port, without a sign or leading zeros.
fn port(word: &str) -> Result<u16, Malformed> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| canonical).ok_or(Malformed::Line)
}

/// Section 2.2. Reads byte by byte, so that a malformed header is known at its first wrong byte.
fn parse_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    starts_like(bytes, V2_START)?;
    let fixed = bytes.get(V2_START.len()..).unwrap_or_default();
    let Some(first) = fixed.first() else { return Ok(None) };
    if first >> 4 != 2 {
        return Err(Malformed::Version);
    }
    let local = match first & 0x0F {
        0x0 => true,
        0x1 => false,
        _ => return Err(Malformed::Command),
    };
    let Some(family) = fixed.get(1) else { return Ok(None) };
    // The rest of a LOCAL header must be skipped.
    let addresses = match (local, family) {
        (true, _) => Addresses::None,
        (false, 0x11) => Addresses::Tcp4,
        (false, 0x21) => Addresses::Tcp6,
        // The family is unspecified, or not TCP over IP: datagrams, or a Unix socket.
        (false, 0x00..=0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30..=0x32) => Addresses::None,
        (false, _) => return Err(Malformed::Family),
    };
    let Some(declared) = declared_len(bytes) else { return Ok(None) };
    let len = V2_FIXED.saturating_add(declared);
    if len > MAX_V2_BYTES {
        return Err(Malformed::TooLong);
    }
    if declared < addresses.bytes() {
        return Err(Malformed::TooShort);
    }
    let Some(block) = bytes.get(V2_FIXED..len) else { return Ok(None) };
    Ok(Some(ProxyHeader { source: addresses.source(block), len }))
}

/// The parts of version 2's addresses that are used.
#[derive(Clone, Copy)]
enum Addresses {
    Tcp4,
    Tcp6,
    None,
}

impl Addresses {
    /// Both addresses, then both ports.
    fn bytes(self) -> usize {
        match self {
            Self::Tcp4 => 12,
            Self::Tcp6 => 36,
            Self::None => 0,
        }
    }

    fn source(self, block: &[u8]) -> Option<SocketAddr> {
        let port = |at: usize| Some(u16::from_be_bytes(*block.get(at..)?.first_chunk()?));
        match self {
            Self::Tcp4 => Some(endpoint(Ipv4Addr::from(*block.first_chunk::<4>()?).into(), port(8)?)),
            Self::Tcp6 => Some(endpoint(Ipv6Addr::from(*block.first_chunk::<16>()?).into(), port(32)?)),
            Self::None => None,
        }
    }
}

/// The length that a header of version 2 declares, once those bytes are here.
fn declared_len(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(14..V2_FIXED)?.first_chunk()?;
    Some(u16::from_be_bytes(*length).into())
}

fn starts_like(bytes: &[u8], start: &[u8]) -> Result<(), Malformed> {
    let same = bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    if same { Ok(()) } else { Err(Malformed::NoHeader) }
}

/// An address in the form of accepted peers: an IPv4-mapped IPv6 address becomes IPv4.
fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::{MAX_V1_BYTES, MAX_V2_BYTES, Malformed, ProxyHeader, V2_START, parse, wanted};

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut out = V2_START.to_vec();
        out.extend([command, family]);
        out.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        out.extend(block);
        out
    }

    /// Reads it whole and cut at every place: each answer must be the same, or none yet.
    fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
        let whole = parse(bytes);
        for end in 0..bytes.len() {
            let cut = parse(&bytes[..end]);
            assert!(cut == Ok(None) || cut == whole, "{cut:?} at {end}, {whole:?} in all");
        }
        if let Ok(Some(header)) = whole {
            assert_eq!(parse(&bytes[..header.len]), whole);
            assert_eq!(parse(&bytes[..header.len - 1]), Ok(None));
        }
        whole
    }

    fn named(bytes: &[u8]) -> Option<String> {
        let mut with_more = bytes.to_vec();
        with_more.extend(b"GET / HTTP/1.1\r\n");
        let header = read(&with_more).unwrap().unwrap();
        assert_eq!(header.len, bytes.len());
        header.source.map(|source| source.to_string())
    }

    #[test]
    fn a_line_of_version_1_names_its_source() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some("192.0.2.7:56324")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 1 443\r\n", Some("[2001:db8::7]:1")),
            ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 443\r\n", Some("192.0.2.7:1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 a b c d e f g \r\n", None),
        ] {
            assert_eq!(named(line.as_bytes()).as_deref(), source, "{line}");
        }
    }

    #[test]
    fn a_line_that_breaks_the_grammar_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n",
            "PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +5632 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n",
            "PROXY TCP4 192.0.02.7 198.51.100.1 1 1\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 1 1\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 1 1\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
            "PROXY TCP5 192.0.2.7 198.51.100.1 1 1\r\n",
            "PROXY tcp4 192.0.2.7 198.51.100.1 1 1\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 1\n\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(Malformed::Line), "{line}");
        }
        assert_eq!(read(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \xff\r\n"), Err(Malformed::Line));
    }

    #[test]
    fn a_line_is_no_longer_than_the_protocol_says() {
        let line = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16)).into_bytes();
        assert_eq!(named(&line(MAX_V1_BYTES)), None);
        assert_eq!(read(&line(MAX_V1_BYTES + 1)), Err(Malformed::TooLong));
        assert_eq!(read(&[b"PROXY ".as_slice(), &[b' '; 200]].concat()), Err(Malformed::TooLong));
    }

    #[test]
    fn a_header_of_version_2_names_its_source() {
        let tcp4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 1, 187];
        assert_eq!(named(&v2(0x21, 0x11, &tcp4)).as_deref(), Some("192.0.2.7:56324"));
        let options = [tcp4.as_slice(), &[0x05, 0, 2, 7, 7]].concat();
        assert_eq!(named(&v2(0x21, 0x11, &options)).as_deref(), Some("192.0.2.7:56324"));
        let mut tcp6 = [0; 36];
        tcp6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        (tcp6[15], tcp6[33], tcp6[35]) = (7, 9, 80);
        assert_eq!(named(&v2(0x21, 0x21, &tcp6)).as_deref(), Some("[2001:db8::7]:9"));
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        assert_eq!(named(&v2(0x21, 0x21, &mapped)).as_deref(), Some("192.0.2.7:0"));
    }

    #[test]
    fn a_header_of_version_2_may_name_nobody() {
        for (command, family, len) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            // The family of LOCAL is ignored, and so is how long its addresses would be.
            (0x20, 0xFF, 3),
            (0x21, 0x00, 0),
            (0x21, 0x00, 60),
            (0x21, 0x12, 12),
            (0x21, 0x31, 216),
        ] {
            assert_eq!(named(&v2(command, family, &vec![0; len])), None, "{command:x} {family:x}");
        }
    }

    #[test]
    fn a_header_of_version_2_that_is_wrong_is_refused() {
        for (bytes, what) in [
            (v2(0x11, 0x11, &[0; 12]), Malformed::Version),
            (v2(0x31, 0x11, &[0; 12]), Malformed::Version),
            (v2(0x22, 0x11, &[0; 12]), Malformed::Command),
            (v2(0x21, 0x13, &[0; 12]), Malformed::Family),
            (v2(0x21, 0x41, &[0; 12]), Malformed::Family),
            (v2(0x21, 0x11, &[0; 11]), Malformed::TooShort),
            (v2(0x21, 0x21, &[0; 35]), Malformed::TooShort),
            (v2(0x21, 0x11, &[0; MAX_V2_BYTES - 15]), Malformed::TooLong),
            (v2(0x20, 0x00, &[0; 0xFFFF]), Malformed::TooLong),
        ] {
            assert_eq!(read(&bytes), Err(what));
        }
        assert!(matches!(read(&v2(0x21, 0x11, &[0; MAX_V2_BYTES - 16])), Ok(Some(_))));
    }

    #[test]
    fn what_is_no_header_is_known_at_its_first_wrong_byte() {
        for (bytes, at) in [
            (b"GET / HTTP/1.1\r\n".as_slice(), 1),
            (b"PUT / HTTP/1.1\r\n", 2),
            (b"PROXYTCP4", 6),
            (b"\x16\x03\x01\x02\x00", 1),
            (b"\r\n\r\n\0\r\nQUIT\r", 12),
        ] {
            assert_eq!(read(bytes), Err(Malformed::NoHeader));
            assert_eq!(parse(&bytes[..at]), Err(Malformed::NoHeader));
            assert_eq!(parse(&bytes[..at - 1]), Ok(None));
        }
    }

    #[test]
    fn no_more_is_asked_for_than_a_header_may_have() {
        let header = v2(0x21, 0x11, &[0; 40]);
        for end in 0..header.len() {
            assert!(wanted(&header[..end]) <= header.len() - end);
        }
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
        for end in 0..line.len() {
            assert!((1..=MAX_V1_BYTES - end).contains(&wanted(&line[..end])));
        }
    }
}
