//! Runs the plan: each figure, each round, each peer, one after another. Every run has a newly started proxy and a
//! generator of its own, and no other process of the benchmark runs meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::downstream::{AUTHORITY, Certificate, Downstream};
use super::peer::{Installed, Peer, Places, Presence, Role};
use super::plan::Figure;
use super::process::{Launch, Running, Scratch, Trouble, free_port};
use super::result::{FigureRecord, Run};
use crate::report::model::Report;

/// The longest time that a peer may take to start.
const START: Duration = Duration::from_secs(15);
/// The longest time that the generator may take beyond its window: thousands of connections, late answers, the report.
const SLACK: Duration = Duration::from_secs(60);

/// Parameters of all runs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The generator: this program.
    pub generator: PathBuf,
    /// The number of rounds of each figure.
    pub rounds: u32,
    /// The measured window.
    pub duration: Duration,
    /// The CPU of the proxy.
    pub cpu: usize,
    /// The CPUs of the load.
    pub load_cpus: String,
    /// The number of files that a process may have open.
    pub files: u64,
    /// The certificate of the peers, with TLS.
    pub certificate: Option<Arc<Certificate>>,
}

impl Setup {
    /// The connection between the generator and the peers.
    pub fn downstream(&self) -> Downstream {
        if self.certificate.is_some() { Downstream::Tls } else { Downstream::Plain }
    }
}

