//! The options of all scenarios, and the [`Job`] built from them.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ringway::config::units::{self, Cpus};
use ringway::proto::head;
use ringway::routing::target::{self, Target};
use ringway::tls::client::server_name;

use crate::control::{self, Job};
use crate::failure::Failure;
use crate::message::{Form, Format};
use crate::plan::{FRAMES, Lifetime, Place, Plan, Speech, Upstream, loopback_sources};
use crate::report::model::{Scenario, Setting};
use crate::report::threshold::Threshold;
use crate::schedule::Rate;
use crate::sizes::Sizes;
use crate::tls::{Resume, Tls, TlsArgs};

/// The longest time to find out, for one of several addresses, whether something listens there.
const LOOKING: Duration = Duration::from_secs(2);
/// The smallest bound, in bytes, on data waiting on one connection before messages count as unsent.
const MIN_WAITING_BYTES: usize = 1024 * 1024;

/// The options of every scenario.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Common {
    /// The URL to connect to: ws://host[:port]/path?query, or wss:// for TLS
    #[arg(long, value_name = "URL")]
    pub(super) url: String,
    /// Length of the measurement, with its unit: 500ms, 10s, 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) duration: Duration,
    /// The CPUs to run on, one shard each, for example 1 or 2-5; all by default. No other program should use them: with
    /// a rate the generator polls on them without sleeping
    #[arg(long, value_name = "LIST", value_parser = units::cpus)]
    pub(super) cpus: Option<Cpus>,
    /// A header to send with the handshake, as `Name: value`; may be repeated
    #[arg(long, short = 'H', value_name = "HEADER", value_parser = header)]
    pub(super) header: Vec<(String, String)>,
    /// A subprotocol to offer; may be repeated
    #[arg(long, value_name = "NAME", value_parser = subprotocol)]
    pub(super) subprotocol: Vec<String>,
    /// The seed of the random numbers: the same seed sends the same messages in the same order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Spread the opening of connections over this time; by default they open as fast as the target accepts them
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(super) ramp: Option<Duration>,
    /// Deadline for the 101 of a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) timeout: Duration,
    /// Time to wait for answers after the measurement; messages without an answer count as lost
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(super) grace: Duration,
    /// An address of this host to connect from; may be repeated. For targets in 127.0.0.0/8 the generator adds as many
    /// as it needs
    #[arg(long, value_name = "ADDRESS")]
    pub(super) source: Vec<IpAddr>,
    /// Also run the upstream, on this address and the same CPUs: an echo behind the proxy under test, without TLS
    #[arg(long, value_name = "ADDR")]
    pub(super) upstream: Option<SocketAddr>,
    /// The target's process on this host: the report includes the CPU time and memory of it and its children
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<NonZeroU32>,
    /// Sleep between messages even with --cpus, which makes a generator with a rate poll: less CPU, some 10 us more
    /// latency
    #[arg(long)]
    pub(super) sleep: bool,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// End connections with a reset instead of a closing handshake
    #[arg(long, value_name = "HOW", default_value = "handshake")]
    pub(super) close: Closing,
    /// Fail, with exit code 99, if this holds: `p99>5ms`, `errors>0`; may be repeated
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Threshold>,
    /// Write the report as JSON; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write latency second by second, in HdrHistogram's log format
    #[arg(long, value_name = "FILE")]
    pub(super) hlog: Option<PathBuf>,
    /// Write the report as an HTML page
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Do not show progress
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// The way in which connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Closing {
    /// A close frame, and its answer.
    Handshake,
    /// A TCP reset.
    Reset,
}

/// The form of messages.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct MessageArgs {
    /// Bytes of a message: 64, 64..4096 (uniform), zipf:64..65536 (short ones more often); KiB and MiB are units
    #[arg(long, value_name = "SIZE", default_value = "64")]
    pub(super) size: Sizes,
    /// Send text messages instead of binary ones
    #[arg(long)]
    pub(super) text: bool,
}

impl MessageArgs {
    /// The form and the sizes of messages.
    ///
    /// # Errors
    /// A message could be too short for its stamp.
    pub(super) fn checked(&self) -> Result<(Form, Sizes), Failure> {
        let (form, sizes) = (if self.text { Form::Text } else { Form::Binary }, self.size);
        if sizes.min() < form.stamp_len() {
            return Err(Failure::Configuration(format!(
                "--size {sizes} is too small: a message carries a number, a time and a checksum, and needs at least {} bytes, or {} as text",
                Form::Binary.stamp_len(),
                Form::Text.stamp_len()
            )));
        }
        Ok((form, sizes))
    }
}

