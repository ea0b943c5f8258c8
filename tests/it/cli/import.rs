//! `ringway api import` and `ringway api contract` against a real node, and without one.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::api::talked;
use crate::harness::EchoServer;
use crate::harness::node::{Home, USUAL, ws};
use crate::harness::process::{PROGRAM, run};
use crate::harness::script::Script;
use crate::harness::terminal::Terminal;

/// A chat with one server, a parameter, and a schema that `schema` gives.
fn chat(target: &str, schema: &str) -> String {
    format!(
        "asyncapi: 2.6.0\ninfo:\n  title: Team Chat\n  version: 1.0.2\n  description: A chat for teams.\n\
         servers:\n  live:\n    url: {target}\n    protocol: ws\n\
         channels:\n  /rooms/{{roomId}}:\n    parameters:\n      roomId:\n        schema:\n          type: string\n\
         \x20   publish:\n      message:\n        name: say\n        payload:\n          {schema}\n\
         \x20   subscribe:\n      message:\n        name: said\n        payload:\n          {schema}\n"
    )
}

const TEXT: &str =
    "type: object\n          required: [text]\n          properties:\n            text:\n              type: string";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a command with these bytes as its standard input. Its exit code, standard output and standard error.
fn piped(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An answer of a web server.
fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn a_document_becomes_an_api_that_is_deployed_tested_promoted_and_published() {
    let echo = EchoServer::start();
    let target = ws(echo.address());
    let (home, folder) = (Home::new(USUAL), tempfile::tempdir().unwrap());
    let _node = home.start();
    let file = write(folder.path(), "chat.yaml", &chat(&target, TEXT));
    let (code, stdout, stderr) = home.run(&["api", "import", &file]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("created default/team-chat:1.0, which is not deployed yet"), "{stderr}");
    assert!(stdout.contains(&target) && stdout.contains("chat.yaml, sha256 "), "{stdout}");
    let api = json(&home.works(&["api", "show", "team-chat", "-o", "json"]));
    assert_eq!((&api["name"], &api["description"]), (&"Team Chat".into(), &"A chat for teams.".into()));
    assert_eq!((&api["contract"]["main"], &api["contract"]["layout"]), (&"chat.yaml".into(), &"inferred".into()));

    home.works(&["api", "deploy", "team-chat", "--env", "development"]);
    let said = "{\"text\":\"hello\"}\n";
    let test = ["api", "test", "team-chat", "--env", "development", "--path", "/rooms/1"];
    assert_eq!(talked(&home, &test, said), said);
    home.works(&["api", "promote", "team-chat"]);
    home.works(&["api", "lifecycle", "team-chat", "--to", "published", "--yes"]);
    let test = ["api", "test", "team-chat", "--env", "production", "--path", "/rooms/1"];
    assert_eq!(talked(&home, &test, said), said);
    let kept = home.file("contracts").join(api["contract"]["digest"].as_str().unwrap());
    assert_eq!(std::fs::read(kept).unwrap(), chat(&target, TEXT).as_bytes());
    assert_eq!(home.works(&["api", "contract", "show", "team-chat", "--raw"]), chat(&target, TEXT));
}

#[test]
fn a_document_comes_from_a_file_a_folder_an_archive_standard_input_or_a_url_and_a_dry_run_needs_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let text = chat("ws://chat.example.com/v1", TEXT);
    let file = write(folder.path(), "chat.yaml", &text);
    let whole = chat("ws://chat.example.com/v1", "$ref: 'schemas/say.yaml#/say'");
    write(folder.path(), "set/asyncapi.yaml", &whole);
    write(folder.path(), "set/schemas/say.yaml", "say: {type: object}\n");
    let set = folder.path().join("set");
    let zip = folder.path().join("set.zip");
    let files = [("asyncapi.yaml", whole.as_bytes()), ("schemas/say.yaml", b"say: {type: object}\n")];
    std::fs::write(&zip, archive(&files)).unwrap();
    let web = Script::answers(answer("200 OK", text.as_bytes())).plays();
    let url = format!("http://{}/docs/chat.yaml?token=secret", web.address());
    let dry = |source: &str, input: &[u8]| {
        let (code, stdout, stderr) = piped(&["api", "import", source, "--dry-run", "-o", "json"], input);
        assert_eq!(code, 0, "{source}: {stderr}");
        assert!(!stdout.contains("secret"), "{stdout}");
        json(&stdout)
    };
    let by_file = dry(&file, b"");
    assert_eq!(by_file["values"]["targets"][0], "ws://chat.example.com/v1");
    assert_eq!((&by_file["values"]["identifier"], &by_file["values"]["version"]), (&"team-chat".into(), &"1.0".into()));
    assert!(by_file["values"]["remarks"]["version"].as_str().unwrap().contains("`.2`"), "{by_file}");
    assert_eq!(by_file["routes"][0]["path"], "/rooms/{roomId}");
    assert_eq!(by_file["routes"][0]["client_sends"][0], "say");
    assert_eq!((&by_file["api"], by_file["perspective"]["side"].as_str()), (&Value::Null, Some("server")));
    for same in [dry("-", text.as_bytes()), dry(&url, b"")] {
        assert_eq!(same["contract"]["digest"], by_file["contract"]["digest"]);
        assert_eq!(same["values"], by_file["values"]);
    }
    assert!(web.heads()[0].starts_with("GET /docs/chat.yaml?token=secret HTTP/1.1\r\n"), "{:?}", web.heads());
    for files in [dry(set.to_str().unwrap(), b""), dry(zip.to_str().unwrap(), b"")] {
        assert_eq!(
            (&files["contract"]["main"], &files["problems"]),
            (&"asyncapi.yaml".into(), &Value::Array(Vec::new()))
        );
    }
}

