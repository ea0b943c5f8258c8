//! A shard in the test's own process, on a ring and sockets of its own: for values that a test gives a shard itself, such as a
//! table of keys. Its route is served in plain text and with TLS.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ringway::command::config::{ListenerTls, ShardConfig};
use ringway::command::view::ConnectionView;
use ringway::command::{Command, ConnectionQuery, KeyChange, Reply};
use ringway::engine::host::Shards;
use ringway::engine::listener::{self, Inlet};
use ringway::engine::plan::{Plan, Wait};
use ringway::engine::preflight;
use ringway::engine::socket_options::SocketOptions;
use ringway::proto::certificate_names::CertificateNames;
use ringway::proto::head::HeadLimits;
use ringway::proto::via::ChainKey;
use ringway::proxy::admission::Admission;
use ringway::proxy::journal::{self, JournalReader, Kept};
use ringway::proxy::record::Record;
use ringway::proxy::service::Proxy;
use ringway::routing::addresses::AddressCell;
use ringway::routing::consumers::{KeyTable, Revoked};
use ringway::routing::entry::EntryRules;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::{Endpoint, Gate, Route, RouteId, Service};
use ringway::routing::settings::Settings;
use ringway::routing::snapshot::Builder;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::peer::Wire;
use super::pki::{Authority, Pair};
use super::site::NAME;
use super::wait::PATIENCE;
use super::{Came, Peer, Upstream, client, secure};

pub(crate) type AnyWire = Box<dyn Wire + Send>;

impl Wire for AnyWire {
    fn socket(&self) -> &TcpStream {
        (**self).socket()
    }
}

/// A client in plain text or with TLS.
pub(crate) type AnyPeer = Peer<AnyWire>;

/// The way in which a client speaks to the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Plain,
    Tls,
}

pub(crate) const BOTH: [Speaks; 2] = [Speaks::Plain, Speaks::Tls];

pub(crate) struct TestShard {
    shards: Shards<Command>,
    ended: Receiver<()>,
    records: JournalReader,
    read: std::cell::RefCell<Vec<Record>>,
    plain: SocketAddr,
    tls: SocketAddr,
    authority: Authority,
    pub(crate) upstream: Upstream,
    keys_number: std::cell::Cell<u64>,
}

/// The choices of a test.
pub(crate) struct Options {
    pub(crate) entry: EntryRules,
    pub(crate) keys: Option<KeyTable>,
    pub(crate) service: Service,
    pub(crate) max_invalid_credentials: Option<u32>,
    pub(crate) trusted_proxies: &'static [&'static str],
}

impl TestShard {
    pub(crate) fn start(options: Options) -> Self {
        let (authority, upstream) = (Authority::new(), Upstream::listen());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = [(); 2].map(|()| listener::bind(any, 1, SocketOptions::default()).unwrap());
        let [plain, tls] = [bound[0].0, bound[1].0];
        let inlets = bound.into_iter().flat_map(|(_, fds)| fds).map(|fd| Inlet { fd, refusal: b"" }).collect();
        let cpu = preflight::check().unwrap().cpus[0];
        let plan =
            Plan { cpus: vec![cpu], ring_completions: None, wait: Wait::Sleep, sockets: SocketOptions::default() };
        let (source, records) = journal::channel(Kept::All);
        let config = config(options, &upstream, &authority);
        let admission = Arc::new(Admission::new(1000, None));
        let (sender, ended) = channel();
        let service = move |_, _| Proxy::new(config, admission, source);
        let shards = Shards::start(&plan, vec![inlets], service, move |result| {
            result.unwrap();
            let _ = sender.send(());
        })
        .unwrap();
        let (read, keys_number) = Default::default();
        Self { shards, ended, records, read, plain, tls, authority, upstream, keys_number }
    }

    /// A client of the listener, without a certificate.
    #[track_caller]
    pub(crate) fn connect(&self, speaks: Speaks) -> AnyPeer {
        match speaks {
            Speaks::Plain => Peer::new(Box::new(Peer::connect(self.plain).stream) as AnyWire),
            Speaks::Tls => self.connect_tls(None),
        }
    }

    /// A client with TLS, which shows a certificate or none.
    #[track_caller]
    pub(crate) fn connect_tls(&self, shown: Option<&Pair>) -> AnyPeer {
        let config = match shown {
            Some(shown) => secure::client_config_with(&self.authority, shown),
            None => secure::client_config(&self.authority),
        };
        Peer::new(Box::new(secure::connect(self.tls, NAME, config).stream))
    }

    pub(crate) fn certificate(&self, name: &str) -> Pair {
        self.authority.client(name)
    }

    /// The whole answer to a handshake that is refused.
    #[track_caller]
    pub(crate) fn refused(&self, speaks: Speaks, target: &str, lines: &str) -> Came {
        let mut peer = self.connect(speaks);
        peer.send(client::handshake(target, lines).as_bytes());
        peer.all(PATIENCE)
    }

    /// Opens a connection: the client, the upstream, the upstream's request and the client's answer.
    #[track_caller]
    pub(crate) fn open(&self, speaks: Speaks, target: &str, lines: &str) -> Open {
        self.open_over(self.connect(speaks), target, lines, "")
    }

