//! Values as operators write them: `500ms`, `64KiB`, `0-3,6`, `off`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::proto::head;

/// Reads a duration: a whole number and its unit, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" => return Err(format!("`{text}` has no unit; write {text}s or {text}ms")),
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s, m or h")),
    };
    match millis {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(millis) if millis <= MAX_DURATION_MS => Ok(Duration::from_millis(millis)),
        _ => Err("it must be 366 days at most".to_owned()),
    }
}

const MAX_DURATION_MS: u64 = 366 * 24 * 3_600_000;

/// A duration, or `off`.
///
/// # Errors
/// As [`duration`].
pub fn optional_duration(text: &str) -> Result<Optional<Duration>, String> {
    optional(text, duration)
}

/// Reads a number of bytes: plain, or with `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("`{unit}` is not a unit of size; use KiB, MiB or GiB")),
    };
    match number.checked_mul(factor) {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err("it must be less than 2^63".to_owned()),
    }
}

/// A header to send, as `Name: value`.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not of the form `Name: value`"))?;
    let value = value.trim();
    if !head::is_token(name.as_bytes()) || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("`{name}` is not a header name, or its value holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A network, or an address as the network that it alone is in.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse()
        .ok()
        .or_else(address)
        .ok_or_else(|| format!("`{text}` is neither an address nor a network; write for example 10.0.0.0/8 or ::1"))
}

/// An address and a port.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address with a port; write for example 127.0.0.1:8080 or [::]:8080"))
}

/// A server of DNS: an address, and a port if that is not 53.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    /// Where DNS is asked (RFC 1035 section 4.2).
    const PORT: u16 = 53;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = || bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)).ok();
    text.parse().ok().or_else(address).filter(|server: &SocketAddr| server.port() > 0).ok_or_else(|| {
        format!("`{text}` is not an address with an optional port; write for example 10.0.0.53 or [fd00::53]:5353")
    })
}

/// A count above zero.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("it must be more than 0".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{text}` is not a whole number")),
    }
}

/// A count above zero, or `off`.
///
/// # Errors
/// As [`count`].
pub fn optional_count(text: &str) -> Result<Optional<u64>, String> {
    optional(text, count)
}

/// A list of CPUs: numbers and ranges, in order, each once.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .ok()
                .filter(|cpu| *cpu < MAX_CPUS)
                .ok_or_else(|| format!("`{part}` is not a CPU or a range of CPUs; write for example 0-3,6"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("the range `{part}` runs backwards"));
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    if cpus.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("a CPU is named twice".to_owned());
    }
    Ok(Cpus(cpus))
}

const MAX_CPUS: usize = 1024;

/// CPUs in order, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }
}

/// A value that may be `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Optional<T>, String> {
    if text == "off" { Ok(Optional(None)) } else { read(text).map(|value| Optional(Some(value))) }
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse().map_err(|_| format!("`{text}` does not begin with a whole number"))?;
    Ok((number, unit.trim()))
}

/// A duration as [`duration`] reads it.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cpus, Optional, bytes, cpus, dns_server, duration, optional_count, optional_duration, show_duration};
    use std::time::Duration;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(optional_duration("off"), Ok(Optional(None)));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("70"), Ok(70));
        assert_eq!(optional_count("7"), Ok(Optional(Some(7))));
        assert_eq!(cpus("4,0-2"), Ok(Cpus(vec![0, 1, 2, 4])));
        for text in ["1500ms", "90s", "5m", "1h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (result, says) in [
            (duration("10").err(), "no unit"),
            (duration("10d").err(), "not a unit of time"),
            (duration("0s").err(), "more than 0"),
            (duration("99999999999999999h").err(), "366 days"),
            (duration("s").err(), "whole number"),
            (bytes("1KB").err(), "not a unit of size"),
            (bytes("9223372036854775808").err(), "2^63"),
            (cpus("3-1").err(), "backwards"),
            (cpus("1,1").err(), "twice"),
            (cpus("a").err(), "range of CPUs"),
            (cpus("0-99999999").err(), "range of CPUs"),
        ] {
            let message = result.unwrap_or_default();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }

    #[test]
    fn a_dns_server_is_an_address_with_an_optional_port() {
        for (text, address) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("10.0.0.53:5353", "10.0.0.53:5353"),
            ("fd00::53", "[fd00::53]:53"),
            ("[fd00::53]", "[fd00::53]:53"),
            ("[fd00::53]:5353", "[fd00::53]:5353"),
        ] {
            assert_eq!(dns_server(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "dns.test", "10.0.0.53:0", "10.0.0.53:x", "10.0.0"] {
            assert!(dns_server(text).is_err(), "{text}");
        }
    }
}
