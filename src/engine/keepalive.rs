//! How the kernel finds out that a peer is gone without a word: a pulled cable, a host that lost its power.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Probes without an answer after which the kernel gives up, where no user timeout says when.
const PROBES: u32 = 3;

/// What a shard's sockets are set to. The default is the kernel's own: it never asks, and waits for an acknowledgement for
/// a quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// TCP_USER_TIMEOUT (RFC 5482, tcp(7)): how long bytes may stay unacknowledged, or a window closed, before the connection
    /// breaks with [`Fault::TimedOut`](super::Fault::TimedOut). With `probes` also how long a silent peer may stay so. In
    /// milliseconds, at most 2^31 - 1 of them.
    pub user_timeout: Option<Duration>,
    /// SO_KEEPALIVE, TCP_KEEPIDLE and TCP_KEEPINTVL: the silence after which a peer is asked for a sign of life, and then
    /// between two of these probes. In whole seconds, rounded up, at most 32,767 of them.
    pub probes: Option<Duration>,
}

impl KeepAlive {
    /// Sets a socket to it. On a listener it counts for every connection that is accepted from there: Linux copies it
    /// from there, and accepting costs nothing more.
    ///
    /// # Errors
    /// The kernel's, of a value that is out of its range.
    pub(super) fn set<S: AsFd>(&self, socket: &S) -> io::Result<()> {
        let socket = SockRef::from(socket);
        if self.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.user_timeout)?;
        }
        if let Some(every) = self.probes {
            let every = whole_seconds(every);
            let probes = TcpKeepalive::new().with_time(every).with_interval(every);
            // With a user timeout the kernel does not count probes.
            let probes = if self.user_timeout.is_some() { probes } else { probes.with_retries(PROBES) };
            socket.set_tcp_keepalive(&probes)?;
        }
        Ok(())
    }
}

/// The kernel knows no shorter ones here.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use socket2::SockRef;

    use super::KeepAlive;
    use crate::engine::listener;

    fn settings<S: std::os::fd::AsFd>(socket: &S) -> (Option<Duration>, bool, Duration, Duration, u32) {
        let socket = SockRef::from(socket);
        (
            socket.tcp_user_timeout().unwrap(),
            socket.keepalive().unwrap(),
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap(),
        )
    }

    fn accepted_with(keepalive: KeepAlive) -> (Option<Duration>, bool, Duration, Duration, u32) {
        let (address, mut listeners) = listener::bind("127.0.0.1:0".parse().unwrap(), 1, keepalive).unwrap();
        let listener = TcpListener::from(listeners.remove(0));
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        settings(&accepted)
    }

    #[test]
    fn accepted_sockets_have_what_the_listener_was_set_to() {
        let seconds = Duration::from_secs;
        let both = KeepAlive { user_timeout: Some(seconds(7)), probes: Some(Duration::from_millis(2100)) };
        let (user_timeout, on, idle, interval, _) = accepted_with(both);
        assert_eq!((user_timeout, on, idle, interval), (Some(seconds(7)), true, seconds(3), seconds(3)));
        let probes = KeepAlive { user_timeout: None, probes: Some(seconds(2)) };
        assert_eq!(accepted_with(probes), (None, true, seconds(2), seconds(2), 3));
        let (user_timeout, on, ..) = accepted_with(KeepAlive::default());
        assert_eq!((user_timeout, on), (None, false));
    }

    #[test]
    fn the_longest_times_that_are_allowed_are_the_kernels() {
        let longest = KeepAlive {
            user_timeout: Some(Duration::from_millis(i32::MAX as u64)),
            probes: Some(Duration::from_secs(32_767)),
        };
        let (user_timeout, _, idle, ..) = accepted_with(longest);
        assert_eq!((user_timeout, idle), (longest.user_timeout, Duration::from_secs(32_767)));
    }
}
