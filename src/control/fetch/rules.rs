//! The hosts that contracts may be fetched from: the option `contracts.allow_url_import`. Pure.

use std::net::IpAddr;

use super::address::special;
use super::url::Url;
use crate::config::contract_source::{ContractSource, HTTPS_PORT};

/// The option's name, which every refusal repeats.
pub const OPTION: &str = "contracts.allow_url_import";

/// The whole option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<ContractSource>);

impl Rules {
    /// Checks the host of a URL before anything is looked up.
    ///
    /// # Errors
    /// The host is not listed; the sentence names the setting that would list it.
    pub fn check_host(&self, url: &Url) -> Result<(), String> {
        let is_listed = self.0.iter().any(|item| match item {
            ContractSource::Public => url.port == HTTPS_PORT,
            ContractSource::Host { host, port } => *host == url.host && *port == url.port,
            ContractSource::Network(network) => {
                url.port == HTTPS_PORT && url.address().is_some_and(|address| network.contains(&address))
            }
        });
        if is_listed {
            return Ok(());
        }
        let needed = ContractSource::Host { host: url.host.clone(), port: url.port };
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
            ContractSource::Public => false,
            ContractSource::Host { host, .. } => host.parse::<IpAddr>().is_ok_and(|listed| listed == address),
            ContractSource::Network(network) => network.contains(&address),
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
    use super::Rules;
    use crate::control::fetch::url::Url;

    fn rules(items: &[&str]) -> Rules {
        Rules(items.iter().map(|item| item.parse().unwrap()).collect())
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
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
