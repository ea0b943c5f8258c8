//! Other people's programs speak TLS with the real process: openssl, curl, Node and a browser, as clients and upstreams.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::frame::{CLOSE, FIN, close_body, masked, plain};
use crate::harness::pki::Pair;
use crate::harness::site::{NAME, Site, switch};
use crate::harness::{EchoServer, Peer, Ringway, Upstream, browser, client, tools, until};

/// A program whose standard input and output are a connection's two directions. What it says besides is kept.
struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    came: Arc<Mutex<Vec<u8>>>,
    read: usize,
    talk: Arc<Mutex<Vec<u8>>>,
}

impl Piped {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (came, talk) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
        Self { stdin: child.stdin.take(), child, came, read: 0, talk }
    }

    /// All that came, as far as it is text.
    fn shown(&self) -> String {
        let (came, talk) = (self.came.lock().unwrap(), self.talk.lock().unwrap());
        String::from_utf8_lossy(&came).into_owned() + &String::from_utf8_lossy(&talk)
    }

    /// Waits for a word, and goes on reading at its beginning.
    #[track_caller]
    fn seek(&mut self, word: &str) {
        let found = until(&format!("{word:?} is said"), || {
            let came = self.came.lock().unwrap();
            came.get(self.read..)?.windows(word.len()).position(|window| window == word.as_bytes())
        });
        self.read += found;
    }
}

impl Read for Piped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let new = until("something comes", || {
            let came = self.came.lock().unwrap();
            came.get(self.read..).filter(|new| !new.is_empty()).map(<[u8]>::to_vec)
        });
        let n = new.len().min(into.len());
        into[..n].copy_from_slice(&new[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Piped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(bytes)?;
        stdin.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&bytes);
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().extend(&chunk[..n]);
        }
    });
    bytes
}

/// `openssl s_client` to a proxy, whose certificate it verifies.
fn s_client(site: &Site, ringway: &Ringway, options: &[&str]) -> Peer<Piped> {
    let to = ringway.address().to_string();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &to, "-servername", NAME, "-CAfile", &site.ca]);
    command.args(["-verify_return_error", "-verify_hostname", NAME, "-ign_eof"]);
    Peer::new(Piped::start(command.args(options)))
}

/// `openssl s_server` as an upstream, and where it listens.
fn s_server(site: &Site, pair: &Pair, options: &[&str]) -> (Peer<Piped>, std::net::SocketAddr) {
    let (certificate, key) = pair.write(&site.folder, "s_server");
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-key", &key, "-naccept", "1"]);
    let mut piped = Piped::start(command.args(options));
    piped.seek("ACCEPT 127.0.0.1:");
    let address = until("it says where it listens", || {
        let shown = piped.shown();
        let (line, _) = shown.split_once("ACCEPT ")?.1.split_once('\n')?;
        line.trim().parse().ok()
    });
    (Peer::new(piped), address)
}

#[test]
fn openssl_carries_a_websocket_by_hand() {
    if !tools::has("openssl") {
        return;
    }
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &["--log-format", "json"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut peer = s_client(&site, &ringway, &["-quiet", version, "-alpn", "http/1.1"]);
        peer.send(client::handshake("/", "").as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer.say("by hand");
        peer.hears("by hand");
        peer.send(&masked(FIN | CLOSE, &close_body(1000, "")));
        assert_eq!(peer.close().0, Some(1000));
        drop(peer);
        ringway.logged("closed by client");
    }
}

#[test]
fn what_is_older_than_tls_1_2_is_refused() {
    if !tools::has("openssl") {
        return;
    }
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &[]);
    for version in ["-tls1", "-tls1_1"] {
        let peer = s_client(&site, &ringway, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
        until("it is refused", || peer.stream.shown().contains("SSL alert number").then_some(()));
    }
    ringway.logged("tls handshake failed: tls-incompatible");
}

#[test]
fn openssl_resumes_its_session_and_is_offered_no_early_data() {
    if !tools::has("openssl") {
        return;
    }
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.folder.path("session.pem");
        for (option, says) in [("-sess_out", "New, TLSv1."), ("-sess_in", "Reused, TLSv1.")] {
            let mut peer = s_client(&site, &ringway, &[version, option, &session]);
            peer.send(client::handshake("/", "").as_bytes());
            peer.stream.seek("HTTP/1.1 101 ");
            peer.send(&masked(FIN | CLOSE, &close_body(1000, "")));
            until("it ends", || peer.stream.child.try_wait().unwrap());
            // All has been read when the reader has let go of it.
            until("its words have been read", || (Arc::strong_count(&peer.stream.came) == 1).then_some(()));
            let shown = peer.stream.shown();
            assert!(shown.contains(says), "{version}: {shown}");
            if version == "-tls1_3" {
                assert!(shown.contains("New Session Ticket arrived"), "{shown}");
                assert!(shown.contains("Max Early Data: 0"), "{shown}");
            }
        }
    }
}

