//! The report's page in a real browser: headless Chromium, from a server of our own that sees every request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use ringway_load::report::chart::{Bar, BarChart, Group, Unit};
use ringway_load::report::{html, sample};

use crate::harness::until;

/// Looks at a page in a frame of some width, from inside the browser, and writes down what is wrong with it.
const PROBE: &str = include_str!("probe.html");

#[test]
fn the_page_asks_for_nothing_and_fits_a_phone_and_a_desk() {
    let Some(browser) = chromium() else { return };
    let pages = [
        ("/echo", html::render(&sample::echo()).unwrap()),
        ("/hold", html::render(&sample::hold_failed()).unwrap()),
        ("/small", html::render(&sample::small()).unwrap()),
    ];
    let server = Server::start(pages.iter().map(|(path, page)| (*path, "text/html", page.clone())).collect());
    for (path, _) in &pages {
        server.asked.lock().unwrap().clear();
        let alone = browse(&browser, &server.url(path));
        assert!(alone.dom.contains("</footer>"), "{path} was not shown: {}", alone.log);
        assert!(!alone.log.contains("CONSOLE"), "{path} made the browser complain: {}", alone.log);
        assert_eq!(*server.asked.lock().unwrap(), [*path], "{path} asked for more than itself");
        for width in [360, 700, 1000, 1400] {
            let probed = browse(&browser, &server.url(&format!("/probe?{path}&{width}")));
            let found = between(&probed.dom, "<pre>", "</pre>");
            assert_eq!(found, "nothing", "{path} at {width}px");
        }
    }
}

#[test]
fn a_chart_is_a_picture_of_its_own() {
    let Some(browser) = chromium() else { return };
    let server = Server::start(vec![("/bars.svg", "image/svg+xml", bars().standalone())]);
    let shown = browse(&browser, &server.url("/bars.svg"));
    assert!(!shown.log.contains("CONSOLE"), "the picture made the browser complain: {}", shown.log);
    let probed = browse(&browser, &server.url("/probe?/bars.svg&1000"));
    assert_eq!(between(&probed.dom, "<pre>", "</pre>"), "nothing");
}

fn bars() -> BarChart {
    let bar = |label: &str, value, color| Bar { label: label.to_owned(), value, range: None, color };
    let group = |label: &str, a: f64, b: f64| {
        let mut first = bar("ringway", Some(a), 0);
        first.range = Some((a * 0.93, a * 1.06));
        let bars = vec![first, bar("another proxy", Some(b), 1), bar("a third <one>", None, 2)];
        Group { label: label.to_owned(), bars }
    };
    BarChart {
        title: "Messages a second and core".to_owned(),
        note: "More is better. Whiskers: least and most of five runs.".to_owned(),
        unit: Unit::PerSecond,
        groups: vec![group("64 bytes", 412_000.0, 188_000.0), group("16 KiB", 61_400.0, 58_000.0)],
    }
}

/// The browser, or `None` where there is none, which is said and is an error if the environment asks for it.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let named = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&folders)
        .flat_map(|folder| named.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var_os("RINGWAY_REQUIRE_CHROMIUM").is_some_and(|value| value == "1");
        assert!(
            !required,
            "there is no chromium, and RINGWAY_REQUIRE_CHROMIUM=1 asks for it; on Debian: apt install chromium"
        );
        // Past the test's capture: a skipped test is to be seen.
        let _ =
            writeln!(std::io::stderr(), "skipped: the report's page was not looked at, for there is no chromium here");
    }
    found
}

struct Shown {
    dom: String,
    log: String,
}

fn browse(browser: &Path, url: &str) -> Shown {
    let profile =
        std::env::temp_dir().join(format!("ringway-page-{}-{:?}", std::process::id(), thread::current().id()));
    let _ = std::fs::remove_dir_all(&profile);
    let browser = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .args([
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=4000",
            "--window-size=1500,1000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("chromium starts");
    let mut browser = Killed(browser);
    let (dom, log) = (reader(browser.0.stdout.take()), reader(browser.0.stderr.take()));
    until(&format!("chromium is done with {url}"), || browser.0.try_wait().expect("it can be waited for"));
    let shown = Shown { dom: dom.join().unwrap(), log: log.join().unwrap() };
    let _ = std::fs::remove_dir_all(&profile);
    shown
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.expect("a pipe").read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A browser that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or(text, |(found, _)| found)
}

/// An HTTP server of three pages, which ends with the process.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(pages: Vec<(&str, &'static str, String)>) -> Self {
        let mut served: HashMap<String, (&'static str, String)> =
            pages.into_iter().map(|(path, kind, page)| (path.to_owned(), (kind, page))).collect();
        served.insert("/probe".to_owned(), ("text/html", PROBE.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            // One at a time would do for pages, but the browser opens connections ahead and leaves them silent.
            let served = Arc::new(served);
            for stream in listener.incoming().flatten() {
                let (served, seen) = (Arc::clone(&served), Arc::clone(&seen));
                thread::spawn(move || answer(&stream, &served, &seen));
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn answer(stream: &TcpStream, served: &HashMap<String, (&'static str, String)>, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = served.get(path.split('?').next().unwrap_or_default());
    seen.lock().unwrap().push(path);
    let (status, (kind, body)) =
        found.map_or(("404 Not Found", ("text/plain", "")), |(kind, body)| ("200 OK", (*kind, body)));
    let mut stream = stream;
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