    #[track_caller]
    pub(crate) fn open_over(&self, mut client: AnyPeer, target: &str, lines: &str, answered: &str) -> Open {
        client.send(client::handshake(target, lines).as_bytes());
        let mut server = self.upstream.accept();
        let request = server.head();
        server.switch(&request, answered);
        let answer = client.head();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Open { client, server, request, answer }
    }

    /// Gives the shard another table, and waits until it has it.
    pub(crate) fn change_keys(&self, keys: Option<KeyTable>, revoked: Revoked) {
        let number = self.keys_number.get() + 1;
        self.keys_number.set(number);
        let (keys, revoked) = (keys.map(Arc::new), Arc::new(revoked));
        self.ask(|done| Command::Keys(Box::new(KeyChange { keys, number, revoked, done })));
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionView> {
        let query = ConnectionQuery { limit: 100, ..ConnectionQuery::default() };
        self.ask(|reply| Command::List(query, reply)).connections
    }

    fn ask<T: Send + 'static>(&self, command: impl FnOnce(Reply<T>) -> Command) -> T {
        let (sender, receiver) = channel();
        let reply = Reply::new(move |answer| drop(sender.send(answer)));
        self.shards.senders()[0].send(command(reply)).unwrap();
        receiver.recv_timeout(PATIENCE).unwrap()
    }

    /// The record of the connection that ended as the `nth`.
    #[track_caller]
    pub(crate) fn record(&self, nth: usize) -> Record {
        loop {
            if let Some(record) = self.read.borrow().get(nth) {
                return record.clone();
            }
            let batch = self.records.batches.recv_timeout(PATIENCE).expect("a record comes");
            self.read.borrow_mut().extend(batch);
        }
    }
}

impl Drop for TestShard {
    /// The shard must end by itself, with all that it holds.
    fn drop(&mut self) {
        let _ = self.shards.senders()[0].send(Command::Drain);
        let ended = self.ended.recv_timeout(PATIENCE);
        assert!(ended.is_ok() || std::thread::panicking(), "the shard did not end");
    }
}

/// An open connection.
pub(crate) struct Open {
    pub(crate) client: AnyPeer,
    pub(crate) server: Peer,
    pub(crate) request: String,
    pub(crate) answer: String,
}

impl Open {
    /// A message passes in each direction.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) {
        self.client.say("up");
        self.server.hears("up");
        self.server.answer("down");
        self.client.hears("down");
    }

    /// Both sides are sent a close frame: the client's code and reason are these, the upstream's code is 1001.
    #[track_caller]
    pub(crate) fn ends_with(mut self, code: u16, reason: &str) {
        assert_eq!(self.client.close(), (Some(code), reason.to_owned()));
        assert_eq!(self.server.close(), (Some(1001), reason.to_owned()));
    }
}

fn config(options: Options, upstream: &Upstream, authority: &Authority) -> ShardConfig {
    let long = Duration::from_secs(60);
    let timeouts = Timeouts {
        handshake: long,
        connect: long,
        idle: None,
        ping_interval: None,
        upstream_ping_interval: None,
        pong: long,
        close: Duration::from_secs(2),
    };
    let policy = Arc::new(Policy {
        frames: ringway::proto::scan::FrameLimits { max_frame_bytes: 1 << 20, max_message_bytes: 1 << 20 },
        timeouts,
        abnormal_close_code: None,
        drain_window: Duration::ZERO,
        tolerance: Default::default(),
        validation: Default::default(),
    });
    let settings = Settings {
        head: HeadLimits { max_bytes: 16 * 1024, max_lines: 100 },
        policy: Arc::clone(&policy),
        trusted_proxies: options.trusted_proxies.iter().map(|network| network.parse().unwrap()).collect(),
        proxy_protocol: Vec::new(),
        strict_sni_host: false,
        max_invalid_credentials: options.max_invalid_credentials,
        plain: Default::default(),
    };
    let entry = Some(Arc::new(options.entry));
    let mut builder = Builder::new(1, 2);
    for listener in 0..2 {
        let url = format!("ws://{}/up", upstream.address());
        let cell = Arc::new(AddressCell::fixed(upstream.address()));
        let endpoint = Endpoint::new(&url, url.parse().unwrap(), None, cell);
        let route = Route {
            id: RouteId(listener.into()),
            listener,
            gate: Gate::Open,
            service: options.service,
            endpoints: if options.service == Service::Relay { [endpoint].into() } else { Box::default() },
            entry: entry.clone(),
            ..Route::echo(Arc::clone(&policy))
        };
        let site = builder.site(listener, &[]).unwrap();
        builder.add_everything(site, Arc::new(route)).unwrap();
    }
    let (settings, snapshot) = (Arc::new(settings), Arc::new(builder.build()));
    let names = Arc::new(CertificateNames::default());
    let tls = ListenerTls { config: server_config(authority), names };
    ShardConfig {
        settings,
        snapshot,
        keys: options.keys.map(Arc::new),
        tls: vec![None, Some(tls)],
        upstream_tls: Vec::new(),
        chain: ChainKey::new([7; 16]),
    }
}

/// A configuration that asks clients for a certificate, and takes those without one.
fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let pair = authority.server(&[NAME]);
    let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), secure::provider());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config = ServerConfig::builder_with_provider(secure::provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier);
    Arc::new(config.with_single_cert(pair.chain(), pair.private_key()).unwrap())
}