#[test]
fn a_client_that_would_renegotiate_is_not_followed_and_disturbs_nobody() {
    if !tools::has("openssl") {
        return;
    }
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--cpus", "0"]);
    let (mut other, mut other_server, _) = switch(site.connect(&ringway), || upstream.accept());
    // Commands are read in place of data where the end of input ends it.
    let to = ringway.address().to_string();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &to, "-servername", NAME, "-CAfile", &site.ca, "-tls1_2"]);
    let mut peer = Peer::new(Piped::start(&mut command));
    peer.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    peer.stream.seek("HTTP/1.1 101 ");
    peer.send(b"R\n");
    until("it asks for a new handshake", || peer.stream.shown().contains("RENEGOTIATING").then_some(()));
    // openssl takes the refusal for fatal.
    server.ends();
    drop(server);
    ringway.logged("client broken: tls-");
    other.say("undisturbed");
    other_server.hears("undisturbed");
}

#[test]
fn openssl_is_an_upstream() {
    if !tools::has("openssl") {
        return;
    }
    let site = Site::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let (mut server, address) = s_server(&site, &site.upstream_pair(), &[version]);
        let ringway = site.upstream(address, &[]);
        let mut peer = Peer::connect(ringway.address());
        peer.send(client::handshake("/", "").as_bytes());
        server.stream.seek("GET / ");
        let request = server.head();
        server.switch(&request, "");
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        server.answer("by hand");
        peer.hears("by hand");
        peer.send(&masked(FIN | CLOSE, &close_body(1000, "")));
        assert_eq!(server.close().0, Some(1000));
        server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
        assert_eq!(peer.close().0, Some(1000));
        peer.ends();
    }
}

/// The output of `curl` for an upgrade.
fn curl(port: u16, options: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "-N", "--max-time", "60", "--noproxy", "*"]);
    command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
    command.args(["-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H", "Sec-WebSocket-Version: 13"]);
    command.args(["-H", &format!("Sec-WebSocket-Key: {}", client::KEY)]);
    command.args(options).arg(format!("https://{NAME}:{port}/")).output().unwrap()
}

#[test]
fn curl_gets_a_101_over_tls_and_only_from_whom_it_trusts() {
    if !tools::has("curl") {
        return;
    }
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &[]);
    let (port, ca) = (ringway.address().port(), site.ca.as_str());
    let output = std::thread::scope(|scope| {
        let asking = scope.spawn(|| curl(port, &["--cacert", ca]));
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        server.answer("to curl");
        server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
        server.finish();
        asking.join().unwrap()
    });
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{output:?}");
    assert!(answer.contains("to curl"), "{answer}");
    // 60: the certificate is not trusted.
    assert_eq!(curl(port, &[]).status.code(), Some(60));
    ringway.logged("tls handshake failed: tls-alert-received 48");
}

/// Node, running a script against a proxy whose certificate it verifies.
fn node(script: &str, options: &[&str]) -> Output {
    let (site, server) = (Site::new(), EchoServer::start());
    let (certificate, key) = site.authority.server(&["127.0.0.1"]).write(&site.folder, "node");
    let ringway = Ringway::proxy(server.address(), &["--tls-cert", &certificate, "--tls-key", &key]);
    Command::new("node")
        .args(options)
        .args(["-e", script, &ringway.address().to_string()])
        .env("NODE_EXTRA_CA_CERTS", &site.ca)
        .output()
        .unwrap()
}

/// Node's HTTP client, which every version of it has: the request and the frames are made by hand, the TLS is its own.
#[test]
fn node_upgrades_a_request_over_tls() {
    const SCRIPT: &str = "
        const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13,
            'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
        const request = require('https').request('https://' + process.argv[1] + '/', { headers });
        request.on('error', (error) => { console.log('error', error.message); process.exit(1); });
        request.on('upgrade', (response, socket, head) => {
            // Masked with zeros: as it is.
            const frame = (first, payload) => Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
            let came = head;
            const look = () => {
                if (came.length >= 11 && !socket.writableEnded) {
                    console.log(response.statusCode, came.subarray(2, 11).toString());
                    socket.end(frame(0x88, Buffer.from([0x03, 0xe8])));
                }
            };
            socket.on('data', (data) => { came = Buffer.concat([came, data]); look(); });
            socket.on('end', () => console.log('closed', came.readUInt16BE(13)));
            socket.write(frame(0x81, Buffer.from('from node')));
        });
        request.end();
    ";
    if !tools::has("node") {
        return;
    }
    let output = node(SCRIPT, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "101 from node\nclosed 1000\n", "{output:?}");
}