/// The parts that a scenario adds to [`Common`].
pub(super) struct Extra {
    pub(super) scenario: Scenario,
    pub(super) timed: &'static str,
    pub(super) connections: u64,
    pub(super) warmup: Duration,
    pub(super) messages: Option<MessageArgs>,
    pub(super) rate: Option<Rate>,
    pub(super) polls: bool,
    /// The URL of publishers, if there are any.
    pub(super) publishers: Option<Publishers>,
    /// Settings of this scenario alone.
    pub(super) settings: Vec<(&'static str, String)>,
}

/// Connections to a different target.
pub(super) struct Publishers {
    /// The URL to connect to.
    pub(super) url: String,
    /// The protocol to use.
    pub(super) speech: Speech,
    /// The number of the first such connection.
    pub(super) first: u32,
}

/// Header fields that the handshake sends itself; a second one would contradict it.
const HANDSHAKE: [&str; 7] = [
    "host",
    "upgrade",
    "connection",
    "sec-websocket-version",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// Parses a header.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = units::header(text)?;
    if HANDSHAKE.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!("`{name}` is set by the handshake itself; see --url and --subprotocol"));
    }
    Ok((name, value))
}

/// Parses a subprotocol.
fn subprotocol(text: &str) -> Result<String, String> {
    if !head::is_token(text.as_bytes()) {
        return Err(
            "it must be letters, digits and a few signs, without a space or a comma (RFC 6455 section 4.1)".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// Parses a warm-up: a duration, or none.
pub(super) fn warmup(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s" | "0ms" | "off") { Ok(Duration::ZERO) } else { units::duration(text) }
}

/// Parses a rate: things per second.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of messages a second"))?;
    Rate::per_second(number).ok_or_else(|| "it must be from 0.001 to 1000000000 a second".to_owned())
}

impl Common {
    /// The way in which connections end, as a word.
    pub(super) fn close_word(&self) -> &'static str {
        if self.close == Closing::Reset { "reset" } else { "handshake" }
    }

    /// Builds the job.
    pub(super) fn job(&self, extra: &Extra) -> Result<Job, Failure> {
        let (form, sizes) = match &extra.messages {
            Some(messages) => messages.checked()?,
            None => (Form::Binary, Sizes::Fixed(Form::Binary.stamp_len())),
        };
        let outputs = [("--json", &self.json), ("--hlog", &self.hlog), ("--html", &self.html)];
        let mut printed = outputs.iter().filter(|(_, path)| path.as_deref() == Some(Path::new("-")));
        if let (Some((one, _)), Some((other, _))) = (printed.next(), printed.next()) {
            return Err(Failure::Configuration(format!("{one} and {other} cannot both go to standard output")));
        }
        let cpus = self.cpus.as_ref().map(|Cpus(cpus)| cpus.as_slice());
        let upstream = if self.upstream.is_some() { Upstream::Own } else { Upstream::Other };
        let room = control::room_for(cpus, extra.connections, upstream)?;
        let place = place_of("--url", &self.url, Speech::WebSocket)?;
        let lifetime = if extra.scenario == Scenario::Storm { Lifetime::Short } else { Lifetime::Held };
        let sources = if self.source.is_empty() {
            loopback_sources(place.address, extra.connections, lifetime)
        } else {
            self.source.clone()
        };
        let publishers = extra.publishers.as_ref().map(|publishers| {
            let place = place_of("--publish-url", &publishers.url, publishers.speech)?;
            Ok::<_, Failure>((publishers.first, place))
        });
        let publishers = publishers.transpose()?;
        let tls = self.tls(&place, publishers.as_ref().map(|(_, place)| place))?;
        let plan = Plan {
            place,
            publishers,
            tls,
            max_connections: room.max_connections,
            sources,
            headers: self.header.clone(),
            protocols: self.subprotocol.clone(),
            upstream,
            timeout: self.timeout,
            reset: self.close == Closing::Reset,
            format: Format::new(form, self.seed, sizes.max()),
            sizes,
            frames: FRAMES,
            seed: self.seed,
            max_waiting_bytes: MIN_WAITING_BYTES.max(2 * sizes.max()),
        };
        Ok(Job {
            settings: self.settings(extra),
            scenario: extra.scenario,
            timed: extra.timed,
            plan: Arc::new(plan),
            connections: extra.connections,
            ramp: self.ramp,
            warmup: extra.warmup,
            duration: self.duration,
            grace: self.grace,
            rate: extra.rate,
            cpus: room.cpus,
            // Without CPUs of its own, the generator would poll on CPUs that the target needs.
            polls: extra.polls && self.cpus.is_some() && !self.sleep,
            upstream: self.upstream,
            pid: self.pid.map(NonZeroU32::get),
            progress: !self.no_progress,
            thresholds: self.fail_if.clone(),
        })
    }

    /// The TLS configuration, if any target uses TLS.
    fn tls(&self, place: &Place, publishers: Option<&Place>) -> Result<Option<Tls>, Failure> {
        if place.tls.is_some() || publishers.is_some_and(|place| place.tls.is_some()) {
            return self.tls.load().map(Some).map_err(Failure::Configuration);
        }
        if self.tls != TlsArgs::default() {
            let why = "--tls-ca, --tls-resume, --tls-suite and --tls-group are for wss:// and https:// URLs";
            return Err(Failure::Configuration(why.to_owned()));
        }
        Ok(None)
    }

    /// The run's options for the report. Queries and header values may carry tokens and are left out.
    fn settings(&self, extra: &Extra) -> Vec<Setting> {
        let url = match self.url.split_once('?') {
            Some((url, _)) => format!("{url}?..."),
            None => self.url.clone(),
        };
        let publishers = extra.publishers.as_ref();
        let connections = publishers.map_or(extra.connections, |publishers| u64::from(publishers.first));
        let mut settings = vec![("url", url), ("connections", connections.to_string())];
        settings.extend(extra.settings.iter().cloned());
        if let Some(messages) = &extra.messages {
            settings.push(("size", messages.size.to_string()));
            settings.push(("form", if messages.text { "text" } else { "binary" }.to_owned()));
        }
        settings.push(("duration", units::show_duration(self.duration)));
        settings.push(("warmup", show(extra.warmup)));
        settings.push(("ramp", self.ramp.map_or_else(|| "as fast as they open".to_owned(), units::show_duration)));
        settings.push(("grace", units::show_duration(self.grace)));
        for (name, _) in &self.header {
            settings.push(("header", format!("{name}: ...")));
        }
        for name in &self.subprotocol {
            settings.push(("subprotocol", name.clone()));
        }
        // The name of the file says nothing about its content.
        if self.tls.tls_resume == Resume::Off {
            settings.push(("tls-resume", "off".to_owned()));
        }
        if let Some(upstream) = self.upstream {
            settings.push(("upstream", format!("{upstream}, played by the generator")));
        }
        settings.push(("seed", self.seed.to_string()));
        settings.into_iter().map(|(name, value)| Setting { name: name.to_owned(), value }).collect()
    }
}

fn show(duration: Duration) -> String {
    if duration.is_zero() { "none".to_owned() } else { units::show_duration(duration) }
}

fn place_of(option: &str, url: &str, speech: Speech) -> Result<Place, Failure> {
    // The URL may contain a token, so the error shows only the reason.
    let (target, path) =
        target::client_url(url).map_err(|error| Failure::Configuration(format!("{option}: {error}")))?;
    let name = || server_name(&target.host).map_err(|why| Failure::Configuration(format!("{option}: {why}")));
    let tls = if target.tls { Some(name()?) } else { None };
    let address = address_of(&target)?;
    Ok(Place { target, path, address, speech, tls })
}

/// The first of the target's addresses on which something listens.
fn address_of(target: &Target) -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{target}: {error}"));
    let addresses: Vec<SocketAddr> = (target.host.as_str(), target.port).to_socket_addrs().map_err(failed)?.collect();
    let listens = |address: &&SocketAddr| TcpStream::connect_timeout(address, LOOKING).is_ok();
    match addresses.as_slice() {
        [] => Err(Failure::Failed(format!("{target}: the name has no address"))),
        // The first connection finds out whether something listens there.
        [only] => Ok(*only),
        [first, ..] => Ok(*addresses.iter().find(listens).unwrap_or(first)),
    }
}
