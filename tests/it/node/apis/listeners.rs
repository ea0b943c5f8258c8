//! Where an API is served: on the listener of its access mode, under its environment's hosts, over what TLS and behind what
//! balancer the listener says.

use serde_json::json;

use crate::harness::client::handshake;
use crate::harness::node::{Node, alive, refuses, through, told, ws};
use crate::harness::peer::header;
use crate::harness::pki::{Authority, Folder};
use crate::harness::{Peer, Upstream, nobody, secure, until};

#[test]
fn an_internal_api_is_served_on_the_internal_listener_alone() {
    let (node, upstream) = (Node::start("drain_window_ms = 1"), Upstream::listen());
    let new = json!({ "name": "Chat", "version": "1.0", "targets": [ws(upstream.address())], "access": "internal" });
    let api = node.make_with(&new);
    let deployed = node.deploy(&api, "development");
    let base = "/default/chat/v1.0";
    assert_eq!(deployed["url"], format!("ws://{}{base}", node.internal("development")));
    refuses(node.external("development"), base, 404, "route-not-found");
    let (client, server, ..) = through(node.internal("development"), base, &upstream);
    let (_, external) = node.serve("News", &[ws(upstream.address())]);
    refuses(node.internal("development"), &external, 404, "route-not-found");

    // Made external it moves, and who came by the internal listener is not served there any more.
    let definition = json!({ "name": "Chat", "targets": [ws(upstream.address())], "access": "external" });
    node.admin.put(&api, &definition).expect(200);
    refuses(node.external("development"), base, 404, "route-not-found");
    node.deploy(&api, "development");
    refuses(node.internal("development"), base, 404, "route-not-found");
    told(client, server, (1001, 1001));
    let (mut outside, mut outside_server, ..) = through(node.external("development"), base, &upstream);
    alive(&mut outside, &mut outside_server);
}

fn at_host(at: std::net::SocketAddr, path: &str, host: &str) -> Peer {
    let mut client = Peer::connect(at);
    client.send(handshake(path, "").replace("Host: proxy.test", &format!("Host: {host}")).as_bytes());
    client
}

#[test]
fn environments_that_share_a_listener_are_told_apart_by_host() {
    // Two environments cannot share a port that nobody knows yet. It is held all the while, so that no other test is given it.
    let (_held, address) = nobody();
    let port = address.port();
    let configuration = format!(
        "\n[[environments]]\nname = \"development\"\nhosts = [\"dev.example.com\", \"*.dev.example.com\"]\n\
         external.listen = \"127.0.0.1:{port}\"\ninternal.listen = \"127.0.0.1:0\"\n\
         [[environments]]\nname = \"production\"\nhosts = [\"api.example.com\"]\n\
         external.listen = \"127.0.0.1:{port}\"\ninternal.listen = \"127.0.0.1:0\"\n"
    );
    let node = Node::with(&configuration);
    let (dev, prod) = (Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(dev.address())]);
    let own = json!({ "targets": [ws(prod.address())] });
    let deployed = node.admin.put(&format!("{api}/deployments/production"), &own).expect(201);
    assert_eq!(deployed["url"], format!("ws://api.example.com:{port}{base}"));
    let at = node.external("development");
    for (host, upstream) in [
        ("dev.example.com", &dev),
        ("DEV.example.com:80", &dev),
        ("dev.example.com.", &dev),
        ("me.dev.example.com", &dev),
        ("api.example.com", &prod),
        ("api.example.com:8443", &prod),
    ] {
        let mut client = at_host(at, &base, host);
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "), "{host}");
        assert_eq!(header(&request, "host"), Some(&*upstream.address().to_string()), "the target's own");
        alive(&mut client, &mut server);
    }
    for host in ["example.com", "other.example.com", "127.0.0.1", "api.example.com.evil.test"] {
        let answer = at_host(at, &base, host).head();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{host}: {answer}");
    }
}

