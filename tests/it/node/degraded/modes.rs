//! A state directory whose files others have got rights to, and a token that is kept elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{home, is_well, lived_in, serves};
use crate::harness::node::{Home, USUAL};

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
