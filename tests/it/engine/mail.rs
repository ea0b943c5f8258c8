//! Mail between the shards of a process, over real rings. The services here are the first that send any.

use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ringway::engine::host::Shards;
use ringway::engine::listener::{self, Inlet};
use ringway::engine::mailbox::{Peers, Unsent};
use ringway::engine::plan::{Plan, Wait};
use ringway::engine::socket_options::SocketOptions;
use ringway::engine::{Next, Service, Slot, Socket, Time, Transport, preflight};

const PATIENCE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(1);

/// Commands from the tests to a shard.
#[derive(Debug)]
enum Order {
    /// Send so many numbers to the other shard, and end once as many have come from there.
    Exchange(u64),
    /// Send so many mails to itself, and each of them again whenever it arrives.
    Circulate(u64),
    /// End.
    End,
}

/// Reports from a shard to the tests.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    /// All mail of an exchange has come, in order. The shard has entered its ring so often.
    Exchanged {
        enters: u64,
    },
    Accepted,
    Ended,
}

struct Correspondent {
    shard: usize,
    peers: Peers<u64>,
    reports: Sender<Report>,
    /// How many numbers to send, how many are sent, and how many have come.
    exchange: u64,
    sent: u64,
    came: u64,
    circulates: bool,
    retry_at: Option<Time>,
    ended: bool,
}

impl Correspondent {
    fn send_what_there_is_room_for(&mut self, now: Time) {
        self.retry_at = None;
        while self.sent < self.exchange {
            match self.peers.send(1 - self.shard, self.sent) {
                Ok(()) => self.sent += 1,
                Err(Unsent::Full(_)) => {
                    self.retry_at = Some(now.after(RETRY));
                    return;
                }
                Err(Unsent::Gone(_)) => panic!("the other shard ends only when all has come"),
            }
        }
    }

    fn end_if_all_is_done<T: Transport>(&mut self, net: &T) {
        if self.exchange > 0 && self.sent == self.exchange && self.came == self.exchange && !self.ended {
            self.ended = true;
            self.reports.send(Report::Exchanged { enters: net.figures().enters }).unwrap();
        }
    }
}

impl Service for Correspondent {
    type Command = Order;
    type Mail = u64;

    fn accept<T: Transport>(&mut self, _: &mut T, _: Socket, _: SocketAddr, _: u16) -> Option<Slot> {
        self.reports.send(Report::Accepted).unwrap();
        None
    }

    fn step<T: Transport>(&mut self, _: &mut T, _: Slot) -> Next {
        Next::Done
    }

    fn command<T: Transport>(&mut self, net: &mut T, order: Order) {
        match order {
            Order::Exchange(count) => {
                self.exchange = count;
                self.send_what_there_is_room_for(net.now());
                self.end_if_all_is_done(net);
            }
            Order::Circulate(count) => {
                self.circulates = true;
                (0..count).for_each(|number| self.peers.send(self.shard, number).unwrap());
            }
            Order::End => {
                self.ended = true;
                self.reports.send(Report::Ended).unwrap();
            }
        }
    }

    fn mail<T: Transport>(&mut self, net: &mut T, number: u64) {
        if self.circulates {
            self.peers.send(self.shard, number).unwrap();
            return;
        }
        assert_eq!(number, self.came, "out of order, lost, or twice");
        self.came += 1;
        self.end_if_all_is_done(net);
    }

    fn next_housekeeping(&self) -> Option<Time> {
        self.retry_at
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        self.send_what_there_is_room_for(net.now());
        self.end_if_all_is_done(net);
    }

    fn is_accepting(&self) -> bool {
        !self.ended
    }

    fn is_finished(&self) -> bool {
        self.ended
    }
}

fn shards(count: usize, listeners: Vec<Vec<Inlet>>) -> (Shards<Order>, Receiver<Report>) {
    let host = preflight::check().unwrap();
    let cpus = host.cpus.iter().copied().cycle().take(count).collect();
    let plan = Plan { cpus, ring_completions: None, wait: Wait::Sleep, sockets: SocketOptions::default() };
    let (reports, reported) = channel();
    let service = move |shard, peers| Correspondent {
        shard,
        peers,
        reports,
        exchange: 0,
        sent: 0,
        came: 0,
        circulates: false,
        retry_at: None,
        ended: false,
    };
    let shards = Shards::start(&plan, listeners, service, |result| result.unwrap()).unwrap();
    (shards, reported)
}

#[test]
fn two_shards_exchange_more_mail_than_fits_and_none_is_lost() {
    const COUNT: u64 = 200_000;
    let (shards, reports) = shards(2, iter::repeat_with(Vec::new).take(2).collect());
    for sender in shards.senders() {
        sender.send(Order::Exchange(COUNT)).unwrap();
    }
    for _ in 0..2 {
        let Report::Exchanged { enters } = reports.recv_timeout(PATIENCE).unwrap() else { panic!("no exchange") };
        assert!(enters < COUNT, "{enters} enters for {COUNT} mails");
    }
}

#[test]
fn mail_without_end_keeps_a_shard_neither_from_its_clients_nor_from_its_commands() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (address, listeners) = listener::bind(any, 1, SocketOptions::default()).unwrap();
    let listeners = listeners.into_iter().map(|fd| vec![Inlet { fd, refusal: b"" }]).collect();
    let (shards, reports) = shards(1, listeners);
    let [shard] = shards.senders() else { panic!("one shard") };
    shard.send(Order::Circulate(1000)).unwrap();
    let _client = TcpStream::connect(address).unwrap();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Report::Accepted));
    shard.send(Order::End).unwrap();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Report::Ended));
}