#[test]
fn each_listener_has_its_own_certificate_and_balancers() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new(), Upstream::listen());
    let (dev, dev_key) = authority.server(&["dev.test"]).write(&folder, "dev");
    let (prod, prod_key) = authority.server(&["prod.test"]).write(&folder, "prod");
    let configuration = format!(
        "\n[[environments]]\nname = \"development\"\ninternal.listen = \"127.0.0.1:0\"\n\
         external = {{ listen = \"127.0.0.1:0\", tls = [{{ cert = \"{dev}\", key = \"{dev_key}\" }}] }}\n\
         [[environments]]\nname = \"production\"\ninternal.listen = \"127.0.0.1:0\"\n\
         external = {{ listen = \"127.0.0.1:0\", proxy_protocol = [\"127.0.0.1\"], tls = [{{ cert = \"{prod}\", key = \"{prod_key}\" }}] }}\n"
    );
    let node = Node::with(&configuration);
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let deployed = node.deploy(&api, "production");
    assert_eq!(deployed["url"], format!("wss://{}{base}", node.external("production")));

    let open = |mut client: Peer<secure::Tls>, host: &str| {
        client.send(handshake(&base, "").replace("proxy.test", host).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "), "{host}");
        client.say("up");
        server.hears("up");
        server.answer("down");
        client.hears("down");
        request
    };
    let config = secure::client_config(&authority);
    let request = open(secure::connect(node.external("development"), "dev.test", config.clone()), "dev.test");
    assert_eq!(header(&request, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&request, "x-forwarded-proto"), Some("https"));

    // Behind the balancer of production's listener alone.
    let mut wire = Peer::connect(node.external("production"));
    wire.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
    let mut tls = secure::Tls::client(wire.stream, config.clone().into(), "prod.test");
    tls.shake_hands().unwrap();
    let request = open(Peer::new(tls), "prod.test");
    assert_eq!(header(&request, "x-forwarded-for"), Some("192.0.2.7"));
    node.logged("client=192.0.2.7:56324");

    // The other's certificate is not this one's, and without the header there is nothing to be had.
    let wire = Peer::connect(node.external("development"));
    assert!(secure::Tls::client(wire.stream, config.clone().into(), "prod.test").shake_hands().is_err());
    let wire = Peer::connect(node.external("production"));
    assert!(secure::Tls::client(wire.stream, config.clone().into(), "prod.test").shake_hands().is_err());
    refuses(node.external("development"), &base, 400, "tls-expected");
}

#[test]
fn targets_in_tls_are_verified_with_what_their_environment_trusts() {
    let (folder, authority, stranger) = (Folder::new(), Authority::new(), Authority::new());
    let ca = folder.write("ca.pem", &authority.pem());
    let configuration = format!(
        "\n[[environments]]\nname = \"development\"\nexternal.listen = \"127.0.0.1:0\"\ninternal.listen = \"127.0.0.1:0\"\n\
         upstream_tls.ca = [\"{ca}\"]\n"
    );
    let node = Node::with(&configuration);
    let serves = |name: &str, authority: &Authority| {
        let upstream = Upstream::listen();
        let url = format!("wss://127.0.0.1:{}", upstream.address().port());
        let (_, base) = node.serve(name, &[url]);
        (upstream, secure::server_config(&authority.server(&["127.0.0.1"])), base)
    };
    let (upstream, config, base) = serves("Chat", &authority);
    let mut client = Peer::connect(node.external("development"));
    client.send(handshake(&base, "").as_bytes());
    let mut server = upstream.accept_tls(&config);
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.say("up");
    server.hears("up");

    let (upstream, config, base) = serves("Strange", &stranger);
    let mut client = Peer::connect(node.external("development"));
    client.send(handshake(&base, "").as_bytes());
    let mut tls = secure::Tls::server(upstream.accept().stream, config);
    let _ = tls.shake_hands();
    assert!(client.head().starts_with("HTTP/1.1 502 "));
    let (body, _) = client.rest();
    assert!(String::from_utf8_lossy(&body).contains("upstream-certificate-untrusted"));
}

#[test]
fn a_reload_takes_a_renewed_certificate_and_touches_nobody() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new(), Upstream::listen());
    let (cert, key) = authority.server(&["one.test"]).write(&folder, "server");
    let configuration = format!(
        "drain_window_ms = 1\n[[environments]]\nname = \"development\"\ninternal.listen = \"127.0.0.1:0\"\n\
         external = {{ listen = \"127.0.0.1:0\", tls = [{{ cert = \"{cert}\", key = \"{key}\" }}] }}\n"
    );
    let node = Node::with(&configuration);
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let config = secure::client_config(&authority);
    let mut client = secure::connect(node.external("development"), "one.test", config.clone());
    client.send(handshake(&base, "").replace("proxy.test", "one.test").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));

    authority.server(&["two.test"]).write(&folder, "server");
    node.signal(libc::SIGHUP);
    until("the new certificate is shown", || {
        let wire = Peer::connect(node.external("development"));
        secure::Tls::client(wire.stream, config.clone().into(), "two.test").shake_hands().ok()
    });
    client.say("still here");
    server.hears("still here");
    assert_eq!(node.admin.delete(&api).status, 204);
    assert_eq!(client.close().0, Some(1001));
}