/// A peer, and whether it can be started here.
pub type Contender = (&'static Peer, Presence);

/// The record of a figure, with the peers that are included, and the reasons for those that are not.
pub fn record(figure: &Figure, peers: &[Contender], downstream: Downstream, duration: Duration) -> FigureRecord {
    let mut record = FigureRecord::from(figure);
    record.arguments = figure.load.arguments(downstream, duration);
    for (peer, presence) in peers.iter().filter(|(_, presence)| !matches!(presence, Presence::LeftOut(_))) {
        let here = !matches!(presence, Presence::Missing(_));
        match (peer.role, figure.load.fans_out()) {
            (Role::RelaysOnly(reason), true) => drop(record.instead.insert(peer.id.to_owned(), reason.to_owned())),
            (Role::Relays | Role::RelaysOnly(_), false) | (Role::FansOut, true) if here => {
                record.takes_part.push(peer.id.to_owned());
            }
            (Role::Absent, _) if figure.load.has_direct() => record.takes_part.push(peer.id.to_owned()),
            _ => {}
        }
    }
    record
}

/// Makes all runs, and passes on each as it is done. Ends early when `stop` is set; earlier results are kept.
pub fn all(
    setup: &Setup,
    figures: &[(Figure, FigureRecord)],
    peers: &[Contender],
    stop: &AtomicBool,
    mut done: impl FnMut(Run),
) {
    for (figure, record) in figures {
        for round in 1..=setup.rounds {
            for (peer, presence) in peers.iter().filter(|(peer, _)| record.takes_part.iter().any(|id| id == peer.id)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                match one(setup, figure, peer, presence, stop) {
                    Ok(report) => done(Run::measured(figure, setup.downstream(), peer.id, round, report)),
                    Err(Trouble::Failed(why)) => done(Run::failed(figure, peer.id, round, why)),
                    Err(Trouble::Interrupted) => return,
                }
            }
        }
    }
}

fn one(setup: &Setup, figure: &Figure, peer: &Peer, presence: &Presence, stop: &AtomicBool) -> Result<Report, Trouble> {
    let scratch = Scratch::new().map_err(Trouble::Failed)?;
    if let Some(certificate) = &setup.certificate {
        certificate.write(scratch.path()).map_err(Trouble::Failed)?;
    }
    let upstream = free_port().map_err(Trouble::Failed)?;
    let (listen, proxy) = match presence {
        Presence::NotNeeded => (upstream, None),
        Presence::Missing(what) => return Err(Trouble::Failed(format!("{what} was not found"))),
        Presence::LeftOut(why) => return Err(Trouble::Failed((*why).to_owned())),
        Presence::Found(installed) => {
            let (listen, proxy) = start(setup, peer, installed, upstream, scratch.path(), stop)?;
            (listen, Some(proxy))
        }
    };
    let file = scratch.path().join("report.json");
    let downstream = setup.downstream();
    let mut arguments = figure.load.arguments(downstream, setup.duration);
    arguments.extend(connection(figure, downstream, listen, upstream));
    if downstream == Downstream::Tls {
        arguments.extend(["--tls-ca".to_owned(), scratch.path().join(AUTHORITY).display().to_string()]);
    }
    arguments.extend(["--cpus".to_owned(), setup.load_cpus.clone()]);
    if let Some(proxy) = &proxy {
        arguments.extend(["--pid".to_owned(), proxy.pid().to_string()]);
    }
    arguments.extend(["--json".to_owned(), file.display().to_string(), "--no-progress".to_owned()]);
    let report = generate(setup, arguments, &file, scratch.path(), stop);
    // A generator often fails because the proxy has ended: then the proxy's output is the reason.
    match (report, proxy) {
        (Err(Trouble::Failed(why)), Some(proxy)) => match proxy.output() {
            said if said.is_empty() => Err(Trouble::Failed(why)),
            said => Err(Trouble::Failed(format!("{why}; {} said: {said}", peer.id))),
        },
        (report, _) => report,
    }
}

/// Starts a peer on a free port, and waits until it can be used. With TLS, the folder contains the certificate.
///
/// # Errors
/// Fails with the peer's output if it does not start.
pub fn start(
    setup: &Setup,
    peer: &Peer,
    installed: &Installed,
    upstream: u16,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<(u16, Running), Trouble> {
    let listen = free_port().map_err(Trouble::Failed)?;
    let places = Places {
        listen,
        upstream,
        cpu: setup.cpu,
        files: setup.files,
        folder: folder.to_owned(),
        downstream: setup.downstream(),
    };
    let launch = peer.prepare(installed, &places).map_err(Trouble::Failed)?;
    let mut running = Running::start(&launch)?;
    running.wait_listening(listen, START, stop)?;
    if peer.routes_late {
        let tls =
            setup.certificate.as_ref().map(|_| Certificate::client(folder)).transpose().map_err(Trouble::Failed)?;
        running.wait_routed(listen, tls.as_ref(), START, stop)?;
    }
    Ok((listen, running))
}

/// The generator's options that name its target.
fn connection(figure: &Figure, downstream: Downstream, listen: u16, upstream: u16) -> Vec<String> {
    let scheme = downstream.scheme();
    if figure.load.fans_out() {
        vec![
            "--url".to_owned(),
            format!("{scheme}://127.0.0.1:{listen}/sub"),
            "--publish-url".to_owned(),
            format!("http://127.0.0.1:{listen}/pub"),
            "--publish".to_owned(),
            "post".to_owned(),
        ]
    } else {
        vec![
            "--url".to_owned(),
            format!("{scheme}://127.0.0.1:{listen}/chat"),
            "--upstream".to_owned(),
            format!("127.0.0.1:{upstream}"),
        ]
    }
}

fn generate(
    setup: &Setup,
    arguments: Vec<String>,
    file: &Path,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<Report, Trouble> {
    let mut generator = Running::start(&Launch {
        name: "the generator".to_owned(),
        program: setup.generator.clone(),
        arguments,
        environment: Vec::new(),
        cpus: setup.load_cpus.clone(),
        log: folder.join("generator.log"),
    })?;
    let within = setup.duration + SLACK;
    let status = generator.wait_ended(within, stop)?;
    // A run that failed a check exits non-zero and still writes a report, which says more than the exit status.
    let text = fs::read_to_string(file).unwrap_or_default();
    match (serde_json::from_str::<Report>(&text), status) {
        (Ok(report), _) => Ok(report),
        (Err(_), None) => Err(Trouble::Failed(format!("too slow: not done after {within:?}"))),
        (Err(_), Some(_)) if text.is_empty() => {
            let said = generator.output();
            let said = if said.is_empty() { "it said nothing" } else { &said };
            Err(Trouble::Failed(format!("no report: {said}")))
        }
        (Err(error), Some(_)) => Err(Trouble::Failed(format!("the report cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::{self, PEERS};
    use super::super::plan::{Extent, figures};
    use super::*;

    fn setup(generator: &Path) -> Setup {
        Setup {
            generator: generator.to_owned(),
            rounds: 2,
            duration: Duration::from_millis(10),
            cpu: 0,
            load_cpus: "0".to_owned(),
            files: 20_000,
            certificate: None,
        }
    }

    fn direct() -> Vec<Contender> {
        PEERS.iter().filter(|peer| peer.id == peer::DIRECT).map(|peer| (peer, Presence::NotNeeded)).collect()
    }

    fn script(scratch: &Scratch, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = scratch.path().join("generator");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    fn failures(text: &str, stop: &AtomicBool) -> Vec<Option<String>> {
        let scratch = Scratch::new().expect("a folder");
        let setup = setup(&script(&scratch, text));
        let peers = direct();
        let figure = figures(Downstream::Plain, Extent::Quick, 20_000).remove(0);
        let record = record(&figure, &peers, Downstream::Plain, setup.duration);
        let mut failures = Vec::new();
        all(&setup, &[(figure, record)], &peers, stop, |run| failures.push(run.failure));
        failures
    }

    #[test]
    fn a_generator_without_a_report_gives_its_last_words_and_the_others_go_on() {
        let why = Some("no report: connections refused".to_owned());
        assert_eq!(failures("echo connections refused >&2; exit 1", &AtomicBool::new(false)), [why.clone(), why]);
    }

    #[test]
    fn a_report_that_is_none_is_refused_and_not_believed() {
        let script = r#"while [ "$1" != --json ]; do shift; done; echo '{"format":1}' > "$2""#;
        let failures = failures(script, &AtomicBool::new(false));
        let why = failures.first().and_then(Clone::clone).unwrap_or_default();
        assert!(why.starts_with("the report cannot be read: missing field"), "{why}");
    }

    #[test]
    fn nothing_is_started_any_more_when_we_are_to_stop() {
        assert!(failures("exit 0", &AtomicBool::new(true)).is_empty());
    }

    #[test]
    fn each_figure_has_the_peers_that_can_do_it() {
        let here = Presence::Found(Installed::named("/bin/x"));
        let missing = Presence::Missing("envoy".to_owned());
        let peers: Vec<Contender> = PEERS
            .iter()
            .map(|peer| match peer.id {
                peer::DIRECT => (peer, Presence::NotNeeded),
                "envoy" => (peer, missing.clone()),
                _ => (peer, here.clone()),
            })
            .collect();
        let parts = |id: &str| {
            let all = figures(Downstream::Plain, Extent::Whole, 20_000);
            let figure = all.into_iter().find(|figure| figure.id == id).expect("it is planned");
            record(&figure, &peers, Downstream::Plain, Duration::from_secs(1))
        };
        let relays = ["ringway", "nginx", "nginx-64k", "haproxy", "haproxy-64k", "traefik"];
        assert_eq!(parts("idle").takes_part, relays);
        assert_eq!(parts("echo-64").takes_part.first().map(String::as_str), Some("direct"));
        assert_eq!(parts("fanout-20").takes_part, ["nchan"]);
        assert_eq!(parts("fanout-20").instead.get("ringway").map(String::as_str), Some("does not broadcast yet"));
    }
}
