//! A headless Chromium, and pages for it.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The browser, or `None` where there is none, which is said and is an error if the environment asks for it.
pub(crate) fn find() -> Option<PathBuf> {
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
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // Past the test's capture: a skipped test is to be seen.
        let _ = writeln!(io::stderr(), "skipped: {test}: there is no chromium here");
    }
    found
}

/// The command that opens a browser without a window, which stays until it is ended. The page's address follows.
pub(crate) fn command(browser: &Path, profile: &str) -> Command {
    let mut command = windowless(browser, profile);
    command.arg("--remote-debugging-port=0");
    command
}

fn windowless(browser: &Path, profile: &str) -> Command {
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-sync", "--disable-background-networking", "--disable-component-update"])
        .args(["--disable-dev-shm-usage", "--no-proxy-server"])
        .arg(format!("--user-data-dir={profile}"));
    command
}

/// A server of one page, which ends with the process: its URL.
pub(crate) fn page_server(page: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            // The browser opens connections ahead and leaves them silent.
            std::thread::spawn(move || {
                if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    url
}

/// A page as the browser has it, and what it told on its console.
pub(crate) struct Opened {
    pub(crate) document: String,
    pub(crate) console: Vec<String>,
}

/// Opens a page until it is loaded. `profile` is a folder for the browser alone.
pub(crate) fn opened(browser: &Path, profile: &str, url: &str) -> Opened {
    let mut command = windowless(browser, profile);
    let run = command.args(["--enable-logging=stderr", "--timeout=30000", "--dump-dom", url]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "the browser ended with {}: {told}", run.status);
    let console = told.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    Opened { document: String::from_utf8_lossy(&run.stdout).into_owned(), console }
}
