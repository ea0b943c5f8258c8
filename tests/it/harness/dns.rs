//! A DNS server whose answers are the test's: UDP and TCP, messages put together byte by byte (RFC 1035 section 4).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const A: u16 = 1;
const AAAA: u16 = 28;
/// The most bytes of a datagram; the proxy asks for a longer answer again over TCP.
const MAX_DATAGRAM: usize = 512;

/// The server's reaction to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    /// The server does not answer.
    Silent,
    /// With this code (RFC 1035 section 4.1.1).
    Fails(u8),
    /// Questions for A alone fail, with SERVFAIL.
    FailsForIpv4,
    /// The right number, then noise.
    Garbage,
    /// The server has ended.
    Down,
}

#[derive(Debug)]
struct Zone {
    records: HashMap<String, Vec<IpAddr>>,
    mood: Mood,
    ttl: u32,
    asked: Vec<String>,
    over_tcp: usize,
}

/// Binds one port for UDP and TCP. A port that is free for UDP may be taken for TCP: then another one is tried.
fn bind(wanted: SocketAddr) -> (UdpSocket, TcpListener, SocketAddr) {
    for _ in 0..100 {
        let udp = UdpSocket::bind(wanted).unwrap();
        let address = udp.local_addr().unwrap();
        match TcpListener::bind(address) {
            Ok(tcp) => return (udp, tcp, address),
            Err(error) => assert!(wanted.port() == 0, "{address}: {error}"),
        }
    }
    panic!("no port is free for both");
}

pub(crate) struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl Dns {
    pub(crate) fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The server lives as long as the process, or until it is told to be down.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let (udp, tcp, address) = bind(address);
        let zone = Zone { records: HashMap::new(), mood: Mood::Answers, ttl: 1, asked: Vec::new(), over_tcp: 0 };
        let zone = Arc::new(Mutex::new(zone));
        let (by_udp, by_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        thread::spawn(move || serve_udp(&udp, &by_udp));
        thread::spawn(move || serve_tcp(&tcp, &by_tcp));
        Self { address, zone }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the name has these addresses, written one after the other; none of a family is an empty answer.
    pub(crate) fn says(&self, name: &str, addresses: &str) {
        let addresses = addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
        self.zone.lock().unwrap().records.insert(name.to_owned(), addresses);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.zone.lock().unwrap().records.remove(name);
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.zone.lock().unwrap().mood = mood;
    }

    /// Sets the TTL of the answers, in seconds.
    pub(crate) fn ttl(&self, seconds: u32) {
        self.zone.lock().unwrap().ttl = seconds;
    }

    /// The names that were asked for so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.zone.lock().unwrap().asked.clone()
    }

    /// How many questions came over TCP.
    pub(crate) fn over_tcp(&self) -> usize {
        self.zone.lock().unwrap().over_tcp
    }
}

fn serve_udp(socket: &UdpSocket, zone: &Mutex<Zone>) {
    let mut buffer = [0; 4096];
    while let Ok((n, from)) = socket.recv_from(&mut buffer) {
        let mut zone = zone.lock().unwrap();
        if zone.mood == Mood::Down {
            return;
        }
        if let Some(answer) = zone.answer(&buffer[..n], MAX_DATAGRAM) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, zone: &Mutex<Zone>) {
    while let Ok((mut stream, _)) = listener.accept() {
        if zone.lock().unwrap().mood == Mood::Down {
            return;
        }
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        let mut zone = zone.lock().unwrap();
        zone.over_tcp += 1;
        if stream.read_exact(&mut question).is_ok()
            && let Some(answer) = zone.answer(&question, usize::from(u16::MAX))
        {
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&length[..], &answer].concat());
        }
    }
}

impl Zone {
    fn answer(&mut self, question: &[u8], max: usize) -> Option<Vec<u8>> {
        let (name, end) = name_at(question, 12)?;
        let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
        self.asked.push(name.clone());
        let asked = &question[12..end + 4];
        let found = self.records.get(&name);
        let code = match self.mood {
            Mood::Silent | Mood::Down => return None,
            Mood::Garbage => return Some([&question[..2], &[0xFF; 40]].concat()),
            Mood::Fails(code) => code,
            Mood::FailsForIpv4 if kind == A => 2,
            Mood::Answers | Mood::FailsForIpv4 if found.is_none() => 3,
            Mood::Answers | Mood::FailsForIpv4 => 0,
        };
        let records: Vec<&IpAddr> = if code == 0 {
            found?.iter().filter(|address| kind == if address.is_ipv4() { A } else { AAAA }).collect()
        } else {
            Vec::new()
        };
        let mut out = message(question, asked, code, &records, self.ttl);
        if out.len() > max {
            out = message(question, asked, code, &[], self.ttl);
            // Truncated.
            out[2] |= 0x02;
        }
        Some(out)
    }
}

fn message(question: &[u8], asked: &[u8], code: u8, records: &[&IpAddr], ttl: u32) -> Vec<u8> {
    let mut out = question[..2].to_vec();
    // A response, recursion desired and available.
    out.extend([0x81, 0x80 | code, 0, 1]);
    out.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    out.extend([0; 4]);
    out.extend(asked);
    for record in records {
        let (kind, data) = match record {
            IpAddr::V4(address) => (A, address.octets().to_vec()),
            IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
        };
        // The name is the question's.
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    out
}

/// An uncompressed name without its last dot, and where it ends.
fn name_at(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
}
