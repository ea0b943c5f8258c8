//! The hosts that contracts may be fetched from: the option `contracts.allow_url_import`. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::special;
use super::url::{HTTPS_PORT, Url};
use crate::proto::authority::{Authority, canonical};
use crate::routing::name;

/// The option's name, which every refusal repeats.
pub const OPTION: &str = "contracts.allow_url_import";

/// An item of the option.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Item {
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

impl FromStr for Item {
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

impl TryFrom<String> for Item {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Item> for String {
    fn from(item: Item) -> Self {
        item.to_string()
    }
}

impl fmt::Display for Item {
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

/// The whole option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Item>);

impl Rules {
    /// Checks the host of a URL before anything is looked up.
    ///
    /// # Errors
    /// The host is not listed; the sentence names the setting that would list it.
    pub fn check_host(&self, url: &Url) -> Result<(), String> {
        let is_listed = self.0.iter().any(|item| match item {
            Item::Public => url.port == HTTPS_PORT,
            Item::Host { host, port } => *host == url.host && *port == url.port,
            Item::Network(network) => {
                url.port == HTTPS_PORT && url.address().is_some_and(|address| network.contains(&address))
            }
        });
        if is_listed {
            return Ok(());
        }
        let needed = Item::Host { host: url.host.clone(), port: url.port };
        let state = if self.0.is_empty() {
            "the node fetches no contracts by URL".to_owned()
        } else {
            format!("the node fetches no contracts from {needed}")
        };
        Err(format!("{state}; the setting {OPTION} = [\"{needed}\"] allows this host"))
    }

    /// Checks an address of a host.
    ///
    /// # Errors
    /// The address is not public and not listed; the sentence names the setting that would list it.
    pub fn check_address(&self, url: &Url, address: IpAddr) -> Result<(), String> {
        let Some(range) = special(address) else { return Ok(()) };
        let is_listed = self.0.iter().any(|item| match item {
            Item::Public => false,
            Item::Host { host, .. } => host.parse::<IpAddr>().is_ok_and(|listed| listed == address),
            Item::Network(network) => network.contains(&address),
        });
        if is_listed {
            return Ok(());
        }
        Err(format!(
            "{} has the address {address}, which is {} ({}); the setting {OPTION} must list \"{address}\" as well to allow it",
            url.host, range.words, range.network
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, Rules};
    use crate::control::fetch::url::Url;

    fn rules(items: &[&str]) -> Rules {
        Rules(items.iter().map(|item| item.parse().unwrap()).collect())
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn an_item_is_read_and_written_alike() {
        for item in ["public", "a.example", "a.example:8443", "10.0.0.0/8", "127.0.0.1", "[::1]:8443", "fd00::/8"] {
            assert_eq!(item.parse::<Item>().unwrap().to_string(), item);
        }
        assert_eq!("A.Example.:443".parse::<Item>().unwrap().to_string(), "a.example");
        for item in
            ["", "*", "https://a.example", "a.example/x", "a b", "a.example:99999", "u@a.example", "10.0.0.0/99"]
        {
            assert!(item.parse::<Item>().is_err(), "{item}");
        }
    }

    #[test]
    fn a_host_must_be_listed_with_its_port() {
        for (items, text, is_allowed) in [
            (&[][..], "https://a.example/x", false),
            (&["a.example"], "https://a.example/x", true),
            (&["a.example"], "https://A.EXAMPLE./x", true),
            (&["a.example"], "https://b.a.example/x", false),
            (&["a.example"], "https://a.example:8443/x", false),
            (&["a.example:8443"], "https://a.example:8443/x", true),
            (&["a.example:8443"], "https://a.example/x", false),
            (&["public"], "https://any.example/x", true),
            (&["public"], "https://any.example:8443/x", false),
            (&["10.0.0.0/8"], "https://10.1.2.3/x", true),
            (&["10.0.0.0/8"], "https://10.1.2.3:8443/x", false),
            (&["10.0.0.0/8"], "https://a.example/x", false),
            (&["127.0.0.1:8443"], "https://127.0.0.1:8443/x", true),
        ] {
            let checked = rules(items).check_host(&url(text));
            assert_eq!(checked.is_ok(), is_allowed, "{items:?} {text} {checked:?}");
        }
        let refusal = rules(&[]).check_host(&url("https://a.example:8443/x")).unwrap_err();
        assert!(refusal.contains("contracts.allow_url_import = [\"a.example:8443\"]"), "{refusal}");
    }

    #[test]
    fn an_address_that_is_not_public_must_be_listed_itself() {
        let asked = url("https://a.example/x");
        for (items, address, is_allowed) in [
            (&["a.example"][..], "8.8.8.8", true),
            (&["a.example"], "10.0.0.1", false),
            (&["public"], "127.0.0.1", false),
            (&["public"], "169.254.169.254", false),
            (&["a.example", "10.0.0.0/8"], "10.0.0.1", true),
            (&["a.example", "10.0.0.1"], "10.0.0.1", true),
            (&["a.example", "10.0.0.2"], "10.0.0.1", false),
            (&["127.0.0.1:8443"], "127.0.0.1", true),
            (&["a.example", "10.0.0.0/8"], "::ffff:10.0.0.1", false),
        ] {
            let checked = rules(items).check_address(&asked, address.parse().unwrap());
            assert_eq!(checked.is_ok(), is_allowed, "{items:?} {address} {checked:?}");
        }
        let refusal = rules(&["a.example"]).check_address(&asked, "10.0.0.1".parse().unwrap()).unwrap_err();
        assert!(refusal.contains("private (10.0.0.0/8)") && refusal.contains("list \"10.0.0.1\""), "{refusal}");
    }
}
