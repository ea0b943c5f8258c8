//! The names of a listener's certificates: which hosts the certificate covers that a client is shown.

use std::net::IpAddr;

use super::authority::{Authority, canonical};

/// The names of all certificates of a listener, in the operator's order: clients that name no host, or an unknown one, are
/// shown the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames(Vec<Names>);

/// The names of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names in lower case, `*.` wildcards included.
    pub names: Box<[Box<str>]>,
    /// IP addresses.
    pub addresses: Box<[IpAddr]>,
}

impl CertificateNames {
    /// Takes the names of each certificate.
    #[must_use]
    pub fn new(certificates: impl IntoIterator<Item = Names>) -> Self {
        Self(certificates.into_iter().collect())
    }

    /// True if the certificate that a client is shown who asks TLS for `server_name` covers `host`. Several certificates for
    /// one name, with different kinds of key, count together.
    #[must_use]
    pub fn covers(&self, server_name: &str, host: Authority<'_>) -> bool {
        let asked = canonical(server_name);
        let name = canonical(host.host());
        let covers = |certificate: &Names| match host.address() {
            Some(address) => certificate.addresses.contains(&address),
            None => certificate.has(&name) || certificate.has_wildcard(&name),
        };
        let with = |is_shown: fn(&Names, &str) -> bool| {
            let shown: Vec<&Names> = self.0.iter().filter(|one| is_shown(one, &asked)).collect();
            (!shown.is_empty()).then_some(shown)
        };
        let first = || {
            let names = self.0.first().map(|first| &first.names);
            self.0.iter().filter(|one| Some(&one.names) == names).collect()
        };
        with(Names::has).or_else(|| with(Names::has_wildcard)).unwrap_or_else(first).into_iter().any(covers)
    }
}

impl Names {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| **known == *name)
    }

    /// A wildcard stands for one label (RFC 9525 section 6.3).
    fn has_wildcard(&self, name: &str) -> bool {
        let Some((_, rest)) = name.split_once('.') else { return false };
        self.names.iter().any(|known| known.strip_prefix("*.") == Some(rest))
    }
}
