//! `ringway config`: what it says of files, and that a node takes the same ones.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::node::Home;
use crate::harness::process::run;

fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name).display().to_string()
}

/// A file with these contents, for as long as its folder is kept.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringway.toml");
    fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

/// Two mistakes of two kinds, in three lines.
const WRONG: &str = "cpus = \"3-1\"\n[limits]\nidle = 5\n";

#[test]
fn the_shipped_files_are_right() {
    for name in ["ringway.toml", "minimal.toml"] {
        let (code, out, errors) = run(&["config", "check", "--config", &shipped(name)]);
        assert_eq!((code, out.as_str(), errors.as_str()), (0, "ok: 2 environments on 4 listeners\n", ""), "{name}");
    }
    assert_eq!(run(&["config", "check"]).0, 0);
}

#[test]
fn the_file_may_be_named_without_the_option() {
    let minimal = shipped("minimal.toml");
    assert_eq!(run(&["config", "check", &minimal]), run(&["config", "check", "--config", &minimal]));
    assert_eq!(run(&["config", "show", &minimal]), run(&["config", "show", "--config", &minimal]));
    let (_folder, path) = file(WRONG);
    assert_eq!(run(&["config", "check", &path]).0, 3);
    let (code, _, errors) = run(&["config", "check", &minimal, "--config", &minimal]);
    assert!(code == 2 && errors.contains("cannot be used with"), "{code} {errors}");
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let (_folder, path) = file(WRONG);
    let (code, out, errors) = run(&["config", "check", "--config", &path]);
    assert_eq!((code, out.as_str()), (3, ""));
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines[0], format!("ringway: {path}:1:8: cpus: the range `3-1` runs backwards"));
    assert!(lines[1].starts_with(&format!("{path}:3:1: limits.idle: unknown field `idle`: ")), "{errors}");
    assert_eq!(lines.len(), 2);

    let (code, out, errors) = run(&["config", "check", "--config", &path, "-o", "json"]);
    assert_eq!((code, errors.as_str()), (3, ""));
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(verdict["file"], path);
    let places: Vec<_> =
        verdict["faults"].as_array().unwrap().iter().map(|it| (&it["line"], &it["column"], &it["option"])).collect();
    assert_eq!(
        format!("{places:?}"),
        r#"[(Number(1), Number(8), String("cpus")), (Number(3), Number(1), String("limits.idle"))]"#
    );

    let (code, out, _) = run(&["config", "check", "--config", &shipped("minimal.toml"), "-o", "json"]);
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, verdict["faults"].as_array().unwrap().len()), (0, 0));
}

#[test]
fn a_file_that_is_named_and_not_there_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringway.toml").display().to_string();
    for arguments in [["config", "check"], ["config", "show"]] {
        let (code, _, errors) = run(&[&arguments[..], &["--config", &path]].concat());
        assert_eq!((code, errors.contains("it cannot be read: No such file")), (3, true), "{errors}");
    }
}

#[test]
fn the_files_that_it_names_are_looked_at_too() {
    let text =
        "[[environments]]\nname = \"production\"\nexternal.tls = [{ cert = \"none.pem\", key = \"none.key\" }]\n";
    let (folder, path) = file(text);
    let (code, _, errors) = run(&["config", "check", "--config", &path]);
    let cert = folder.path().join("none.pem").display().to_string();
    let says = format!("{path}:3:16: environments[0].external.tls: cert {cert}: there is no such file");
    assert_eq!((code, errors.trim()), (3, format!("ringway: {says}").as_str()));
    // Nothing of them is shown, so it can be shown without them.
    assert_eq!(run(&["config", "show", "--config", &path]).0, 0);
}

#[test]
fn what_is_shown_has_defaults_and_no_secret() {
    let (_folder, path) = file(
        "limits.idle_timeout_ms = \"5m\"\n[[environments]]\nname = \"production\"\nvariables = { TOKEN = \"hunter2\" }\n",
    );
    for format in ["json", "yaml", "table"] {
        let (code, out, _) = run(&["config", "show", "--config", &path, "-o", format]);
        assert_eq!(code, 0);
        assert!(out.contains("TOKEN") && !out.contains("hunter2"), "{out}");
        assert!(out.contains("127.0.0.1:8090") && out.contains("300000"), "{out}");
    }
    let (_, out, _) = run(&["config", "show", "--config", &path, "-o", "json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["environments"][0]["limits"]["idle_timeout_ms"], 300_000);
    assert_eq!(shown["limits"]["max_message_bytes"], 64 << 20);
}

#[test]
fn what_is_wrong_ends_a_start_before_it_leaves_anything() {
    let home = Home::new("");
    fs::write(home.configuration(), WRONG).unwrap();
    let (code, log) = home.try_start().map(|_| ()).unwrap_err();
    assert_eq!(code, Some(3));
    assert!(log.contains(":1:8: cpus: ") && log.contains(":3:1: limits.idle: "), "{log}");
    assert!(!home.state().exists());
}
