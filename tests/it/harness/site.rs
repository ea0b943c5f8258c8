//! A proxy with a certificate of its own for `proxy.test`, and upstreams that it trusts.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ServerConfig, SupportedProtocolVersion};

use super::pki::{Authority, Folder, Pair};
use super::process::Ringway;
use super::secure::{self, Shape, Tls};
use super::upstream::Upstream;
use super::{Peer, client};

/// The name that the proxy's certificate is for, and that [`client::handshake`] names as its host.
pub(crate) const NAME: &str = "proxy.test";
/// The name in an upstream's certificate. The upstream itself listens on an address.
pub(crate) const UPSTREAM: &str = "upstream.test";

/// An authority, and the files that it has filled.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) folder: Folder,
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let (authority, folder) = (Authority::new(), Folder::new());
        let (certificate, key) = authority.server(&[NAME]).write(&folder, "server");
        let ca = folder.write("ca.pem", &authority.pem());
        Self { authority, folder, ca, certificate, key }
    }

    /// `ringway proxy` that speaks TLS with clients, and plain text with the upstream.
    #[track_caller]
    pub(crate) fn downstream(&self, target: SocketAddr, more: &[&str]) -> Ringway {
        Ringway::proxy(target, &[&["--tls-cert", &self.certificate, "--tls-key", &self.key], more].concat())
    }

    /// `ringway proxy` that speaks plain text with clients, and TLS with the upstream.
    #[track_caller]
    pub(crate) fn upstream(&self, target: SocketAddr, more: &[&str]) -> Ringway {
        let url = format!("wss://{target}");
        let options = ["--upstream-ca", &self.ca, "--upstream-server-name", UPSTREAM];
        Ringway::proxy_to(&url, Some(target), &[&options, more].concat())
    }

    /// `ringway proxy` that speaks TLS on both sides.
    #[track_caller]
    pub(crate) fn both(&self, target: SocketAddr, more: &[&str]) -> Ringway {
        self.upstream(target, &[&["--tls-cert", &self.certificate, "--tls-key", &self.key], more].concat())
    }

    /// The TLS configuration of an upstream that the proxy trusts.
    pub(crate) fn upstream_config(&self) -> Arc<ServerConfig> {
        secure::server_config(&self.upstream_pair())
    }

    pub(crate) fn upstream_pair(&self) -> Pair {
        self.authority.server(&[UPSTREAM])
    }

    /// A client of the proxy, whose TLS stands.
    #[track_caller]
    pub(crate) fn connect(&self, ringway: &Ringway) -> Peer<Tls> {
        secure::connect(ringway.address(), NAME, secure::client_config(&self.authority))
    }

    /// An open tunnel with TLS on both sides.
    #[track_caller]
    pub(crate) fn tunnel(&self, more: &[&str]) -> SecureTunnel {
        let upstream = Upstream::listen();
        let ringway = self.both(upstream.address(), more);
        let client = self.connect(&ringway);
        let (client, upstream_end, _) = switch(client, || upstream.accept_tls(&self.upstream_config()));
        ringway.keep(upstream);
        SecureTunnel { client, upstream: upstream_end, ringway }
    }
}

/// An open tunnel, taken apart as [`super::Tunnel`] is.
pub(crate) struct SecureTunnel {
    pub(crate) client: Peer<Tls>,
    pub(crate) upstream: Peer<Tls>,
    pub(crate) ringway: Ringway,
}

/// Both ends of a handshake, over whatever they speak, and the request that the upstream got.
#[track_caller]
pub(crate) fn switch<C, U>(mut client: Peer<C>, accept: impl FnOnce() -> Peer<U>) -> (Peer<C>, Peer<U>, String)
where
    C: std::io::Read + std::io::Write,
    U: std::io::Read + std::io::Write,
{
    client.send(client::handshake("/", "").as_bytes());
    let mut upstream = accept();
    let request = upstream.head();
    upstream.switch(&request, "");
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, upstream, request)
}

/// A tunnel of one version of TLS, whose peers cut what they send.
#[track_caller]
pub(crate) fn shaped(site: &Site, version: &'static SupportedProtocolVersion, shape: Shape) -> SecureTunnel {
    let upstream = Upstream::listen();
    let ringway = site.both(upstream.address(), &[]);
    let config = secure::versions_config(&site.authority, &[version]);
    let client = secure::connect_shaped(ringway.address(), NAME, config, shape);
    let server_config = secure::server_versions(&site.upstream_pair(), &[version]);
    let (client, upstream_end, _) = switch(client, || {
        let mut tls = Tls::server(upstream.accept().stream, server_config);
        tls.shape = shape;
        tls.shake_hands().expect("TLS comes about");
        Peer::new(tls)
    });
    ringway.keep(upstream);
    SecureTunnel { client, upstream: upstream_end, ringway }
}
