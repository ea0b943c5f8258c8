//! The options of `ringway-load bench`.

use std::path::PathBuf;
use std::time::Duration;

use ringway::config::units;

use super::downstream::Downstream;
use super::plan::Extent;

/// Measure Ringway and the installed proxies in turn on one CPU, and write a report
#[derive(clap::Args, Clone, Debug)]
pub struct BenchArgs {
    /// Folder for README.md, report.html, summary.svg and runs.json; created if missing
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Show what would run, which peers were found and how to install the others; measure nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The ringway to measure; by default the one beside this program, or else the one in PATH
    #[arg(long, value_name = "PATH")]
    pub ringway: Option<PathBuf>,
    /// Another build of Ringway, as `PATH [OPTION]..`: measured in the same rounds as `before` and started like Ringway,
    /// with these options added. Shows what a change did; with the same build, the noise of the measurement
    #[arg(long, value_name = "CMD")]
    pub before: Option<String>,
    /// Every proxy terminates TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256), with a certificate made for the
    /// run; the connection to the upstream stays without TLS
    #[arg(long)]
    pub tls: bool,
    /// Number of measurements of each figure; ratios are taken within a round
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Length of the measurement of a run
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = units::duration)]
    pub duration: Duration,
    /// The CPU of the proxy under test
    #[arg(long, value_name = "CPU", default_value_t = 0)]
    pub cpu: usize,
    /// The CPUs of the load, for example 1 or 1-3,6; the proxy's may not be among them
    #[arg(long, value_name = "LIST", default_value = "1")]
    pub load_cpus: String,
    /// Only these peers, for example ringway,nginx; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Only these figures, by the names that --dry-run shows; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub only: Vec<String>,
    /// One round of one second over fewer connections: shows that everything works, and measures nothing
    #[arg(long)]
    pub quick: bool,
    /// A folder with peers' programs, searched before PATH; may be repeated
    #[arg(long, value_name = "DIR")]
    pub peer_path: Vec<PathBuf>,
}

impl BenchArgs {
    /// The connection between the generator and the peers: plain or TLS.
    pub fn downstream(&self) -> Downstream {
        if self.tls { Downstream::Tls } else { Downstream::Plain }
    }

    /// The size of the benchmark.
    pub fn extent(&self) -> Extent {
        if self.quick { Extent::Quick } else { Extent::Whole }
    }

    /// The number of rounds that are run.
    pub fn effective_rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// The measured window of each run.
    pub fn effective_duration(&self) -> Duration {
        if self.quick { self.duration.min(Duration::from_secs(1)) } else { self.duration }
    }
}

/// Returns `true` if a CPU is in a list such as `1-3,6`.
///
/// # Errors
/// The fault of the list, in words for the user.
pub(super) fn in_cpu_list(list: &str, cpu: usize) -> Result<bool, String> {
    let wrong = || format!("--load-cpus {list}: write CPUs and ranges, for example 1 or 1-3,6");
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    let mut found = false;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        found |= (first..=last).contains(&cpu);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_found_in_a_list() {
        assert_eq!(in_cpu_list("1", 0), Ok(false));
        assert_eq!(in_cpu_list("1-3,6", 2), Ok(true));
        assert_eq!(in_cpu_list("1-3,6", 6), Ok(true));
        assert_eq!(in_cpu_list("1-3,6", 4), Ok(false));
        for wrong in ["", "x", "3-1", "1,", "-1", "1-"] {
            assert!(in_cpu_list(wrong, 0).is_err(), "{wrong}");
        }
    }
}
