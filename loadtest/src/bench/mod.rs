//! `ringway-load bench`: measures Ringway and other proxies in turn on one CPU, and writes a report.
//!
//! [`plan`] defines the measurements and [`peer`] the proxies; [`mod@run`] starts proxies and generators as
//! [`process`]es and collects [`result`]s; [`summary`] computes medians and ratios, in a [`table`] for each figure, and
//! [`publish`] and [`page`] write the folder for readers. The benchmark measures nothing itself: each number comes from
//! a report of the generator, which runs as a child process.

pub mod args;
pub mod downstream;
pub mod page;
pub mod peer;
pub mod plan;
pub mod process;
pub mod publish;
pub mod result;
pub mod run;
pub mod summary;
pub mod table;
mod wording;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use args::BenchArgs;
use downstream::{Certificate, Downstream};
use peer::{PEERS, Peer, Presence};
use plan::Figure;
use result::{Config, FigureRecord, How, PeerRecord, Results, Run};
use run::{Contender, Setup};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Runs the benchmark. If a signal ends it early, the results up to then are written and the exit code is 1. The exit
/// code is also 1 if no run gave a number.
///
/// # Errors
/// Fails with a sentence for the user if the benchmark cannot start, or if its report cannot be written.
pub fn run(args: &BenchArgs) -> Result<ExitCode, String> {
    if args::in_cpu_list(&args.load_cpus, args.cpu)? {
        return Err(format!("--load-cpus {}: CPU {} is the proxy's; give the load another", args.load_cpus, args.cpu));
    }
    let files = crate::proc::open_files_limit().unwrap_or(1 << 20);
    let peers = contenders(args)?;
    let figures = planned(args, files, &peers)?;
    let Some(out) = args.out.as_deref().filter(|_| !args.dry_run) else {
        show(&peers, &figures, args);
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(out).map_err(|error| format!("--out {}: {error}", out.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGQUIT, SIGHUP] {
        // A user who starts this with nohup wants it to continue without the terminal.
        if signal == SIGHUP && ignores_hangup(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()) {
            continue;
        }
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| format!("signals: {error}"))?;
    }
    let setup = Setup {
        generator: std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?,
        rounds: args.effective_rounds(),
        duration: args.effective_duration(),
        cpu: args.cpu,
        load_cpus: args.load_cpus.clone(),
        files,
        certificate: args.tls.then(Certificate::new).transpose()?.map(Arc::new),
    };
    let mut results = begun(args, &setup, &peers, &figures);
    let total: usize = figures.iter().map(|(_, record)| record.takes_part.len()).sum::<usize>() * setup.rounds as usize;
    run::all(&setup, &figures, &peers, &stop, |run| {
        told(&run, results.runs.len() + 1, total);
        results.runs.push(run);
    });
    results.interrupted = stop.load(Ordering::Relaxed);
    let first = results.runs.iter().find_map(|run| run.report.as_ref());
    results.measured_at = first.map(|report| report.measured_at.clone()).unwrap_or_default();
    results.tables = summary::tables(&results.figures, &results.peers, &results.runs);
    publish::write(&results, out)?;
    say(format_args!("{}", out.join("README.md").display()));
    let measured = results.runs.iter().any(|run| !run.values.is_empty());
    Ok(if measured && !results.interrupted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns `true` if a process's status says that it ignores SIGHUP, the first bit of the mask.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn contenders(args: &BenchArgs) -> Result<Vec<Contender>, String> {
    known("--peers", &args.peers, PEERS.iter().map(|peer| peer.id))?;
    let before = args.before.as_deref().map(|command| before(command, args)).transpose()?;
    let wanted = PEERS.iter().filter(|peer| args.peers.is_empty() || args.peers.iter().any(|id| id == peer.id));
    let beside = beside();
    let exact = args.ringway.as_deref().or(beside.as_deref());
    let found = |peer: &'static Peer| {
        let exact = exact.filter(|_| peer.id == table::OURS);
        (peer, peer::find(peer, args.downstream(), exact, &args.peer_path))
    };
    let mut contenders: Vec<Contender> = wanted.map(found).collect();
    if let Some(before) = before {
        let ours = contenders.iter().position(|(peer, _)| peer.id == table::OURS);
        let ours = ours.ok_or("--before compares with ringway, which --peers leaves out")?;
        contenders.insert(ours + 1, before);
    }
    Ok(contenders)
}

/// The build that `--before` names, with the options that follow its path.
fn before(command: &str, args: &BenchArgs) -> Result<Contender, String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("--before: the path of a program is missing")?;
    match peer::find(peer::BEFORE, args.downstream(), Some(Path::new(program)), &[]) {
        Presence::Found(mut installed) => {
            installed.more = words.map(str::to_owned).collect();
            Ok((peer::BEFORE, Presence::Found(installed)))
        }
        _ => Err(format!("--before {program}: there is no such program")),
    }
}

