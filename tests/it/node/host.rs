//! The limits that the host sets for the process: its CPUs, CPU time, locked memory and file descriptors.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::node::{Home, USUAL};
use crate::harness::process::{PROGRAM, run};
use crate::harness::until;

/// Starts `ringway echo` by another program: what it announces, or its exit code and its log.
fn echo_under(wrapper: &[&str], options: &[&str]) -> Result<String, (Option<i32>, String)> {
    let mut child = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .args([PROGRAM, "echo", "--listen", "127.0.0.1:0"])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut announced = String::new();
    while !announced.contains("deadlines: ") {
        if stdout.read_line(&mut announced).unwrap() == 0 {
            let output = child.wait_with_output().unwrap();
            return Err((output.status.code(), String::from_utf8(output.stderr).unwrap()));
        }
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    announced.push_str(&String::from_utf8(output.stderr).unwrap());
    Ok(announced)
}

/// The number of shards that an announcement names.
fn shards(announced: &str) -> usize {
    let line = announced.lines().find_map(|line| line.trim().strip_prefix("shards: ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

/// True if this process, and those that it starts, have CAP_SYS_RESOURCE.
fn may_raise_limits() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(effective.trim(), 16).unwrap() & (1 << 24) != 0
}

#[test]
fn c3_locked_memory_is_asked_for_once_and_not_for_each_shard() {
    let announced = echo_under(&["prlimit", "--memlock=524288:524288"], &[]).unwrap();
    assert!(shards(&announced) >= 1 && !announced.contains("memory"), "{announced}");
    // The soft limit alone is too low: the process may raise it.
    echo_under(&["prlimit", "--memlock=4096:524288"], &[]).unwrap();
    // Who has CAP_SYS_RESOURCE may raise the hard limit as well.
    match echo_under(&["prlimit", "--memlock=65536:65536"], &[]) {
        Ok(_) => assert!(may_raise_limits()),
        Err((code, log)) => {
            assert!(!may_raise_limits() && code == Some(1), "{log}");
            assert!(log.contains("65536 bytes; 524288 are needed") && log.contains("CAP_IPC_LOCK"), "{log}");
        }
    }
}

/// A control group with a share of the CPUs; removed when it is dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where the host lets nobody make one.
    fn new(quota_us: u32) -> Option<Self> {
        let name = format!("ringway-test-{}", std::process::id());
        let (one, two) = (Path::new("/sys/fs/cgroup/cpu").join(&name), Path::new("/sys/fs/cgroup").join(&name));
        for (folder, file, text) in
            [(one, "cpu.cfs_quota_us", format!("{quota_us}")), (two, "cpu.max", format!("{quota_us} 100000"))]
        {
            if fs::create_dir(&folder).is_ok() {
                let group = Self(folder);
                if fs::write(group.0.join(file), text).is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let folder = self.0.clone();
        until("the control group is removed", || fs::remove_dir(&folder).is_ok().then_some(()));
    }
}

#[test]
fn c3_half_a_cpu_is_one_shard() {
    // Without the right to make a control group the unit tests of src/engine/cgroup.rs stand alone.
    let Some(group) = Group::new(50_000) else { return };
    let enter = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", group.0.display());
    let announced = echo_under(&["sh", "-c", &enter, "sh"], &[]).unwrap();
    assert_eq!(shards(&announced), 1, "{announced}");
    // The operator's own choice counts.
    let all = echo_under(&["env"], &[]).unwrap();
    let cpus = all.split_once("(CPU ").unwrap().1.split_once(')').unwrap().0.replace(", ", ",");
    let asked = echo_under(&["sh", "-c", &enter, "sh"], &["--cpus", &cpus]).unwrap();
    assert!(shards(&asked) == shards(&all) && !asked.contains("quota"), "{asked}");
}

#[test]
fn c10_a_cpu_that_the_process_may_not_use_is_told_with_its_place() {
    let text = format!("# A comment.\ncpus = \"0-99\"\n{USUAL}");
    let home = Home::new(&text);
    let path = home.configuration().display().to_string();
    let (code, _, checked) = run(&["config", "check", "--config", &path]);
    assert_eq!(code, 3, "{checked}");
    assert!(checked.contains(&format!("{path}:2:8: cpus: names CPU ")), "{checked}");
    let (code, log) = home.try_start().err().unwrap();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains(&format!("{path}:2:8: cpus: names CPU ")) && !log.contains("--cpus"), "{log}");
    // Beside another fault both are told.
    home.configure(&format!("{text}upstream_tls.ca = [\"none.pem\"]\n"));
    let (_, _, both) = run(&["config", "check", "--config", &path]);
    assert!(both.contains("cpus: names CPU ") && both.contains("none.pem"), "{both}");
}

#[test]
fn c10_a_reload_refuses_what_the_next_start_could_not_use() {
    let home = Home::new(&format!("cpus = \"0\"{USUAL}"));
    let node = home.start();
    home.configure(&format!("cpus = \"0-99\"\npreserve_host = true{USUAL}"));
    node.signal(libc::SIGHUP);
    let line = node.logged("is not reloaded: the old one stays");
    assert!(line.contains("cpus: names CPU "), "{line}");
    // CPUs that the shards leave free, and that the control plane was moved to, are no surprise to it.
    home.configure(&format!("cpus = \"0\"\npreserve_host = true{USUAL}"));
    node.signal(libc::SIGHUP);
    node.logged("the configuration is reloaded");
}

#[test]
fn c13_few_file_descriptors_are_warned_of_with_the_remedy() {
    let home = Home::new(USUAL);
    let node =
        home.try_start_under(&["prlimit", "--nofile=100:100"], &[]).unwrap_or_else(|failed| panic!("{failed:?}"));
    let line = node.logged("allows few connections");
    assert!(line.contains("WARN") && line.contains("ulimit") && line.contains("LimitNOFILE"), "{line}");
    node.stop();
    let node = home.start();
    node.admin.get("/health").expect(200);
    assert!(!node.log().contains("allows few connections"), "{}", node.log());
}
