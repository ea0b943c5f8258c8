//! docs/configuration.md against the program: every option, its default, and what a reload does with it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::super::File;
use super::super::reload::Difference;
use super::{file, names, read, shipped, with_everything};

/// The rows of the tables of options in docs/configuration.md: the option, its default, and whether it needs a restart.
fn documented() -> Vec<(String, String, bool)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let reload = cells[4];
        assert!(["at once", "restart"].contains(&reload), "{line}");
        (cells[0].trim_matches('`').to_owned(), cells[1].trim_matches('`').to_owned(), reload == "restart")
    })
    .collect()
}

#[test]
fn the_documentation_has_every_option_with_its_default() {
    let whole = read(&with_everything(&shipped("ringway.toml"))).shown();
    let mut options = BTreeSet::new();
    let mut first = whole.clone();
    first["environments"].as_array_mut().unwrap().truncate(1);
    names(&first, "", &mut options);
    let documented = documented();
    let named: BTreeSet<String> = documented.iter().map(|(option, ..)| option.clone()).collect();
    assert_eq!((named.len(), &named), (documented.len(), &options));
    let shown = File::read(None).unwrap().configuration().unwrap().shown();
    for (option, default, _) in &documented {
        let at = |path: &str| path.split('.').fold(&shown, |value, key| &value[key]).clone();
        let is = match option.strip_prefix("environments[].") {
            // They are not the same in every environment, or another's.
            Some("name" | "external.listen" | "internal.listen") => Value::Null,
            Some(path)
                if ["limits.", "validation.", "auth.", "origins"].iter().any(|own| path.starts_with(own))
                    || path.contains("[]") =>
            {
                Value::Null
            }
            Some(path) => path.split('.').fold(&shown["environments"][0], |value, key| &value[key]).clone(),
            None => at(option),
        };
        let is = if is.is_null() { "-".to_owned() } else { is.to_string() };
        assert_eq!(*default, is, "{option}");
    }
}

#[test]
fn a_reload_changes_what_the_documentation_says_and_names_the_rest() {
    let running = read(&shipped("ringway.toml"));
    // Every option has another value than without a file.
    let text = with_everything(&shipped("ringway.toml"));
    let changed: String = text
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((name, value)) if !name.contains(' ') => format!("{name} = {}\n", another(name, value)),
            _ => format!("{line}\n"),
        })
        .collect();
    let reload = file(&changed).reload(&running).unwrap_or_else(|faults| panic!("{faults}\n{changed}"));
    let options = |differences: &[Difference]| -> BTreeSet<String> {
        let own = differences.iter().filter(|it| !it.option.starts_with("environments.production"));
        own.map(|it| it.option.replace("environments.development", "environments[]")).collect()
    };
    let (changed, kept) = (options(&reload.changed), options(&reload.kept));
    let of = |is_restart: bool| -> BTreeSet<String> {
        let rows = documented()
            .into_iter()
            .filter(|(option, _, restart)| *restart == is_restart && option != "environments[].name");
        rows.map(|(option, ..)| {
            let option = option.replace("tls[].cert", "tls").replace("tls[].key", "tls");
            option.replace("environments[].variables", "environments[].variables.BACKEND")
        })
        .collect()
    };
    assert_eq!(kept, of(true));
    // Beside `ca` it would have no effect, so it is looked at by itself.
    let alone = "environments[].upstream_tls.insecure_skip_verify";
    assert_eq!(of(false).difference(&changed).collect::<Vec<_>>(), [alone]);
    let text = "[[environments]]\nname = \"development\"\nupstream_tls.insecure_skip_verify = true\n[[environments]]\nname = \"production\"";
    let reload = file(text).reload(&running).unwrap();
    assert_eq!(options(&reload.changed), [alone.to_owned()].into());
}

/// Another value of the same kind, right for the option.
fn another(name: &str, value: &str) -> String {
    let key = name.rsplit('.').next().unwrap();
    match key {
        "cpus" => "\"0\"".to_owned(),
        "trusted_proxies" | "proxy_protocol" => "[\"10.0.0.1\"]".to_owned(),
        "resolver" => "[\"10.0.0.53\"]".to_owned(),
        "allow_url_import" => "[\"a.test:8443\", \"10.0.0.0/8\"]".to_owned(),
        "allowed_hosts" | "hosts" => "[\"a.test\"]".to_owned(),
        "listen" => value.replace(":9600", ":9700").replace(":809", ":909").replace(":808", ":908"),
        "format" => "\"json\"".to_owned(),
        "level" => "\"debug\"".to_owned(),
        "preserve_host" | "strict_sni_host" => "true".to_owned(),
        "abnormal_close_code" => "1012".to_owned(),
        "upstream_ping_interval_ms" => "7000".to_owned(),
        "client_sends" | "client_receives" => "\"report\"".to_owned(),
        "unlisted_paths" => "\"pass\"".to_owned(),
        "mode" => "\"key\"".to_owned(),
        "credentials_in" => "[\"query\"]".to_owned(),
        "key_header" | "key_query" | "key_cookie" => "\"other\"".to_owned(),
        "forward_identity" => "true".to_owned(),
        "origins" => "[\"https://other.test\"]".to_owned(),
        "on_violation" | "over_limit" => "\"close\"".to_owned(),
        "drain_window_ms" => "4000".to_owned(),
        "max_head_bytes" => "8192".to_owned(),
        "max_head_lines" => "50".to_owned(),
        "max_connections_per_address" => "9".to_owned(),
        key if key.ends_with("_buffer_bytes") => "65536".to_owned(),
        "BACKEND" => "\"10.0.0.6:9000\"".to_owned(),
        "ca" => "[\"tls/other.pem\"]".to_owned(),
        "insecure_skip_verify" | "name" => value.to_owned(),
        _ => match value.replace('_', "").parse::<u64>() {
            Ok(number) => (number + 1).to_string(),
            Err(_) => value.to_owned(),
        },
    }
}