#[test]
fn what_references_lead_to_elsewhere_is_fetched_only_on_demand_and_kept_with_the_document() {
    let web = Script::in_turn([
        Script::answers(answer("200 OK", b"say: {type: object}\n")),
        Script::answers(answer("404 Not Found", b"")),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let reference = format!("$ref: 'http://{}/say#/say'", web.address());
    let file = write(folder.path(), "chat.yaml", &chat("ws://chat.example.com", &reference));
    let (code, stdout, _) = run(&["api", "import", &file, "--dry-run", "-o", "json"]);
    assert_eq!(code, 0);
    let rules = |text: &str| -> Vec<String> {
        json(text)["problems"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert!(rules(&stdout).contains(&"ref-remote".to_owned()) && web.accepts() == 0, "{stdout}");
    let allowed = ["api", "import", &file, "--dry-run", "-o", "json", "--allow-remote-refs"];
    let (code, stdout, stderr) = run(&allowed);
    assert_eq!((code, rules(&stdout)), (0, Vec::new()), "{stderr}");
    let (code, _, stderr) = run(&allowed);
    assert!(code == 1 && stderr.contains("cannot be fetched: the server answered 404"), "{stderr}");
}

#[test]
fn what_the_document_lacks_is_named_with_its_flag_and_what_is_wrong_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |text: &str, flags: &[&str], code: i32, parts: &[&str]| {
        let file = write(folder.path(), "a.yaml", text);
        let (is, stdout, stderr) = run(&[&["api", "import", &file, "--dry-run"][..], flags].concat());
        assert_eq!((is, stdout.as_str()), (code, ""), "{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    };
    let text = chat("https://chat.example.com", TEXT).replace("protocol: ws\n", "protocol: https\n");
    fails(&text, &[], 2, &["`live`", "https", "name the target with --target URL"]);
    let text = chat("ws://{host}/v1", TEXT)
        .replace("protocol: ws\n", "protocol: ws\n    variables:\n      host: {description: Where}\n");
    fails(&text, &[], 2, &["server `live`", "--server-var host=VALUE"]);
    let text = chat("ws://a", TEXT).replace("asyncapi: 2.6.0", "asyncapi: 1.2.0");
    fails(&text, &[], 3, &["--> a.yaml:1:11", "1 | asyncapi: 1.2.0", "blocks routing: nothing was made"]);
    fails("a: [", &[], 3, &["a.yaml"]);
    let text = "asyncapi: 2.6.0\ninfo: {title: A, version: '1.0'}\nchannels:\n  /: {$ref: 'more.yaml#/x'}\n";
    fails(
        text,
        &[],
        3,
        &["no file `more.yaml`", "import the folder that has them all, and name the document with --main"],
    );
    fails(&chat("ws://a", TEXT), &["--version", "one"], 3, &["version"]);
    let (code, _, stderr) = run(&["api", "import", "/nowhere.yaml", "--dry-run"]);
    assert!(code == 1 && stderr.contains("/nowhere.yaml: no such file"), "{stderr}");
    let (code, _, stderr) = run(&["api", "import", "http://u:p@127.0.0.1:9/x", "--dry-run"]);
    assert!(code == 2 && stderr.contains("user or password") && !stderr.contains("u:p"), "{stderr}");
}

#[test]
fn a_new_contract_for_an_api_shows_for_whom_it_breaks_and_remembers_how_it_was_read() {
    let (home, folder) = (Home::new(USUAL), tempfile::tempdir().unwrap());
    let _node = home.start();
    let file = write(folder.path(), "chat.yaml", &chat("ws://127.0.0.1:9", TEXT));
    home.works(&["api", "import", &file, "--perspective", "client", "--target", "ws://127.0.0.1:10"]);
    home.works(&["api", "deploy", "team-chat", "--env", "development"]);
    let (code, _, stderr) = home.run(&["api", "import", &file]);
    assert!(code == 0 && stderr.contains("unchanged: default/team-chat:1.0 has this contract already"), "{stderr}");

    let narrower =
        TEXT.replace("[text]", "[text, user]").replace("text:\n", "user: {type: string}\n            text:\n");
    let file = write(folder.path(), "chat.yaml", &chat("ws://127.0.0.1:9", &narrower));
    let (code, stdout, stderr) = home.run(&["api", "contract", "diff", "team-chat", &file]);
    assert!(code == 2 && stdout.contains("(breaks "), "{stdout}{stderr}");
    let (code, stdout, stderr) = home.run(&["api", "import", &file, "-o", "json"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("its deployments still run the old definition"), "{stderr}");
    let report = json(&stdout);
    assert_eq!(report["contract"]["perspective"], "client");
    assert!(report["changes"].as_array().unwrap().iter().any(|change| change["breaks"][0] == "clients"), "{report}");
    assert_eq!(report["api"]["targets"][0], "ws://127.0.0.1:10", "what flags do not give stays");
    assert_eq!(home.run(&["api", "contract", "diff", "team-chat", &file]).0, 0);

    home.works(&["api", "deploy", "team-chat", "--env", "development"]);
    let revisions = json(&home.works(&["api", "revisions", "team-chat", "-o", "json"]));
    let digest = |number: usize| revisions[number]["definition"]["contract"]["digest"].as_str().unwrap();
    assert_ne!(digest(0), digest(1));
    let shown = json(&home.works(&["api", "contract", "show", "team-chat", "-o", "json"]));
    assert_eq!(
        (&shown["contract"]["digest"], &shown["routes"][0]["path"]),
        (&digest(0).into(), &"/rooms/{roomId}".into())
    );

    home.works(&["api", "contract", "remove", "team-chat", "--yes"]);
    assert_eq!(json(&home.works(&["api", "show", "team-chat", "-o", "json"]))["contract"], Value::Null);
    let (code, _, stderr) = home.run(&["api", "contract", "show", "team-chat"]);
    assert!(code == 1 && stderr.contains("--contract SOURCE gives it one"), "{stderr}");
    home.works(&["api", "update", "team-chat", "--contract", &file]);
    home.works(&["api", "contract", "validate", "team-chat"]);

    home.works(&["api", "lifecycle", "team-chat", "--to", "published", "--yes"]);
    for state in ["deprecated", "retired"] {
        home.works(&["api", "lifecycle", "team-chat", "--to", state, "--yes"]);
    }
    let (code, _, stderr) = home.run(&["api", "import", &file]);
    assert!(code == 0 && stderr.contains("created default/team-chat:1.0"), "the key is free again: {stderr}");
}

#[test]
fn a_document_is_checked_without_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "chat.yaml", &chat("ws://a", TEXT));
    let (code, _, stderr) = run(&["api", "contract", "validate", &file]);
    assert!(code == 0 && stderr.contains("chat.yaml: 1 route, 0 problems in the way of validation"), "{stderr}");
    let broken = write(folder.path(), "broken.yaml", &chat("ws://a", "$ref: '#/components/schemas/none'"));
    let (_, stdout, _) = run(&["api", "contract", "validate", &broken, "-o", "json"]);
    let problem = &json(&stdout)["problems"][0];
    assert!(
        problem["line"].as_u64().unwrap() > 10 && problem["pointer"].as_str().unwrap().ends_with("$ref"),
        "{problem}"
    );
}

#[test]
fn values_can_be_edited_at_a_terminal_before_anything_is_made() {
    let (home, folder) = (Home::new(USUAL), tempfile::tempdir().unwrap());
    let _node = home.start();
    let text = chat("https://127.0.0.1:9", TEXT).replace("protocol: ws", "protocol: https");
    let file = write(folder.path(), "chat.yaml", &text);
    let state = home.state();
    let arguments = ["api", "import", &file, "--state", state.to_str().unwrap()];
    let asked = "Create this API? [y]es, [e]dit, [N]o: ";
    let (code, shown) =
        Terminal::open().talk(&arguments, &[("chat.example.com []: ", "ws://127.0.0.1:7\n"), (asked, "n\n")]);
    assert!(code == 1 && shown.contains("/rooms/{roomId}") && shown.contains("Team Chat"), "{shown}");
    assert_eq!(home.works(&["api", "list", "-o", "json"]), "[]\n", "nothing was made");
    let (code, shown) = Terminal::open().talk(
        &arguments,
        &[
            ("chat.example.com []: ", "ftp://x\n"),
            ("chat.example.com []: ", "ws://127.0.0.1:7\n"),
            (asked, "e\n"),
            ("name [Team Chat]: ", "Shop Chat\n"),
            ("identifier [shop-chat]: ", "\n"),
            ("version [1.0]: ", "2.1\n"),
            ("project [default]: ", "shop\n"),
            ("target [ws://127.0.0.1:7]: ", "\n"),
            ("access [external]: ", "internal\n"),
            (asked, "y\n"),
        ],
    );
    assert_eq!(code, 0, "{shown}");
    let api = json(&home.works(&["api", "show", "shop/shop-chat:2.1", "-o", "json"]));
    assert_eq!((&api["access"], &api["targets"][0]), (&"internal".into(), &"ws://127.0.0.1:7".into()));
}

#[test]
fn hostile_uploads_are_answered_soon_and_in_little_memory() {
    let home = Home::new(USUAL);
    let node = home.start();
    let bomb = archive(&[("a.yaml", &vec![b' '; 64 << 20])]);
    let alias: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    let alias = format!("asyncapi: 2.6.0\na0: &a0 [x]\n{alias}");
    let deep = "[".repeat(1_000_000);
    for (name, bytes, code) in [
        ("50 MB", vec![b'a'; 50 << 20], "body-too-large"),
        ("a bomb", bomb, "contract-invalid"),
        ("a way out", archive(&[("../../etc/x.yaml", b"asyncapi: 2.6.0\n")]), "contract-invalid"),
        ("no archive", b"PK\x03\x04nonsense".to_vec(), "contract-invalid"),
        ("no YAML", b"\xff\xfe\x00\x01".to_vec(), "contract-invalid"),
        ("aliases", alias.into_bytes(), "contract-invalid"),
        ("depth", deep.into_bytes(), "contract-invalid"),
    ] {
        let begun = std::time::Instant::now();
        let line = "Content-Type: application/octet-stream\r\n";
        let answer = node.admin.try_send_raw("POST", "/contracts", line, &bytes).unwrap();
        assert_eq!(answer.code(), code, "{name}");
        // A build without optimisation on a busy host: the product's own limit is a second.
        assert!(begun.elapsed().as_secs() < 10, "{name} took {:?}", begun.elapsed());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 << 10, "{peak} KiB");
    assert!(!home.file("contracts").exists(), "nothing of it is kept");
}

#[test]
fn the_chat_of_others_is_imported_as_it_is() {
    let Some(folder) = std::env::var_os("RINGWAY_CONTRACTS").map(PathBuf::from) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: RINGWAY_CONTRACTS names no folder with the documents of others");
        return;
    };
    let echo = EchoServer::start();
    let home = Home::new(USUAL);
    let _node = home.start();
    let file = folder.join("wso2-bijira-chat.yaml");
    let target = ws(echo.address());
    home.works(&["api", "import", file.to_str().unwrap(), "--target", &target]);
    home.works(&["api", "deploy", "chat-api", "--env", "development"]);
    assert_eq!(talked(&home, &["api", "test", "chat-api", "--env", "development"], "{}\n"), "{}\n");
    home.works(&["api", "promote", "chat-api"]);
    home.works(&["api", "lifecycle", "chat-api", "--to", "published", "--yes"]);
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(home.works(&["api", "contract", "show", "chat-api", "--raw"]), text);
}
