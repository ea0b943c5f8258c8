//! The files of name resolution: when they change, and what /etc/hosts says.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;

use crate::control::stamp::Stamp;

pub(super) const HOSTS: &str = "/etc/hosts";
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A file of names that is longer is not one.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Both files, as they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    stamps: Option<[Option<Stamp>; 2]>,
}

impl Files {
    /// Whether one has changed since the last call; the first one says so. Before a file is read: a change that comes in
    /// between is then seen at the next call.
    pub(super) fn changed(&mut self) -> bool {
        let now = Some([HOSTS, RESOLV_CONF].map(Stamp::of));
        std::mem::replace(&mut self.stamps, now) != now
    }
}

/// A file's text; empty if there is none.
pub(super) fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What /etc/hosts says of a name: the addresses of every line that has it, in their order.
pub(super) fn lookup(hosts: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    hosts.trim_start_matches('\u{feff}').lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::lookup;

    #[test]
    fn a_hosts_file_is_read_as_people_write_it() {
        let hosts = "\u{feff}127.0.0.1 localhost\n# 10.0.0.9 api\n\n10.0.0.1\tapi.test  API # api2\r\n\
                     fd00::1 api\nnonsense api\n10.0.0.2 api";
        let found = |name| lookup(hosts, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("api"), ["10.0.0.1", "fd00::1", "10.0.0.2"]);
        assert_eq!(found("Api.Test"), ["10.0.0.1"]);
        assert_eq!(found("localhost"), ["127.0.0.1"]);
        assert!(found("api2").is_empty() && found("10.0.0.1").is_empty());
    }
}
