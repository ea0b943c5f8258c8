//! System calls that neither the standard library nor socket2 offers in the form that the loop needs.
//!
//! Every function is safe with any argument: for a bad descriptor the kernel returns an error.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::invariant::Invariant;

/// Receives without blocking.
pub(super) fn recv(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length are those of a live, exclusive slice.
    let n = unsafe { libc::recv(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends without blocking, and without a signal when the peer is gone.
pub(super) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and length are those of a live slice.
    let n = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends slices one after the other, as [`send`] does.
pub(super) fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: zeroed bytes are a valid msghdr: no name, no control data, nothing to send.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    // An IoSlice is guaranteed to have the layout of an iovec. The kernel only reads through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    // The kernel refuses more slices than it takes at once.
    message.msg_iovlen = slices.len();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the message and the slices it points to outlive the call.
    let n = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Accepts one connection. Its socket is non-blocking and closed on exec.
pub(super) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).expected_or_default();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the storage is as long as `len` says, and both outlive the call.
    let accepted = unsafe { libc::accept4(fd.as_raw_fd(), storage.as_mut_ptr().cast(), &raw mut len, flags) };
    if accepted < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    let accepted = unsafe { OwnedFd::from_raw_fd(accepted) };
    // SAFETY: zeroed bytes are a valid sockaddr_storage, whatever the kernel wrote over them.
    let storage = unsafe { storage.assume_init() };
    let peer = address(&storage);
    // A dual-stack listener sees IPv4 clients as mapped addresses.
    Ok((accepted, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
}

/// The address in a storage. For a family that is not IP, which no listener here has, 0.0.0.0:0.
fn address(storage: &libc::sockaddr_storage) -> SocketAddr {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address it is, and the storage is aligned and long enough for all.
            let v4: &libc::sockaddr_in = unsafe { &*(&raw const *storage).cast() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into()
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6: &libc::sockaddr_in6 = unsafe { &*(&raw const *storage).cast() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into()
        }
        _ => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    }
}

/// Bytes in a socket's send queue that the peer has not acknowledged.
pub(super) fn unacknowledged(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int, to a live, exclusive one.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) } {
        0 => Ok(usize::try_from(bytes).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes that the peer of a TCP connection has acknowledged since it began.
pub(super) fn acknowledged(fd: BorrowedFd<'_>) -> io::Result<u64> {
    /// `tcpi_bytes_acked` of `struct tcp_info` (linux/tcp.h), in words of 8 bytes. Kernels only ever append fields.
    const BYTES_ACKED: usize = 15;
    let mut info = [0_u64; BYTES_ACKED + 1];
    let mut size = libc::socklen_t::try_from(size_of_val(&info)).expected_or_default();
    // SAFETY: the kernel writes at most `size` bytes, which is the size of the live, exclusive array.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut size)
    };
    match result {
        0 => Ok(info[BYTES_ACKED]),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes in a socket's receive queue.
pub(super) fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int, to a live, exclusive one.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) } {
        0 => Ok(usize::try_from(bytes).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets bind() take an address without a port, which connect() then chooses.
pub(super) fn choose_port_at_connect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let (on, size) = (1 as libc::c_int, libc::socklen_t::try_from(size_of::<libc::c_int>()).expected_or_default());
    let option = libc::IP_BIND_ADDRESS_NO_PORT;
    // SAFETY: the option is an int, and the pointer is to a live one.
    match unsafe { libc::setsockopt(fd.as_raw_fd(), libc::IPPROTO_IP, option, (&raw const on).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Opens a counter that other threads can add to, and that a ring can poll.
pub(super) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointer is involved.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds one to a counter.
pub(super) fn add_to_counter(fd: BorrowedFd<'_>) -> io::Result<()> {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the pointer and length are those of a live array.
    match unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) } {
        8 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads a counter and sets it to zero.
pub(super) fn read_counter(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count = [0; 8];
    // SAFETY: the pointer and length are those of a live, exclusive array.
    match unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) } {
        8 => Ok(u64::from_ne_bytes(count)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Nanoseconds of the monotonic clock.
pub(super) fn monotonic_nanos() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live, exclusive timespec.
    // The call cannot fail: the clock exists on every kernel, and is never below zero.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let (seconds, nanos) = (u64::try_from(now.tv_sec).expected_or(0), u64::try_from(now.tv_nsec).expected_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The limits on one of the process's resources: soft and hard.
pub(super) fn limit(resource: libc::__rlimit_resource_t) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live, exclusive rlimit.
    match unsafe { libc::getrlimit(resource, &raw mut limit) } {
        0 => Ok((limit.rlim_cur, limit.rlim_max)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets the soft limit on one of the process's resources.
pub(super) fn set_soft_limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a live rlimit.
    match unsafe { libc::setrlimit(resource, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The kernel's release, as `uname -r` prints it.
pub(super) fn kernel_release() -> io::Result<String> {
    let mut name = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the pointer is to live, exclusive memory of the right size.
    if unsafe { libc::uname(name.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid utsname, whatever the kernel wrote over them.
    let name = unsafe { name.assume_init() };
    let bytes = name.release.iter().map(|c| c.to_ne_bytes()).take_while(|c| *c != [0]).flatten().collect();
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The CPUs that this process may run on, in order.
pub(super) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the pointer is to live, exclusive memory of the size given.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid cpu_set_t, whatever the kernel wrote over them.
    let set = unsafe { set.assume_init() };
    let all = 0..usize::try_from(libc::CPU_SETSIZE).expected_or_default();
    // SAFETY: the index is below CPU_SETSIZE.
    Ok(all.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

/// Restricts this thread, and the threads that it starts, to these CPUs, at least one.
pub(super) fn run_on(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: zeroed bytes are a valid cpu_set_t.
    let mut set = unsafe { MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init() };
    let most = usize::try_from(libc::CPU_SETSIZE).expected_or_default();
    for cpu in cpus.iter().filter(|cpu| **cpu < most) {
        // SAFETY: the index is below CPU_SETSIZE.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the pointer is to live memory of the size given, and only read.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel for slices of this length for the calling thread. From Linux 6.12 on, a thread that wakes runs
/// before those with longer slices. Its share of the CPU, its policy and its nice value stay the same. A thread with a
/// real-time policy is left alone.
pub(super) fn ask_for_slices_of(time: Duration) -> io::Result<()> {
    let mut attributes = MaybeUninit::<libc::sched_attr>::zeroed();
    let size = u32::try_from(size_of::<libc::sched_attr>()).expected_or_default();
    // SAFETY: the pointer is to live, exclusive memory of the size given; 0 is this thread.
    if unsafe { libc::syscall(libc::SYS_sched_getattr, 0, attributes.as_mut_ptr(), size, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid sched_attr, whatever the kernel wrote over them.
    let mut attributes = unsafe { attributes.assume_init() };
    if !matches!(libc::c_int::try_from(attributes.sched_policy), Ok(libc::SCHED_OTHER | libc::SCHED_BATCH)) {
        return Ok(());
    }
    attributes.sched_runtime = u64::try_from(time.as_nanos()).expected_or(u64::MAX);
    // SAFETY: the pointer is to live memory of the size that stands in it, and only read.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets the nice value of this thread, and of the threads that it starts, to that of the process's first thread and so much
/// more, up to 19. A thread that is started by a nicer one inherits its value, and does not become nicer than that.
pub(super) fn be_nicer_than_the_process(by: i32) -> io::Result<()> {
    let nice = nice_of(std::process::id());
    // SAFETY: no pointer is involved.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, THIS_THREAD, nice.saturating_add(by)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The id by which a thread names itself.
pub(super) const THIS_THREAD: libc::id_t = 0;

/// The nice value of a thread of this process, which must exist. The process's id is that of its first thread.
pub(super) fn nice_of(thread: libc::id_t) -> i32 {
    // SAFETY: no pointer is involved. -1 is a valid nice value.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, thread) }
}

/// Keeps the kernel from backing this process's memory with huge pages.
pub(super) fn disable_huge_pages() -> io::Result<()> {
    // SAFETY: no pointer is involved.
    match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