/// Node's own WebSocket client, which came with version 20.10.
#[test]
fn node_carries_a_websocket_over_tls() {
    const SCRIPT: &str = "
        const socket = new WebSocket('wss://' + process.argv[1] + '/');
        socket.onopen = () => socket.send('from node');
        socket.onmessage = ({ data }) => { console.log(data); socket.close(1000); };
        socket.onerror = ({ message, error }) => { console.log('error', message, error); process.exit(1); };
        socket.onclose = ({ code }) => console.log('closed', code);
    ";
    if !tools::has("node") {
        return;
    }
    let output = node(SCRIPT, &["--experimental-websocket"]);
    // 9: an option that it does not know.
    if output.status.code() == Some(9) {
        let _ = writeln!(
            io::stderr(),
            "skipped: this node has no WebSocket of its own (20.10 brings it); its HTTP client has a test too"
        );
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from node\nclosed 1000\n", "{output:?}");
}

#[test]
fn python_carries_a_websocket_over_tls_on_both_sides() {
    const SERVER: &str = "
import base64, hashlib, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(('127.0.0.1', 0))
print('listening on', listener.getsockname()[1], flush=True)
stream = context.wrap_socket(listener.accept()[0], server_side=True)
request = b''
while not request.endswith(b'\\r\\n\\r\\n'):
    request += stream.recv(1)
key = next(line.split(b':')[1].strip() for line in request.split(b'\\r\\n') if line.lower().startswith(b'sec-websocket-key'))
accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()).decode()
stream.sendall(f'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: {accept}\\r\\n\\r\\n'.encode())
stream.sendall(b'\\x81\\x0bfrom python')
print('heard', stream.recv(100).hex(), flush=True)
stream.sendall(b'\\x88\\x02\\x03\\xe8')
print('unwrapped', stream.recv(100).hex(), stream.unwrap() is not None, flush=True)
";
    if !tools::has("python3") {
        return;
    }
    let site = Site::new();
    let (certificate, key) = site.upstream_pair().write(&site.folder, "python");
    let mut command = Command::new("python3");
    let mut server = Piped::start(command.args(["-c", SERVER, &certificate, &key]));
    server.seek("listening on ");
    let port: u16 = until("it says where it listens", || {
        let shown = server.shown();
        shown.split_once("listening on ")?.1.split_once('\n')?.0.trim().parse().ok()
    });
    let ringway = site.both(([127, 0, 0, 1], port).into(), &[]);
    let mut peer = site.connect(&ringway);
    peer.send(client::handshake("/", "").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer.hears("from python");
    let message = masked(FIN | 1, b"from rust");
    peer.send(&message);
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    server.seek(&format!("heard {hex}"));
    assert_eq!(peer.close().0, Some(1000));
    peer.send(&masked(FIN | CLOSE, &close_body(1000, "")));
    // The proxy's close_notify comes behind the close frame: python's own needs it.
    server.seek("unwrapped 88");
    server.seek("True");
    peer.finish_tls();
    peer.ends();
}

/// The hash of a certificate's key, as Chromium wants it: the one certificate that it is to take though it does not know
/// the authority.
fn key_hash(pair: &Pair) -> String {
    let mut openssl =
        Piped::start(Command::new("sh").args([
            "-c",
            "openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | openssl base64; echo end",
        ]));
    openssl.write_all(pair.key.serialize_pem().as_bytes()).unwrap();
    openssl.stdin = None;
    openssl.seek("end");
    openssl.shown().lines().next().unwrap().to_owned()
}

#[test]
fn a_browser_carries_a_websocket_over_tls_and_refuses_whom_it_does_not_know() {
    let Some(found) = browser::find() else { return };
    if !tools::has("openssl") {
        return;
    }
    let (site, upstream) = (Site::new(), Upstream::listen());
    let pair = site.authority.server(&["127.0.0.1"]);
    let (certificate, key) = pair.write(&site.folder, "browser");
    let ringway = Ringway::proxy(upstream.address(), &["--tls-cert", &certificate, "--tls-key", &key]);
    let page = format!(
        "<!DOCTYPE html><script>const socket=new WebSocket('wss://{}/from-a-page');\
         socket.onopen=()=>socket.send('hello');\
         socket.onmessage=({{data}})=>{{socket.send('heard '+data);socket.close(4000,'enough')}}</script>",
        ringway.address()
    );
    // From this host: a page from elsewhere has to be let into the local network first.
    let page = browser::page_server(&page);
    let known = format!("--ignore-certificate-errors-spki-list={}", key_hash(&pair));
    let browse = |profile: &str, options: &[&str]| {
        let mut command = browser::command(&found, &site.folder.path(profile));
        Piped::start(command.args(options).arg(&page))
    };
    let stranger = browse("stranger", &[]);
    // 46, certificate_unknown: it does not say more.
    ringway.logged("tls handshake failed: tls-alert-received 46");
    drop(stranger);
    assert!(upstream.try_accept().is_none());
    let _shown = browse("known", &[&known]);
    let mut server = upstream.accept();
    let request = server.head();
    assert!(request.starts_with("GET /from-a-page HTTP/1.1\r\n"), "{request}");
    // It offers compression, which is not taken up.
    server.switch(&request, "");
    server.hears("hello");
    server.answer("a browser");
    server.hears("heard a browser");
    assert_eq!(server.close(), (Some(4000), "enough".to_owned()));
    server.send(&plain(FIN | CLOSE, &close_body(4000, "enough")));
    server.ends();
    ringway.logged("closed by client");
}