/// The ringway program that was built together with this one.
fn beside() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(table::OURS);
    path.is_file().then_some(path)
}

fn planned(args: &BenchArgs, files: u64, peers: &[Contender]) -> Result<Vec<(Figure, FigureRecord)>, String> {
    let downstream = args.downstream();
    let all = plan::figures(downstream, args.extent(), files);
    known("--only", &args.only, all.iter().map(|figure| figure.id))?;
    let wanted = all.into_iter().filter(|figure| args.only.is_empty() || args.only.iter().any(|id| id == figure.id));
    let duration = args.effective_duration();
    Ok(wanted.map(|figure| (figure.clone(), run::record(&figure, peers, downstream, duration))).collect())
}

fn known<'a>(option: &str, asked: &[String], names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let names: Vec<_> = names.collect();
    match asked.iter().find(|asked| !names.contains(&asked.as_str())) {
        Some(unknown) => Err(format!("{option} {unknown}: there is no such one; there are {}", names.join(", "))),
        None => Ok(()),
    }
}

/// The results before the first run.
fn begun(args: &BenchArgs, setup: &Setup, peers: &[Contender], figures: &[(Figure, FigureRecord)]) -> Results {
    Results {
        format: result::FORMAT,
        tool: concat!("ringway-load ", env!("CARGO_PKG_VERSION")).to_owned(),
        measured_at: String::new(),
        machine: crate::proc::machine(),
        how: How {
            rounds: setup.rounds,
            duration_ms: u64::try_from(setup.duration.as_millis()).unwrap_or(u64::MAX),
            cpu: setup.cpu,
            load_cpus: setup.load_cpus.clone(),
            quick: args.quick,
            files: setup.files,
            tls: setup.downstream().terms(),
        },
        peers: peers.iter().map(|contender| peer_record(contender, setup.downstream())).collect(),
        figures: figures.iter().map(|(_, record)| record.clone()).collect(),
        runs: Vec::new(),
        interrupted: false,
        tables: Vec::new(),
    }
}

fn peer_record((peer, presence): &Contender, downstream: Downstream) -> PeerRecord {
    let (version, missing) = match presence {
        Presence::NotNeeded | Presence::LeftOut(_) => (None, None),
        Presence::Found(installed) => (Some(installed.version.clone()), None),
        Presence::Missing(what) => (None, Some(file_name(what))),
    };
    let config =
        |template: &peer::Template| Config { name: template.name.to_owned(), text: downstream.lines_of(template.text) };
    let mut command = peer.command(downstream);
    if let Presence::Found(installed) = presence {
        command.extend(installed.more.iter().map(|word| format!(" {word}")));
    }
    let left_out = match presence {
        Presence::LeftOut(why) => Some((*why).to_owned()),
        _ => None,
    };
    PeerRecord {
        id: peer.id.to_owned(),
        title: peer.title.to_owned(),
        version,
        missing,
        left_out,
        install: peer.install.to_owned(),
        command,
        configs: peer.templates.iter().map(config).collect(),
    }
}

/// The last component of a path. Readers of a report have other folders.
fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn show(peers: &[Contender], figures: &[(Figure, FigureRecord)], args: &BenchArgs) {
    let mut text = String::new();
    for (peer, presence) in peers {
        let state = match presence {
            Presence::NotNeeded => "the generator straight to its own upstream".to_owned(),
            Presence::Found(installed) => format!("{} ({})", installed.version, installed.program.display()),
            Presence::Missing(what) => format!("missing: {what}; {}", peer.install),
            Presence::LeftOut(why) => format!("left out: {why}"),
        };
        text.push_str(&format!("{:12} {state}\n", peer.id));
    }
    for (_, record) in figures {
        let who = record.takes_part.join(",");
        text.push_str(&format!("\n{}: {}\n  {}\n  {who}\n", record.id, record.title, record.arguments.join(" ")));
    }
    let runs: usize = figures.iter().map(|(_, record)| record.takes_part.len()).sum();
    let rounds = args.effective_rounds();
    text.push_str(&format!("\n{} runs: {runs} in each of {rounds} rounds\n", runs * rounds as usize));
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn told(run: &Run, number: usize, total: usize) {
    let values = run.values.iter().map(|(name, value)| format!("{name} {value:.2}"));
    let words: Vec<_> = values.chain(run.notes.iter().cloned()).chain(run.failure.clone()).collect();
    let (figure, peer, round) = (&run.figure, &run.peer, run.round);
    say(format_args!("{number}/{total} {figure} round {round} {peer}: {}", words.join(", ")));
}

/// Writes progress to stderr; if nobody reads it, the benchmark continues.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001006\n"));
        assert!(!ignores_hangup(""));
    }
}
