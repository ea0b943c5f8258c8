//! A state directory whose files others have got rights to, and a token that is kept elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{home, is_well, lived_in, serves};
use crate::harness::node::{Home, USUAL};
use crate::harness::process::PROGRAM;

fn mode(home: &Home, name: &str) -> u32 {
    fs::metadata(home.file(name)).unwrap().permissions().mode() & 0o777
}

fn chmod(home: &Home, how: &str) {
    let done = Command::new("chmod").args(["-R", how]).arg(home.state()).status().unwrap();
    assert!(done.success());
}

#[test]
fn c1_a_volume_that_a_group_was_given_is_served_and_its_modes_are_repaired() {
    let home = home();
    let upstream = lived_in(&home);
    for how in ["g+rwX", "a+rwX"] {
        chmod(&home, how);
        let node = home.start();
        serves(&node, &upstream);
        is_well(&node);
        let line = node.logged("they have mode 0600 again");
        assert!(line.contains("admin-token") && line.contains("ringway.db") && line.contains("WARN"), "{line}");
        node.logged("other users may have read the admin token");
        for name in ["admin-token", "ringway.db", "snapshot.json", "lock", "admin.addr"] {
            assert_eq!(mode(&home, name), 0o600, "{how}: {name}");
        }
        node.stop();
    }
    let node = home.start();
    is_well(&node);
    assert!(!node.log().contains("mode 0600 again"), "{}", node.log());
}

#[test]
fn c1_a_token_that_others_may_know_and_that_cannot_be_repaired_opens_nothing() {
    const NOBODY: [&str; 3] = ["setpriv", "--reuid=65534", "--clear-groups"];
    let home = home();
    let upstream = lived_in(&home);
    let done = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let state = home.state().display().to_string();
    let token = home.file("admin-token").display().to_string();
    // Only root can give files to another user, and start a node as one who can reach the program.
    let is_possible = done("chown", &["-R", "65534", &state])
        && done("chown", &["0", &token])
        && done(NOBODY[0], &[&NOBODY[1..], &[PROGRAM, "--version"]].concat());
    if !is_possible {
        return;
    }
    chmod(&home, "u+rwX,go-rwx");
    fs::set_permissions(home.file("admin-token"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(home.state().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let node = home.try_start_under(&NOBODY, &[]).unwrap_or_else(|failed| panic!("{failed:?}"));
    serves(&node, &upstream);
    let line = node.logged("the admin API takes no token");
    assert!(line.contains("ERROR") && line.contains("mode 0644") && !line.contains(node.admin.token()), "{line}");
    node.admin.get("/health").refused(401, "token");
    assert_eq!(mode(&home, "admin-token"), 0o644);
}

#[test]
fn c1_a_token_is_kept_elsewhere() {
    const TOKEN: &str = "an-operators-own-secret-of-32-cc";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let write = |text: &str, mode: u32| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let home = Home::new(USUAL);
    let whole = fs::read_to_string(home.configuration()).unwrap();
    let named = whole.replace("[admin]\n", &format!("[admin]\ntoken_file = {:?}\n", file.display().to_string()));
    fs::write(home.configuration(), named).unwrap();
    let path = home.configuration().display().to_string();

    // What it must not be is told with its place, by the check and by the start.
    let line = format!("{path}:3:14: admin.token_file: ");
    for (text, says) in [(None, "No such file"), (Some("short"), "holds no admin token")] {
        if let Some(text) = text {
            write(text, 0o600);
        }
        let (code, log) = home.try_start().err().unwrap();
        assert!(code == Some(3) && log.contains(&line) && log.contains(says), "{log}");
        let (code, _, log) = crate::harness::process::run(&["config", "check", "--config", &path]);
        assert!(code == 3 && log.contains(&line) && log.contains(says), "{log}");
    }
    // A secret that Kubernetes mounts is for a group.
    write(&format!("{TOKEN}\n"), 0o440);
    let node = home.start();
    assert!(!home.file("admin-token").exists(), "a token was made all the same");
    assert!(!node.log().contains("every user of this host"), "{}", node.log());
    let token = file.display().to_string();
    let (code, out, errors) = home.run(&["env", "list", "--token-file", &token]);
    assert!(code == 0 && out.contains("production"), "{errors}");
    node.stop();
    // What everyone may read is served, with a warning.
    write(&format!("{TOKEN}\n"), 0o444);
    let node = home.start();
    node.logged("every user of this host may read the admin token");
    assert!(!node.log().contains(TOKEN), "the token is in the log");
    node.stop();
}
