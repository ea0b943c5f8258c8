//! The kernel's check for peers that disappear silently: a pulled cable, a host that lost its power.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Unanswered probes after which the kernel gives up, if no user timeout is set.
const PROBES: u32 = 3;

/// Socket options of a shard's sockets. With the default the kernel sends no probes, and waits a quarter of an hour for
/// an acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// TCP_USER_TIMEOUT (RFC 5482, tcp(7)): the time for which bytes may stay unacknowledged, or a window closed,
    /// before the connection breaks with [`Fault::TimedOut`](super::Fault::TimedOut). With `probes` set, a silent peer
    /// has as long to answer. In milliseconds, at most 2^31 - 1.
    pub user_timeout: Option<Duration>,
    /// SO_KEEPALIVE, TCP_KEEPIDLE and TCP_KEEPINTVL: the silence after which the kernel probes a peer, and the time
    /// between two probes. In whole seconds, rounded up, at most 32,767.
    pub probes: Option<Duration>,
}

impl KeepAlive {
    /// Sets the options of a socket. Linux copies those of a listener to each connection that it accepts, at no cost.
    ///
    /// # Errors
    /// The kernel refuses a value that is out of its range.
    pub(super) fn set<S: AsFd>(&self, socket: &S) -> io::Result<()> {
        let socket = SockRef::from(socket);
        if self.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.user_timeout)?;
        }
        if let Some(every) = self.probes {
            let every = whole_seconds(every);
            let probes = TcpKeepalive::new().with_time(every).with_interval(every);
            // With a user timeout set, the kernel does not count probes.
            let probes = if self.user_timeout.is_some() { probes } else { probes.with_retries(PROBES) };
            socket.set_tcp_keepalive(&probes)?;
        }
        Ok(())
    }
}

/// Whole seconds: the kernel takes no shorter times here.
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
    use crate::engine::socket_options::SocketOptions;

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
        let options = SocketOptions { keepalive, ..SocketOptions::default() };
        let (address, mut listeners) = listener::bind("127.0.0.1:0".parse().unwrap(), 1, options).unwrap();
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
