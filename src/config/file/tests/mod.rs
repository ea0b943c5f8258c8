//! Files that are right with the configuration they lead to, and the faults of files that are not.

mod documented;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Configuration, File};
use crate::api::PolicyValues;
use crate::config::limits::{LimitArgs, Limits};
use crate::config::policy_table::{self, PolicyTable};
use crate::config::units::Optional;
use crate::routing::route::UnlistedPaths;
use crate::routing::validation::CheckMode;
use crate::tls::testing::{Authority, Folder};

fn file(text: &str) -> File {
    File { name: "ringway.toml".to_owned(), text: text.to_owned(), folder: "/etc/ringway".into() }
}

fn read(text: &str) -> Configuration {
    file(text).configuration().unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str) -> String {
    file(text).configuration().map(|_| ()).unwrap_err().to_string()
}

/// The limits and policies without a file.
fn defaults() -> (Limits, PolicyValues) {
    let limits = LimitArgs::default();
    (limits.checked().unwrap(), limits.policies(false))
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

/// The file with what is commented out put in: lines that begin with `#` and no space.
fn with_everything(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The names of all options below a value: `environments[].external.listen`.
fn names(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if path.ends_with(".variables") && !fields.is_empty() => {
            into.insert(path.to_owned());
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                names(value, &format!("{path}{dot}{name}"), into);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| names(item, &format!("{path}[]"), into));
        }
        _ => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn without_a_file_there_are_two_environments_on_this_host() {
    let configuration = File::read(None).unwrap().configuration().unwrap();
    let shown: Vec<String> = configuration
        .environments
        .iter()
        .map(|environment| {
            let at = |place: usize| configuration.listeners[place].listen;
            format!("{} {} {}", environment.name, at(environment.external), at(environment.internal))
        })
        .collect();
    assert_eq!(shown, ["development 127.0.0.1:8081 127.0.0.1:8091", "production 127.0.0.1:8080 127.0.0.1:8090"]);
    assert_eq!((configuration.admin.to_string().as_str(), configuration.metrics), ("127.0.0.1:9600", None));
    assert_eq!(configuration.drain_window, Duration::from_secs(5));
    assert_eq!((configuration.limits, configuration.policies), defaults());
}

#[test]
fn the_shipped_file_says_what_holds_without_it() {
    let without = File::read(None).unwrap().configuration().unwrap().shown();
    assert_eq!(read(&shipped("ringway.toml")).shown(), without);
    let minimal = read(&shipped("minimal.toml"));
    assert_eq!(minimal.listeners[minimal.environments[1].external].listen.to_string(), "0.0.0.0:8080");
    assert_eq!(minimal.listeners.len(), 4);
}

#[test]
fn the_shipped_file_has_every_option() {
    let whole = with_everything(&shipped("ringway.toml"));
    // The first environment has all of an environment's options.
    let names_of = |mut value: Value| {
        value["environments"].as_array_mut().unwrap().truncate(1);
        let mut all = BTreeSet::new();
        names(&value, "", &mut all);
        all
    };
    let written: toml::Value = toml::from_str(&whole).unwrap();
    assert_eq!(names_of(serde_json::to_value(written).unwrap()), names_of(read(&whole).shown()));
}

#[test]
fn limits_of_an_environment_have_the_names_of_the_nodes_and_without_them_its_values() {
    let process = serde_json::to_value(LimitArgs::default()).unwrap();
    let node = LimitArgs::default().policies(false);
    let environment = serde_json::to_value(PolicyTable::<policy_table::Limits>::default().completed(&node)).unwrap();
    for (name, value) in environment.as_object().unwrap() {
        assert_eq!(process.get(name), Some(value), "{name}");
    }
    let text = "limits.idle_timeout_ms = \"off\"\nlimits.max_frame_bytes = 7\n[[environments]]\nname = \"production\"\n\
                limits = { idle_timeout_ms = 5000, max_message_bytes = \"1KiB\" }";
    let configuration = read(text);
    let policies = &configuration.environments[0].policies;
    assert_eq!(configuration.policies.idle_timeout, Optional(None));
    assert_eq!(policies.idle_timeout, Some(Optional(Some(Duration::from_secs(5)))));
    assert_eq!((policies.max_frame_bytes, policies.max_message_bytes), (None, Some(1024)));
    let shown = &configuration.shown()["environments"][0]["limits"];
    assert_eq!((&shown["max_frame_bytes"], &shown["max_message_bytes"]), (&json!(7), &json!(1024)));
}

#[test]
fn the_nodes_values_of_channels_and_validation_are_those_of_the_file() {
    let text = "channels.unlisted_paths = \"pass\"\nvalidation = { client_sends = \"report\", max_bytes = \"1KiB\" }\n[[environments]]\n\
                name = \"production\"\nvalidation.client_sends = \"enforce\"";
    let configuration = read(text);
    let node = &configuration.policies;
    assert_eq!((node.unlisted_paths, node.check_client_sends), (UnlistedPaths::Pass, CheckMode::Report));
    assert_eq!((node.check_client_receives, node.max_checked_bytes.bytes()), (CheckMode::Off, 1024));
    assert_eq!(configuration.environments[0].policies.check_client_sends, Some(CheckMode::Enforce));
    let shown = configuration.shown();
    let whole = |sends: &str| json!({ "client_sends": sends, "client_receives": "off", "on_violation": "drop", "max_bytes": 1024, "over_limit": "pass" });
    assert_eq!(shown["channels"], json!({ "unlisted_paths": "pass" }));
    assert_eq!((&shown["validation"], &shown["environments"][0]["validation"]), (&whole("report"), &whole("enforce")));
}

#[test]
fn numbers_are_in_the_unit_of_the_name_and_text_is_as_for_flags() {
    for (number, text) in [
        ("handshake_timeout_ms = 1500", "handshake_timeout_ms = \"1500ms\""),
        ("ping_interval_ms = 60_000", "ping_interval_ms = \"1m\""),
        ("max_head_bytes = 8192", "max_head_bytes = \"8KiB\""),
        ("max_connections = 7", "max_connections = \"7\""),
        ("max_connections_per_address = 7", "max_connections_per_address = \"7\""),
    ] {
        let [number, text] = [number, text].map(|line| {
            let Configuration { limits, policies, .. } = read(&format!("[limits]\n{line}"));
            (limits, policies)
        });
        assert_eq!(number, text);
        assert_ne!(number, defaults());
    }
}

#[test]
fn every_mistake_in_a_value_is_told_with_its_place() {
    let text = r#"cpus = "3-1"
trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33", 7]
resolver = "10.0.0.53"
drain_window_ms = 0
colour = "red"

[admin]
listen = "localhost:9600"
port = 9600

[limits]
idle_timeout_ms = -1
ping_interval_ms = "30"
max_frame_bytes = 1.5
max_connections = "off"
max_connections_per_address = 0

[[environments]]
name = 5
external = { listen = "127.0.0.1", tsl = [] }
variables = { SECRET = 71077345 }
limits = { max_connections = 5 }

[[environments]]
upstream_tls.ca = "ca.pem"
internal.tls = [{ cert = "a" }]
internal.client_cert = "maybe"
"#;
    let told = faults(text);
    for line in [
        "ringway.toml:1:8: cpus: the range `3-1` runs backwards",
        "ringway.toml:2:34: trusted_proxies[1]: `10.0.0.0/33` is neither an address nor a network; write for example 10.0.0.0/8 or ::1",
        "ringway.toml:2:49: trusted_proxies[2]: `7` is neither an address nor a network; write for example 10.0.0.0/8 or ::1",
        "ringway.toml:3:12: resolver: it must be a list, and is text",
        "ringway.toml:4:19: drain_window_ms: it must be more than 0",
        "ringway.toml:5:1: colour: unknown field `colour`: expected one of cpus, trusted_proxies, resolver, drain_window_ms, \
         preserve_host, abnormal_close_code, strict_sni_host, health_path, contracts, admin, auth, metrics, log, limits, channels, \
         validation, environments",
        "ringway.toml:8:10: admin.listen: `localhost:9600` is not an address with a port; write for example 127.0.0.1:8080 or [::]:8080",
        "ringway.toml:9:1: admin.port: unknown field `port`: expected one of listen, tls, allowed_hosts, token_file",
        "ringway.toml:12:19: limits.idle_timeout_ms: `-1ms` does not begin with a whole number",
        "ringway.toml:13:20: limits.ping_interval_ms: `30` has no unit; write 30s or 30ms",
        "ringway.toml:14:19: limits.max_frame_bytes: it must be a number of bytes, or text such as \"64KiB\", and is a number with a fraction",
        "ringway.toml:15:19: limits.max_connections: `off` is not a whole number",
        "ringway.toml:16:31: limits.max_connections_per_address: it must be more than 0",
        "ringway.toml:19:8: environments[0].name: it must be text, and is a whole number",
        "ringway.toml:20:23: environments[0].external.listen: `127.0.0.1` is not an address with a port; write for example 127.0.0.1:8080 or [::]:8080",
        "ringway.toml:20:36: environments[0].external.tsl: unknown field `tsl`: expected one of listen, tls, client_ca, client_cert, tls_max_record_bytes, proxy_protocol",
        "ringway.toml:21:24: environments[0].variables.SECRET: it must be text: write it in quotes",
        "ringway.toml:22:12: environments[0].limits.max_connections: unknown field `max_connections`: expected one of \
         connect_timeout_ms, idle_timeout_ms, ping_interval_ms, upstream_ping_interval_ms, pong_timeout_ms, close_timeout_ms, max_frame_bytes, max_message_bytes",
        "ringway.toml:25:19: environments[1].upstream_tls.ca: it must be a list, and is text",
        "ringway.toml:26:17: environments[1].internal.tls[0]: missing field `key`",
        "ringway.toml:27:24: environments[1].internal.client_cert: it must be `off`, `optional` or `required`, and is `maybe`",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\nis not in:\n{told}");
    }
    assert_eq!(told.lines().count(), 21, "{told}");
}

#[test]
fn d13_a_word_of_a_fixed_list_is_told_with_the_list_and_the_nearest() {
    for (text, says) in [
        ("log.format = \"jsno\"", "1:14: log.format: it must be `text` or `json`, and is `jsno`; did you mean `json`?"),
        ("log.format = \"XML\"", "1:14: log.format: it must be `text` or `json`, and is `XML`"),
        ("log.format = \"\"", "1:14: log.format: it must be `text` or `json`, and is empty"),
        ("log.format = \"a\\u001Bb\"", "1:14: log.format: it must be `text` or `json`, and is `a\\u{1b}b`"),
        ("log.format = 5", "1:14: log.format: it must be `text` or `json`, and is a whole number"),
        ("log.format = [\"json\"]", "1:14: log.format: it must be `text` or `json`, and is a list"),
        ("log = \"json\"", "1:7: log: it must be an object, and is text"),
        (
            "[[environments]]\ninternal.client_cert = true",
            "2:24: environments[0].internal.client_cert: it must be `off`, `optional` or `required`, and is `true`",
        ),
    ] {
        let told = faults(text);
        assert!(told.lines().any(|line| line == format!("ringway.toml:{says}")), "{text}\n{told}");
    }
    assert_eq!(faults(&format!("log.format = \"{}\"", "x".repeat(5000))).len(), 109, "a part of it is repeated");
}

#[test]
fn d4_an_unknown_option_hides_no_other_fault() {
    let told = faults(
        "colour = 1\ndrain_window_ms = \"20s\"\n\n[admin]\nallowed_hosts = [\"a b\"]\nport = 1\n\n[[environments]]\nname = \"A\"\n",
    );
    for line in [
        "ringway.toml:1:1: colour: unknown field `colour`: ",
        "ringway.toml:2:19: drain_window_ms: is 20s; it must be less than limits.drain_timeout_ms",
        "ringway.toml:5:18: admin.allowed_hosts[0]: ",
        "ringway.toml:6:1: admin.port: unknown field `port`: ",
        "ringway.toml:9:8: environments[0].name: `A` is not a name",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line}\nis not in:\n{told}");
    }
    // What is missing because it could not be read has one fault.
    let told = faults("colour = 1\n[[environments]]\nname = 5\n");
    assert_eq!(told.lines().filter(|line| line.contains("environments[0].name")).count(), 1, "{told}");
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let told = faults("cpus = \"0\"\nname = = 5\n[limits\n");
    assert!(told.lines().count() >= 2 && told.starts_with("ringway.toml:2:8: "), "{told}");
    assert!(faults("cpus = \"0\"\ncpus = \"1\"\n").starts_with("ringway.toml:2:1: "));
}

#[test]
fn what_does_not_fit_together_is_told_with_its_place() {
    let environments = |more: &str| {
        format!(
            "[[environments]]\nname = \"a\"\nexternal.listen = \"127.0.0.1:1\"\ninternal.listen = \"127.0.0.1:2\"\n\
             [[environments]]\nname = \"b\"\nexternal.listen = \"127.0.0.1:3\"\ninternal.listen = \"127.0.0.1:4\"\n{more}"
        )
    };
    for (text, says) in [
        (
            "drain_window_ms = 10000",
            "ringway.toml:1:19: drain_window_ms: is 10s; it must be less than limits.drain_timeout_ms, which is 10s",
        ),
        ("limits.drain_timeout_ms = 5000", "ringway.toml: drain_window_ms: is 5s; it must be less"),
        (
            "limits.max_head_bytes = 300000",
            "ringway.toml:1:25: limits.max_head_bytes: is 300000; it must be from 256 to 262144",
        ),
        ("limits.max_head_lines = 500", "ringway.toml:1:25: limits.max_head_lines: is 500; it must be from 1 to 128"),
        (
            "limits.tcp_keepalive_ms = \"10h\"",
            "ringway.toml:1:27: limits.tcp_keepalive_ms: is 10h; it must be 9h at most, or off",
        ),
        ("log.level = \"a=b=c\"", "ringway.toml:1:13: log.level: `b=c` is not a level: it is error, warn"),
        ("log.level = \"none\"", "ringway.toml:1:13: log.level: `none` is not a level"),
        (
            "admin.allowed_hosts = [\"ok.example\", \"a b\"]",
            "ringway.toml:1:38: admin.allowed_hosts[1]: `a b` is not a name of DNS",
        ),
        (
            "admin.listen = \"127.0.0.1:8081\"",
            "admin.listen: 127.0.0.1:8081 is taken: environments[0].external listens there",
        ),
        ("metrics.listen = \"127.0.0.1:9600\"", "metrics.listen: 127.0.0.1:9600 is taken: admin.listen listens there"),
        ("[[environments]]", "ringway.toml:1:1: environments[0].name: is missing"),
        ("[[environments]]\nname = \"Staging 2\"", "environments[0].name: `Staging 2` is not a name"),
        (
            "[[environments]]\nname = \"staging\"",
            "ringway.toml:1:1: environments[0].external.listen: is missing: write the address",
        ),
        (
            "[[environments]]\nname = \"production\"\n[[environments]]\nname = \"production\"",
            "environments[1].name: `production` is the name of another",
        ),
        (
            &environments("hosts = [\"a.test\", \"A.test.\", \"a:80\"]"),
            "ringway.toml:9:20: environments[1].hosts[1]: `A.test.` is there twice",
        ),
        (&environments("hosts = [\"a.test\", \"a:80\"]"), "environments[1].hosts[1]: `a:80` is not a name of DNS"),
        (
            &environments("variables = { \"1x\" = \"a\" }"),
            "environments[1].variables.1x: a variable's name has 1 to 64 letters",
        ),
        (
            &environments("variables = { X = \"a b\" }"),
            "ringway.toml:9:19: environments[1].variables.X: the value becomes part of a URL",
        ),
        (&environments("variables = { X = \"\" }"), "the value becomes part of a URL"),
        (
            &environments("internal.tls = [{ cert = \"a\", key = \"b\" }]\ninternal.client_cert = \"required\""),
            "environments[1].internal: client_cert required needs client_ca",
        ),
        (&environments("internal.client_ca = \"a\""), "environments[1].internal: client_ca applies to TLS only"),
        (&environments("upstream_tls.cert = \"a\""), "ringway.toml:9:1: environments[1].upstream_tls: cert needs key"),
        (
            &environments("upstream_tls = { ca = [\"a\"], insecure_skip_verify = true }"),
            "ca has no effect with insecure_skip_verify",
        ),
    ] {
        let told = faults(text);
        assert!(told.contains(says), "{text}\n{told:?}\ndoes not say\n{says}");
    }
}

#[test]
fn environments_on_one_address_are_told_apart_by_their_hosts_or_not_allowed() {
    let pair = |first: &str, second: &str| {
        format!(
            "[[environments]]\nname = \"a\"\nexternal.listen = \"127.0.0.1:1\"\ninternal.listen = \"127.0.0.1:2\"\n{first}\n\
             [[environments]]\nname = \"b\"\nexternal.listen = \"127.0.0.1:1\"\ninternal.listen = \"127.0.0.1:3\"\n{second}\n"
        )
    };
    for (first, second, says) in [
        ("", "", Some("a answers on 127.0.0.1:1, too, and nothing tells the two apart")),
        ("hosts = [\"a.test\"]", "", None),
        ("", "hosts = [\"*.b.test\"]", None),
        ("hosts = [\"a.test\"]", "hosts = [\"*.a.test\"]", None),
        ("hosts = [\"a.test\"]", "hosts = [\"b.test\", \"A.test\"]", Some("a answers to a.test on 127.0.0.1:1, too")),
        ("hosts = [\"a.test\"]\nexternal.proxy_protocol = [\"10.0.0.1\"]", "", None),
        (
            "hosts = [\"a.test\"]",
            "external.proxy_protocol = [\"10.0.0.1\"]",
            Some(
                "environments[1].external: 127.0.0.1:1 is environments[0].external's address, too, and that says otherwise",
            ),
        ),
        ("", "internal.listen = \"127.0.0.1:1\"", Some("duplicate key")),
    ] {
        let text = pair(first, second);
        match says {
            Some(says) => assert!(faults(&text).contains(says), "{first} {second}: {}", faults(&text)),
            None => {
                let configuration = read(&text);
                assert_eq!(configuration.listeners.len(), 3);
                assert_eq!(configuration.environments[0].external, configuration.environments[1].external);
            }
        }
    }
    let both = "[[environments]]\nname = \"a\"\nexternal.listen = \"127.0.0.1:1\"\ninternal.listen = \"127.0.0.1:1\"";
    assert!(faults(both).contains("environments[0].internal.listen: 127.0.0.1:1 is the external listener, too"));
    let part = both.replace("internal.listen = \"127.0.0.1:1\"", "internal.listen = \"0.0.0.0:1\"");
    assert!(faults(&part).contains("0.0.0.0:1 cannot be had beside 127.0.0.1:1 (environments[0].external)"));
    let any = both.replace(":1\"", ":0\"");
    assert_eq!(read(&any).listeners.len(), 2, "each port 0 is another port");
}

#[test]
fn paths_are_relative_to_the_file_and_variables_are_not_shown() {
    let text = "[[environments]]\nname = \"production\"\nexternal.tls = [{ cert = \"c.pem\", key = \"/k.pem\" }]\n\
                variables = { TOKEN = \"hunter2\" }\nupstream_tls.ca = [\"tls/ca.pem\"]";
    let configuration = read(text);
    let shown = configuration.shown();
    assert_eq!(shown["environments"][0]["external"]["tls"][0]["cert"], "/etc/ringway/c.pem");
    assert_eq!(shown["environments"][0]["external"]["tls"][0]["key"], "/k.pem");
    assert_eq!(shown["environments"][0]["upstream_tls"]["ca"][0], "/etc/ringway/tls/ca.pem");
    assert_eq!(configuration.environments[0].variables["TOKEN"].reveal(), "hunter2");
    assert!(!format!("{configuration:?} {shown}").contains("hunter2"));
}

#[test]
fn files_that_cannot_be_used_are_all_told_of() {
    let folder = Folder::new();
    let leaf = Authority::new("ca").leaf(&["a.test"]);
    folder.write("c.pem", &leaf.certificate);
    folder.write("k.pem", &leaf.key);
    folder.write("bad.pem", "");
    let text = "[[environments]]\nname = \"production\"\nexternal.tls = [{ cert = \"c.pem\", key = \"k.pem\" }]\n\
                internal.tls = [{ cert = \"bad.pem\", key = \"k.pem\" }]\nupstream_tls.ca = [\"none.pem\"]\n";
    folder.write("ringway.toml", text);
    let file = File::read(Some(Path::new(&folder.path("ringway.toml")))).unwrap();
    let told = file.open(&file.configuration().unwrap()).map(|_| ()).unwrap_err().to_string();
    let [first, second] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(
        first.contains("ringway.toml:4:16: environments[0].internal.tls: cert ") && first.contains("it is empty"),
        "{first}"
    );
    assert!(
        second.contains("ringway.toml:5:1: environments[0].upstream_tls: ca ") && second.contains("no such file"),
        "{second}"
    );
    let good = text.lines().take(3).collect::<Vec<_>>().join("\n");
    folder.write("ringway.toml", &good);
    let file = File::read(Some(Path::new(&folder.path("ringway.toml")))).unwrap();
    let opened = file.open(&file.configuration().unwrap()).unwrap();
    assert_eq!(opened.served.iter().flatten().count(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_said() {
    let folder = Folder::new();
    let told = |name: &str| File::read(Some(Path::new(&folder.path(name)))).map(|_| ()).unwrap_err().to_string();
    assert!(told("none.toml").contains("none.toml: it cannot be read: No such file"), "{}", told("none.toml"));
    assert!(told("").contains("it is not a regular file"));
    folder.write("long.toml", &" ".repeat(1024 * 1024 + 1));
    assert!(told("long.toml").contains("longer than 1048576 bytes"));
    std::fs::write(folder.path("bytes.toml"), b"a = \"\xff\"").unwrap();
    assert!(told("bytes.toml").contains("it is not UTF-8 text: the byte at 5"));
}
