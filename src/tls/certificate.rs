//! A certificate that Ringway serves: its names and its validity.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// The time before expiry in which the operator is warned.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// The names and the validity of a served certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DNS names, in lower case, `*.` wildcards included.
    pub names: Box<[Box<str>]>,
    /// The IP addresses.
    pub addresses: Box<[IpAddr]>,
    /// The start of the validity.
    pub not_before: SystemTime,
    /// The end of the validity.
    pub not_after: SystemTime,
    /// `not_after` in RFC 3339.
    pub expires: Box<str>,
}

impl Certificate {
    /// Reads the certificate.
    ///
    /// # Errors
    /// The certificate is not X.509.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| format!("it is not X.509: {error}"))?;
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        let listed = parsed.subject_alternative_name().map_err(|error| format!("its names are broken: {error}"))?;
        for name in listed.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase().into_boxed_str()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let validity = parsed.validity();
        Ok(Self {
            names: names.into(),
            addresses: addresses.into(),
            not_before: moment(validity.not_before),
            not_after: moment(validity.not_after),
            expires: shown(validity.not_after).into(),
        })
    }

    /// The warning that is due at `now`, if any.
    #[must_use]
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        if now > self.not_after {
            return Some(format!("the certificate for {self} has expired: clients will refuse it; replace it"));
        }
        if now < self.not_before {
            return Some(format!("the certificate for {self} is not valid yet: clients will refuse it"));
        }
        let left = self.not_after.duration_since(now).unwrap_or_default();
        let days = left.as_secs() / (24 * 3600);
        (left < EXPIRES_SOON).then(|| format!("the certificate for {self} expires in {days} days; replace it"))
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.iter().map(ToString::to_string);
        let all: Vec<_> = names.chain(self.addresses.iter().map(ToString::to_string)).collect();
        let all = if all.is_empty() { "no name".to_owned() } else { all.join(", ") };
        write!(f, "{all} (until {})", self.expires)
    }
}

/// The certificates on one line.
#[must_use]
pub fn list(certificates: &[Certificate]) -> String {
    certificates.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| IpAddr::from(Ipv6Addr::from(octets)))).ok()
}

fn moment(time: ASN1Time) -> SystemTime {
    let since = u64::try_from(time.timestamp()).unwrap_or(0);
    UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(UNIX_EPOCH)
}

fn shown(time: ASN1Time) -> String {
    let time = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Certificate;
    use crate::tls::pem::PemFile;
    use crate::tls::testing::Authority;

    #[test]
    fn names_addresses_and_expiry_are_read_and_a_near_expiry_is_warned_of() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let end = DAY * 20_000;
        let pair = Authority::new("ca").until(&["A.Test", "*.b.test", "127.0.0.1", "::1"], end);
        let file = PemFile::new("", "");
        let der = file.certificates(pair.certificate.as_bytes()).unwrap().remove(0);
        let certificate = Certificate::read(&der).unwrap();
        assert_eq!(certificate.to_string(), "a.test, *.b.test, 127.0.0.1, ::1 (until 2024-10-04T00:00:00Z)");
        let end = UNIX_EPOCH + end;
        assert_eq!(certificate.not_after, end);
        for (now, says) in [
            (end - DAY * 15, None),
            (end - DAY * 13, Some("expires in 13 days")),
            (end + DAY, Some("has expired")),
            (UNIX_EPOCH, Some("not valid yet")),
        ] {
            let warning = certificate.warning(now);
            assert_eq!(warning.is_some(), says.is_some(), "{warning:?}");
            assert!(warning.unwrap_or_default().contains(says.unwrap_or_default()), "{says:?}");
        }
    }
}
