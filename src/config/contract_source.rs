//! The hosts that contracts may be fetched from: an item of the option `contracts.allow_url_import`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::proto::authority::{Authority, canonical};
use crate::routing::name;

/// The port of https.
pub const HTTPS_PORT: u16 = 443;

/// A source of contracts: an item of the option `contracts.allow_url_import`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ContractSource {
    /// `public`: every host whose addresses are public, on port 443.
    Public,
    /// `host` or `host:port`.
    Host {
        /// The name in lower case, or an address.
        host: String,
        /// The port; 443 if none is written.
        port: u16,
    },
    /// `10.0.0.0/8`: addresses that a host may have, and be written as.
    Network(IpNet),
}

impl FromStr for ContractSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "public" {
            return Ok(Self::Public);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Host { host: address.to_string(), port: HTTPS_PORT });
        }
        let why = || format!("`{text}` is neither `public` nor a host, a host with a port, or a network");
        let authority = Authority::parse(text).map_err(|_| why())?;
        let host = match authority.address() {
            Some(address) => address.to_string(),
            None => {
                name::check(authority.host()).map_err(|_| why())?;
                canonical(authority.host()).into_owned()
            }
        };
        Ok(Self::Host { host, port: authority.port().unwrap_or(HTTPS_PORT) })
    }
}

impl TryFrom<String> for ContractSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ContractSource> for String {
    fn from(item: ContractSource) -> Self {
        item.to_string()
    }
}

impl fmt::Display for ContractSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Host { host, port: HTTPS_PORT } => f.write_str(host),
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ContractSource;

    #[test]
    fn an_item_is_read_and_written_alike() {
        for item in ["public", "a.example", "a.example:8443", "10.0.0.0/8", "127.0.0.1", "[::1]:8443", "fd00::/8"] {
            assert_eq!(item.parse::<ContractSource>().unwrap().to_string(), item);
        }
        assert_eq!("A.Example.:443".parse::<ContractSource>().unwrap().to_string(), "a.example");
        for item in
            ["", "*", "https://a.example", "a.example/x", "a b", "a.example:99999", "u@a.example", "10.0.0.0/99"]
        {
            assert!(item.parse::<ContractSource>().is_err(), "{item}");
        }
    }
}
