//! A host name: whether DNS can have it.

use std::fmt;

/// RFC 1035 section 2.3.4.
const MAX_LABEL: usize = 63;
/// The same, written with dots and without the one at its end.
pub(super) const MAX_NAME: usize = 253;

/// Why a host is not a name of DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing before, between or behind dots.
    EmptyLabel,
    /// More than 63 bytes between dots.
    LongLabel,
    /// More than 253 bytes.
    Long,
    /// A byte that is in no host's name.
    Byte,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a name of DNS: ")?;
        match self {
            Self::EmptyLabel => f.write_str("there is nothing before a dot, or between two"),
            Self::LongLabel => write!(f, "a part of it between dots is longer than {MAX_LABEL} bytes"),
            Self::Long => write!(f, "it is longer than {MAX_NAME} bytes"),
            Self::Byte => f.write_str("it may hold letters, digits, `-`, `_` and dots only"),
        }
    }
}

impl std::error::Error for NameError {}

/// Whether a host can be looked up. Underscores are no part of a host's name (RFC 952) and in use all the same; a dot at the
/// end says that the name is whole.
///
/// # Errors
/// What is wrong with it.
pub fn check(host: &str) -> Result<(), NameError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.split('.').any(str::is_empty) {
        return Err(NameError::EmptyLabel);
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(NameError::Byte);
    }
    if host.split('.').any(|label| label.len() > MAX_LABEL) {
        return Err(NameError::LongLabel);
    }
    if host.len() > MAX_NAME {
        return Err(NameError::Long);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NameError, check};

    #[test]
    fn a_name_is_as_long_as_dns_can_carry_it() {
        let label = "x".repeat(63);
        let most = [label.as_str(); 4].join(".")[..253].to_owned();
        for (host, is) in [
            ("a", Ok(())),
            ("a.", Ok(())),
            ("Under_Score.-a-", Ok(())),
            (&label, Ok(())),
            (&most, Ok(())),
            (&format!("{most}."), Ok(())),
            (&format!("{most}x"), Err(NameError::Long)),
            (&format!("{label}x.a"), Err(NameError::LongLabel)),
            ("", Err(NameError::EmptyLabel)),
            (".", Err(NameError::EmptyLabel)),
            ("a..", Err(NameError::EmptyLabel)),
            (".a", Err(NameError::EmptyLabel)),
            ("a$b", Err(NameError::Byte)),
            ("v1.a:b", Err(NameError::Byte)),
        ] {
            assert_eq!(check(host), is, "{host}");
        }
    }
}
