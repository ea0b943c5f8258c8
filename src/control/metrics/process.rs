//! Figures of this process, from `/proc/self`.

use std::fs;

/// Zero where the kernel does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) resident_bytes: u64,
    pub(super) start_seconds: f64,
}

/// Clock ticks a second in what `/proc` says: 100 on every Linux.
const TICKS: f64 = 100.0;
/// Bytes of a kibibyte, in which `/proc` counts memory.
const KIB: u64 = 1024;

impl Process {
    pub(super) fn read() -> Self {
        let stat = read("/proc/self/stat");
        // Behind the command's name, which may hold anything; the third field is the first there.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |field: usize| {
            let place = field.checked_sub(3)?;
            fields.get(place)?.parse::<f64>().ok()
        };
        let seconds = |field| ticks(field).unwrap_or(0.0) / TICKS;
        let boot = number_after(&read("/proc/stat"), "btime").unwrap_or(0);
        // Seconds since 1970 fit in what an f64 holds exactly.
        #[allow(clippy::cast_precision_loss)]
        let boot = boot as f64;
        Self {
            cpu_seconds: seconds(14) + seconds(15),
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, |entries| u64::try_from(entries.count()).unwrap_or(0)),
            max_fds: number_after(&read("/proc/self/limits"), "Max open files").unwrap_or(0),
            resident_bytes: number_after(&read("/proc/self/status"), "VmRSS:").unwrap_or(0).saturating_mul(KIB),
            start_seconds: boot + seconds(22),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The number behind what a line begins with.
fn number_after(text: &str, start: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(start)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn the_kernel_says_all_of_it() {
        let process = Process::read();
        assert!(process.open_fds > 2 && process.open_fds <= process.max_fds, "{process:?}");
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(process.start_seconds > now - 7200.0 && process.start_seconds < now + 2.0, "{process:?}");
        assert!(process.cpu_seconds >= 0.0 && process.cpu_seconds < 7200.0, "{process:?}");
    }
}
