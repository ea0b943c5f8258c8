//! The CPU time that control groups grant the process: the quota that containers, systemd (`CPUQuota=`) and Kubernetes
//! (`limits.cpu`) set. Control groups of versions 1 and 2 are known, also on a host that has both.

use std::fs;
use std::path::{Path, PathBuf};

/// The most bytes of a file that is read: a host with thousands of mounts has fewer.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A share of the host's CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Microseconds of CPU time in each period.
    quota_us: u64,
    /// The period in microseconds, more than 0.
    period_us: u64,
}

impl Quota {
    /// The CPUs that use the quota up: its share rounded up, at least 1.
    pub(super) fn cpus(self) -> usize {
        usize::try_from(self.quota_us.div_ceil(self.period_us)).unwrap_or(usize::MAX).max(1)
    }

    fn is_less_than(self, other: Self) -> bool {
        // No product of two u64 is too long for a u128.
        let share = |of: Self, period_us: u64| u128::from(of.quota_us).saturating_mul(u128::from(period_us));
        share(self, other.period_us) < share(other, self.period_us)
    }
}

/// The least quota of the process's control groups and of those around them; `None` without one. `root` is `/`.
///
/// A file that is missing or has another form counts as no quota: a host without control groups has none.
pub(super) fn cpu_quota(root: &Path) -> Option<Quota> {
    let groups = read(&root.join("proc/self/cgroup"))?;
    let mounts = read(&root.join("proc/self/mountinfo"))?;
    let mut least: Option<Quota> = None;
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(group) = groups.lines().find_map(|line| mount.group(line)) else { continue };
        for folder in mount.folders(root, group) {
            let Some(quota) = mount.version.quota(&folder) else { continue };
            if least.is_none_or(|least| quota.is_less_than(least)) {
                least = Some(quota);
            }
        }
    }
    least
}

/// A version of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The quota that a group's folder names.
    fn quota(self, folder: &Path) -> Option<Quota> {
        let (quota_us, period_us) = match self {
            Self::One => (read(&folder.join("cpu.cfs_quota_us"))?, read(&folder.join("cpu.cfs_period_us"))?),
            Self::Two => {
                let text = read(&folder.join("cpu.max"))?;
                let (quota_us, period_us) = text.trim().split_once(' ')?;
                (quota_us.to_owned(), period_us.to_owned())
            }
        };
        // Without a quota there is `-1` in its place, or `max`.
        let quota_us = quota_us.trim().parse().ok().filter(|quota_us| *quota_us > 0)?;
        let period_us = period_us.trim().parse().ok().filter(|period_us| *period_us > 0)?;
        Some(Quota { quota_us, period_us })
    }
}

/// A mounted hierarchy of control groups that may have a quota of CPU time.
struct Mount<'t> {
    version: Version,
    /// The group that the folder shows.
    shown: &'t str,
    /// The folder, as an absolute path.
    folder: &'t str,
}

impl<'t> Mount<'t> {
    /// Reads a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)); `None` for every other file system.
    fn parse(line: &'t str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (shown, folder) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == "cpu") => Version::One,
            _ => return None,
        };
        Some(Self { version, shown, folder })
    }

    /// The group of the process, if this line of `/proc/self/cgroup` (cgroups(7)) is about this hierarchy.
    fn group(&self, line: &'t str) -> Option<&'t str> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let is_this = match self.version {
            Version::One => controllers.split(',').any(|controller| controller == "cpu"),
            Version::Two => number == "0" && controllers.is_empty(),
        };
        is_this.then_some(group)
    }

    /// The folders of a group and of those around it, as far as the mount shows them. In a container the mount may show
    /// the container's group alone, while the group's name still begins at the host's root.
    fn folders(&self, root: &Path, group: &str) -> Vec<PathBuf> {
        let top = root.join(self.folder.trim_start_matches('/'));
        let below = Path::new(group).strip_prefix(self.shown).unwrap_or(Path::new(""));
        below.ancestors().map(|below| top.join(below)).collect()
    }
}

/// The text of a small file; `None` if it cannot be read.
fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::cpu_quota;

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "35 23 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      36 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    /// The CPUs of a process in these groups, where `files` are below `/sys/fs/cgroup`.
    fn cpus(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<usize> {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", groups);
        write("proc/self/mountinfo", mounts);
        files.iter().for_each(|(path, text)| write(&format!("sys/fs/cgroup/{path}"), text));
        cpu_quota(root.path()).map(super::Quota::cpus)
    }

    #[test]
    fn c3_a_quota_of_version_2_is_rounded_up_to_whole_cpus() {
        for (max, expected) in [
            ("50000 100000\n", Some(1)),
            ("100000 100000\n", Some(1)),
            ("100001 100000\n", Some(2)),
            ("150000 100000", Some(2)),
            ("max 100000\n", None),
            ("0 100000\n", None),
            ("100000 0\n", None),
            ("-5 100000\n", None),
            ("nonsense\n", None),
            ("", None),
            ("18446744073709551615 1\n", Some(usize::MAX)),
        ] {
            assert_eq!(cpus("0::/a/b\n", V2, &[("a/b/cpu.max", max)]), expected, "{max:?}");
        }
    }

    #[test]
    fn c3_a_quota_of_version_1_is_minus_1_where_there_is_none() {
        let groups = "4:cpu,cpuacct:/a\n3:memory:/a\n0::/\n";
        for (quota, expected) in [("50000\n", Some(1)), ("250000\n", Some(3)), ("-1\n", None)] {
            let files = [("cpu,cpuacct/a/cpu.cfs_quota_us", quota), ("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")];
            assert_eq!(cpus(groups, V1, &files), expected, "{quota:?}");
        }
    }

    #[test]
    fn c3_the_least_quota_around_the_process_counts() {
        let files = [("a/b/cpu.max", "400000 100000\n"), ("a/cpu.max", "150000 50000\n"), ("cpu.max", "max 100000\n")];
        assert_eq!(cpus("0::/a/b\n", V2, &files), Some(3));
        // A host with both versions.
        let both = format!("{V1}37 23 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let files = [
            ("unified/x/cpu.max", "200000 100000\n"),
            ("cpu,cpuacct/y/cpu.cfs_quota_us", "70000\n"),
            ("cpu,cpuacct/y/cpu.cfs_period_us", "50000\n"),
        ];
        assert_eq!(cpus("4:cpu,cpuacct:/y\n0::/x\n", &both, &files), Some(2));
    }

    #[test]
    fn c3_a_container_sees_its_own_group_at_the_mount() {
        let mounts = "30 23 0:26 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        let files = [("cpu/cpu.cfs_quota_us", "50000"), ("cpu/cpu.cfs_period_us", "100000")];
        for group in ["/docker/1f", "/another/root"] {
            assert_eq!(cpus(&format!("1:cpu:{group}\n"), mounts, &files), Some(1), "{group}");
        }
        assert_eq!(cpus("0::/\n", V2, &[("cpu.max", "50000 100000")]), Some(1));
    }

    #[test]
    fn c3_without_control_groups_there_is_no_quota() {
        assert_eq!(cpu_quota(Path::new("/nonexistent")), None);
        assert_eq!(cpus("", "", &[]), None);
        assert_eq!(cpus("0::/a\n::\nx\n", "1 2 - \nnonsense\n1 2 3 4 5 - cgroup2\n", &[]), None);
    }
}
