//! Contracts by URL: what the node fetches, and that a URL leads to nothing inside, whatever a name or a host says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway::contract::Sources;
use ringway::control::fetch::rules::Rules;
use ringway::control::fetch::{FetchError, Fetcher, RemoteRefs, Settings};
use ringway::control::resolver::Resolver;
use ringway::control::runtime::BackgroundRuntime;
use ringway::tls::client::Trust;
use ringway::tls::pem::PemFile;
use serde_json::json;

use crate::harness::dns::Dns;
use crate::harness::https::{Https, Reaction, ok, redirect};
use crate::harness::node::Home;
use crate::harness::pki::{Authority, Folder};
use crate::harness::until;
use crate::harness::wait::PATIENCE;

const DOCUMENT: &str = "asyncapi: 2.6.0\nchannels: {/: {publish: {message: {payload: {$ref: 'common.yaml#/text'}}}}}\n";

/// A fetcher with an authority, a DNS server and a host of its own.
struct World {
    runtime: BackgroundRuntime,
    authority: Authority,
    folder: Folder,
    dns: Arc<Dns>,
    host: Https,
}

impl World {
    fn new() -> Self {
        let (authority, dns) = (Authority::new(), Dns::start());
        dns.says("docs.example", "127.0.0.1");
        let host = Https::start(&authority, &["docs.example", "127.0.0.1"]);
        let runtime = BackgroundRuntime::start("control").unwrap();
        Self { runtime, authority, folder: Folder::new(), dns: Arc::new(dns), host }
    }

    fn url(&self, path: &str) -> String {
        format!("https://docs.example:{}{path}", self.host.port())
    }

    /// The items that allow the host and its address.
    fn listed(&self) -> [String; 2] {
        [format!("docs.example:{}", self.host.port()), "127.0.0.1".to_owned()]
    }

    fn fetch_with(
        &self,
        items: &[String],
        url: &str,
        refs: RemoteRefs,
        timeout: Duration,
    ) -> Result<Sources, FetchError> {
        let ca = self.folder.write("ca.pem", &self.authority.pem());
        let settings = Settings {
            rules: Rules(items.iter().map(|item| item.parse().unwrap()).collect()),
            resolver: vec![self.dns.address()],
            trust: Trust::Authorities(vec![PemFile::new("ca", ca)]),
            timeout,
        };
        let runtime = self.runtime.handle();
        let fetcher = Fetcher::new(Resolver::start(runtime, PATIENCE), settings);
        runtime.block_on(fetcher.fetch(url, refs))
    }

    fn fetch(&self, items: &[String], url: &str) -> Result<Sources, FetchError> {
        self.fetch_with(items, url, RemoteRefs::Refused, PATIENCE)
    }

