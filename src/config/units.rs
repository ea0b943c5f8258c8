//! Values as operators write them on the command line: headers, networks, addresses, CPUs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

pub use crate::api::units::{
    LossCode, Optional, bytes, count, duration, optional_bytes, optional_count, optional_duration, optional_loss_code,
    show_duration,
};
use crate::proto::head;
use crate::routing::plain::PlainPath;

/// Reads a whole number of any type.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().map_err(|_| format!("`{text}` {}", if is_number { "is too large" } else { "is not a whole number" }))
}

/// Reads an IP address.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IP address; write for example 192.0.2.7 or 2001:db8::1"))
}

/// Reads a header to send: `Name: value`.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not of the form `Name: value`"))?;
    let value = value.trim();
    if !head::is_token(name.as_bytes()) || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("`{name}` is not a header name, or its value holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a time that may be 0.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn delay(text: &str) -> Result<Duration, String> {
    if ["0", "0ms", "0s"].contains(&text) { Ok(Duration::ZERO) } else { duration(text) }
}

/// Reads a path of Ringway's own.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn plain_path(text: &str) -> Result<PlainPath, String> {
    text.parse().map_err(|why| format!("`{text}` is not a path: {why}"))
}

/// Reads a network; an address counts as a network of its own.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse()
        .ok()
        .or_else(address)
        .ok_or_else(|| format!("`{text}` is neither an address nor a network; write for example 10.0.0.0/8 or ::1"))
}

/// Reads an address and a port.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address with a port; write for example 127.0.0.1:8080 or [::]:8080"))
}

/// Reads a DNS server: an address, with a port unless that is 53.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    /// The port of DNS (RFC 1035 section 4.2).
    const PORT: u16 = 53;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = || bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)).ok();
    text.parse().ok().or_else(address).filter(|server: &SocketAddr| server.port() > 0).ok_or_else(|| {
        format!("`{text}` is not an address with an optional port; write for example 10.0.0.53 or [fd00::53]:5353")
    })
}

/// Reads a list of CPUs: numbers and ranges, each CPU once.
///
/// # Errors
/// A message for the person who wrote the text.
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

#[cfg(test)]
mod tests {
    use super::{Cpus, cpus, dns_server};

    #[test]
    fn cpus_are_numbers_and_ranges() {
        assert_eq!(cpus("4,0-2"), Ok(Cpus(vec![0, 1, 2, 4])));
        for (text, says) in
            [("3-1", "backwards"), ("1,1", "twice"), ("a", "range of CPUs"), ("0-99999999", "range of CPUs")]
        {
            let message = cpus(text).unwrap_err();
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
