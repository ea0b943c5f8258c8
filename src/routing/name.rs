//! The rules that DNS has for host names.

use std::fmt;

/// The most bytes of a label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// The most bytes of a name, written with dots and without one at the end.
pub(super) const MAX_NAME: usize = 253;

/// The reason why a host is not a DNS name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// A label is empty.
    EmptyLabel,
    /// A label is longer than 63 bytes.
    LongLabel,
    /// The name is longer than 253 bytes.
    Long,
    /// A byte that no host name contains.
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

/// Checks that DNS can look a host up. Underscores are allowed: RFC 952 excludes them, but they are in use. A dot at the end
/// marks an absolute name.
///
/// # Errors
/// The name's fault.
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