    /// The reason why nothing came of a URL of the listed host.
    #[track_caller]
    fn failed(&self, path: &str) -> String {
        match self.fetch(&self.listed(), &self.url(path)) {
            Err(FetchError::Failed(why)) => why,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[track_caller]
    fn not_allowed(&self, items: &[&str], url: &str) -> String {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        match self.fetch(&items, url) {
            Err(FetchError::NotAllowed(why)) => why,
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn a_listed_host_is_asked_for_the_document_and_for_nothing_else() {
    let world = World::new();
    world.host.has("/d/chat.yaml?v=1", ok(DOCUMENT));
    let sources = world.fetch(&world.listed(), &world.url("/d/chat.yaml?v=1#x")).unwrap();
    assert_eq!((sources.main(), sources.get("chat.yaml")), ("chat.yaml", Some(DOCUMENT.as_bytes())));
    let [head] = &world.host.heads()[..] else { panic!("{:?}", world.host.heads()) };
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("get /d/chat.yaml?v=1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: docs.example:{}\r\n", world.host.port())), "{head}");
    assert!(!head.contains("cookie") && !head.contains("authorization") && !head.contains("referer"), "{head}");
}

#[test]
fn a_host_that_is_not_listed_is_not_even_looked_up_and_the_refusal_names_the_setting() {
    let world = World::new();
    let why = world.not_allowed(&[], &world.url("/x"));
    let setting = format!("contracts.allow_url_import = [\"docs.example:{}\"]", world.host.port());
    assert!(why.contains(&setting), "{why}");
    world.not_allowed(&["docs.example"], &world.url("/x"));
    world.not_allowed(&["public", "other.example"], &world.url("/x"));
    assert_eq!((world.dns.asked(), world.host.heads().len()), (Vec::new(), 0));
}

/// An address of every range that is not public, and the words for it.
const RANGES: &[(&str, &str)] = &[
    ("127.0.0.1", "loopback"),
    ("10.0.0.1", "private"),
    ("172.16.5.4", "private"),
    ("192.168.0.10", "private"),
    ("169.254.0.7", "link-local"),
    ("169.254.169.254", "metadata"),
    ("100.100.100.200", "metadata"),
    ("100.64.3.2", "CGNAT"),
    ("224.0.0.251", "multicast"),
    ("255.255.255.255", "broadcast"),
    ("0.0.0.0", "unspecified"),
    ("0.0.0.9", "this network"),
    ("192.0.2.5", "documentation"),
    ("198.51.100.5", "documentation"),
    ("203.0.113.5", "documentation"),
    ("198.18.0.5", "benchmarks"),
    ("192.88.99.1", "6to4 relay"),
    ("240.0.0.1", "reserved"),
    ("::1", "loopback"),
    ("::", "unspecified"),
    ("::ffff:127.0.0.1", "mapped"),
    ("::127.0.0.1", "compatible"),
    ("64:ff9b::7f00:1", "NAT64"),
    ("64:ff9b:1::7f00:1", "NAT64"),
    ("2002:7f00:1::", "6to4"),
    ("2001:0:7f00:1::", "Teredo"),
    ("fd00:ec2::254", "metadata"),
    ("fd12::1", "unique local"),
    ("fec0::1", "site-local"),
    ("fe80::1", "link-local"),
    ("ff02::1", "multicast"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("100::1", "discarding"),
    ("4000::1", "not given out"),
];

#[test]
fn a_name_that_leads_to_any_range_that_is_not_public_is_refused() {
    let world = World::new();
    for (address, words) in RANGES {
        world.dns.says("bad.example", address);
        for items in [&["public"][..], &["bad.example"]] {
            let why = world.not_allowed(items, "https://bad.example/x.yaml");
            assert!(why.contains(words) && why.contains("contracts.allow_url_import"), "{address}: {why}");
        }
        // One bad address among good ones refuses all: which one is dialled is nobody's choice.
        world.dns.says("bad.example", &format!("185.199.108.133 {address}"));
        world.not_allowed(&["public"], "https://bad.example/x.yaml");
    }
}

#[test]
fn a_url_with_an_address_of_any_range_is_refused() {
    let world = World::new();
    for (address, words) in RANGES {
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        let why = world.not_allowed(&["public"], &format!("https://{host}/x.yaml"));
        // An address is written in its shortest form.
        assert!(why.contains(words), "{address}: {why}");
    }
    assert_eq!(world.dns.asked(), [""; 0]);
}

#[test]
fn a_name_that_changes_its_mind_is_asked_once() {
    let world = World::new();
    world.host.has("/one", redirect("/two"));
    world.host.has("/two", ok(DOCUMENT));
    let dns = Arc::clone(&world.dns);
    // Whoever looked it up again would go to another address, which is not listed.
    world.host.on_request(move || dns.says("docs.example", "127.0.0.2"));
    world.fetch(&world.listed(), &world.url("/one")).unwrap();
    assert_eq!(world.host.heads().len(), 2);
    assert_eq!(world.dns.asked(), ["docs.example"; 2], "one question for A and one for AAAA");
    // The next fetch looks it up, and refuses.
    let again = world.fetch(&world.listed(), &world.url("/two"));
    assert!(matches!(again, Err(FetchError::NotAllowed(_))), "{again:?}");
}

#[test]
fn a_redirect_leaves_neither_its_host_nor_https() {
    let world = World::new();
    let elsewhere = Https::start(&world.authority, &["docs.example", "127.0.0.1"]);
    for location in [
        "https://127.0.0.1/x".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://docs.example/x".to_owned(),
        format!("https://docs.example:{}/x", elsewhere.port()),
        format!("https://127.0.0.1:{}/x", world.host.port()),
        format!("http://docs.example:{}/x", world.host.port()),
        "file:///etc/passwd".to_owned(),
        "//other.example/x".to_owned(),
    ] {
        world.host.has("/r", redirect(&location));
        world.failed("/r");
    }
    assert_eq!(elsewhere.heads().len(), 0);
    world.host.has("/loop", redirect("loop"));
    assert!(world.failed("/loop").contains("more than 3 times"));
}

#[test]
fn a_host_shows_a_certificate_for_its_name_by_an_authority_that_is_trusted() {
    let world = World::new();
    let other = Https::start(&world.authority, &["other.example"]);
    let stranger = Https::start(&Authority::new(), &["docs.example"]);
    for host in [&other, &stranger] {
        host.has("/x", ok(DOCUMENT));
        let items = [format!("docs.example:{}", host.port()), "127.0.0.1".to_owned()];
        let url = format!("https://docs.example:{}/x", host.port());
        let failed = world.fetch(&items, &url).unwrap_err();
        assert!(failed.to_string().contains("TLS with docs.example"), "{failed}");
        assert_eq!(host.heads().len(), 0);
    }
}

#[test]
fn an_answer_that_is_no_document_or_too_large_is_refused() {
    let world = World::new();
    let bytes = |text: &str| Reaction::Bytes(text.as_bytes().to_vec());
    world.host.has("/encoded", bytes("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"));
    world.host.has("/short", bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"));
    world.host.has("/noise", bytes("noise\r\n\r\n"));
    world.host.has("/large", bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 17 << 20)));
    for (path, told) in [
        ("/absent", "answered 404"),
        ("/encoded", "encoding gzip"),
        ("/short", "body ended"),
        ("/noise", "docs.example"),
        ("/large", "more than 16777216 bytes"),
    ] {
        let why = world.failed(path);
        assert!(why.contains(told), "{path}: {why}");
    }
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(1 << 20, b'#');
    world.host.has("/endless", Reaction::Endless(endless));
    assert!(world.failed("/endless").contains("more than 16777216 bytes"));
}

#[test]
fn a_host_that_never_answers_costs_a_bounded_time() {
    let world = World::new();
    world.host.has("/silent", Reaction::Silence);
    let (begun, limit) = (Instant::now(), Duration::from_millis(300));
    let failed = world.fetch_with(&world.listed(), &world.url("/silent"), RemoteRefs::Refused, limit).unwrap_err();
    assert!(failed.to_string().contains("no document within 0.3 s"), "{failed}");
    assert!(begun.elapsed() >= limit);
}

#[test]
fn documents_that_a_contract_refers_to_are_fetched_only_with_consent_and_by_the_same_rules() {
    let world = World::new();
    world.host.has("/d/chat.yaml", ok(DOCUMENT));
    world.host.has("/d/common.yaml", ok("text: {$ref: 'deep/more.yaml#/t'}\n"));
    world.host.has("/d/deep/more.yaml", ok("t: {type: string}\n"));
    let url = world.url("/d/chat.yaml");
    let alone = world.fetch(&world.listed(), &url).unwrap();
    assert_eq!((alone.names().count(), world.host.heads().len()), (1, 1));
    let all = world.fetch_with(&world.listed(), &url, RemoteRefs::Fetched, PATIENCE).unwrap();
    let names = ["/d/chat.yaml", "/d/common.yaml", "/d/deep/more.yaml"].map(|path| world.url(path));
    assert_eq!(all.names().collect::<Vec<_>>(), names);
    let contract = ringway::contract::read(&all, ringway::contract::Options::default());
    let unchecked = contract.model.unwrap().messages.into_iter().find_map(|message| message.unchecked);
    assert_eq!(unchecked, None, "{:?}", contract.problems);
    // Another host is refused, as it would be for the contract itself.
    for (reference, told) in [
        ("https://other.example/x.yaml", "contracts.allow_url_import"),
        ("https://169.254.169.254/x.yaml", "contracts.allow_url_import"),
        ("http://docs.example/x.yaml", "https only"),
    ] {
        world.host.has("/d/common.yaml", ok(&format!("text: {{$ref: '{reference}#/t'}}\n")));
        let refused = world.fetch_with(&world.listed(), &url, RemoteRefs::Fetched, PATIENCE).unwrap_err();
        assert!(refused.to_string().contains(told), "{reference}: {refused}");
    }
}

#[test]
fn a_node_fetches_a_contract_if_its_configuration_lists_the_host_and_a_reload_changes_that() {
    let world = World::new();
    world.host.has("/chat.yaml", ok("asyncapi: 2.6.0\nchannels: {/: {publish: {message: {payload: {}}}}}\n"));
    let [host, address] = world.listed();
    let configuration = |items: &[&str]| {
        let resolver = world.dns.address();
        format!("resolver = [\"{resolver}\"]\n\n[contracts]\nallow_url_import = {items:?}\n")
    };
    let home = Home::new(&configuration(&[]));
    let trusted = format!("SSL_CERT_FILE={}", world.folder.write("host.pem", &world.authority.pem()));
    let node = home.try_start_under(&["env", &trusted], &[]).unwrap_or_else(|(_, log)| panic!("{log}"));
    let wanted = json!({ "url": world.url("/chat.yaml") });
    let refused = node.admin.post("/contracts/fetch", &wanted).refused(403, "url-not-allowed");
    assert!(refused["detail"].as_str().unwrap().contains(&format!("contracts.allow_url_import = [\"{host}\"]")));
    home.configure(&configuration(&[&host, &address]));
    node.signal(libc::SIGHUP);
    let fetched = until("the host is listed", || {
        let answer = node.admin.post("/contracts/fetch", &wanted);
        (answer.status != 403).then_some(answer)
    });
    let fetched = fetched.expect(201);
    assert_eq!((&fetched["contract"]["main"], &fetched["routes"]), (&json!("chat.yaml"), &json!(1)));
    node.admin.post("/contracts/fetch", &wanted).expect(200);
    let absent = json!({ "url": world.url("/absent") });
    node.admin.post("/contracts/fetch", &absent).refused(502, "contract-not-fetched");
    let local = json!({ "url": "https://localhost/x" });
    node.admin.post("/contracts/fetch", &local).refused(403, "url-not-allowed");
    node.admin.post("/contracts/fetch", &json!({ "url": "http://a.example/x" })).refused(422, "fields-invalid");
}
