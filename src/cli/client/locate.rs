//! Finds the address of a node and its token: in the files of a state directory, or in what the command line names. The
//! values are checked before they are used.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use crate::cli::environment::{ADMIN, STATE, Variables};
use crate::cli::global_options::GlobalOptions;
use crate::cli::{Failure, output, program};
use crate::control::state_dir::{self, ADMIN_ADDRESS, ADMIN_TOKEN};
use crate::proto::authority::{Authority, bracketed, reached_locally};
use crate::tls::pem::PemFile;

/// The most bytes that are read of either file.
const MAX_FILE_BYTES: u64 = 4096;

/// The address and the token of a node, and how they were found.
#[derive(Debug)]
pub(super) struct NodeAccess {
    /// `http://ADDRESS` or `https://NAME`, without a slash at its end.
    pub(super) base: String,
    pub(super) token: String,
    /// The host in `--admin`, if it is not this one.
    pub(super) remote_host: Option<String>,
    /// The address to dial for a node on this host that speaks TLS, whatever name its certificate has.
    pub(super) dialled: Option<SocketAddr>,
    by: By,
}

#[derive(Debug)]
enum By {
    State(PathBuf),
    Admin,
}

impl fmt::Display for NodeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::State(directory) => write!(f, "{} (from {})", self.base, directory.join(ADMIN_ADDRESS).display()),
            By::Admin => write!(f, "{} (from --admin)", self.base),
        }
    }
}

impl NodeAccess {
    /// The reason that a node cannot be reached, and what to do.
    pub(super) fn unreachable(&self, error: &ureq::Error) -> String {
        let why = match error {
            ureq::Error::Io(error) => reason(error),
            ureq::Error::Timeout(at) => format!("it took too long ({at})"),
            ureq::Error::HostNotFound => "the name is not known".to_owned(),
            other => other.to_string(),
        };
        let program = program::name();
        let advice = match &self.by {
            By::State(directory) => format!(
                "is a node running with this state directory? `{program} serve --state {}` starts one; --state DIR or \
                 --admin URL names another one",
                directory.display()
            ),
            By::Admin => "is it the address of a node's admin listener, and may this host connect to it?".to_owned(),
        };
        format!("no answer from {self}: {why}\n  {advice}")
    }
}

/// Finds the node that the command line names, or else the environment.
pub(super) fn node(globals: &GlobalOptions) -> Result<NodeAccess, Failure> {
    named_by(globals, Variables::read())
}

fn named_by(globals: &GlobalOptions, variables: Variables) -> Result<NodeAccess, Failure> {
    let mut line = globals.clone();
    // An option that names a node decides over every variable that does.
    if line.state.is_none() && line.admin.is_none() {
        let Variables { state, admin, token_file } = variables;
        if state.is_some() && admin.is_some() {
            let both = format!("{STATE} and {ADMIN} name two nodes; unset one of them, or give --state or --admin");
            return Err(Failure::Usage(both));
        }
        line.state = state;
        line.admin = admin.map(|url| url.to_string_lossy().into_owned());
        line.token_file = line.token_file.or(token_file);
    } else if line.admin.is_some() {
        line.token_file = line.token_file.or(variables.token_file);
    }
    chosen(&line)
}

fn chosen(globals: &GlobalOptions) -> Result<NodeAccess, Failure> {
    let usage = |why: &str| Err(Failure::Usage(why.to_owned()));
    match (&globals.admin, &globals.token_file) {
        (Some(_), _) if globals.state.is_some() => usage("--state and --admin name two nodes; give one of them"),
        (Some(url), Some(token)) => named(url, token, globals.admin_ca.as_deref()),
        (Some(_), None) => {
            usage("--admin needs --token-file FILE, or RINGWAY_TOKEN_FILE: the file with that node's admin token")
        }
        (None, token) => here(
            globals.state.as_deref().unwrap_or(Path::new(state_dir::DEFAULT)),
            token.as_deref(),
            globals.admin_ca.as_deref(),
        ),
    }
}

/// A node on this host. Its token is in the directory, or in `token_file`.
fn here(directory: &Path, token_file: Option<&Path>, ca: Option<&Path>) -> Result<NodeAccess, Failure> {
    let path = directory.join(ADMIN_ADDRESS);
    let text = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (shown, program) = (directory.display(), program::name());
            let what = if directory.is_dir() { "no node is running with it" } else { "there is no such directory" };
            return Err(Failure::Failed(format!(
                "{shown}: {what}\n  `{program} serve --state {shown}` starts a node; --state DIR, or --admin URL with \
                 --token-file FILE, names another one"
            )));
        }
        result => result.map_err(|error| unreadable(&path, &error))?,
    };
    let (first, second) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    let address: SocketAddr = first
        .trim()
        .parse()
        .map_err(|_| Failure::Failed(format!("{}: there is no address in it; restart the node", path.display())))?;
    let own = directory.join(ADMIN_TOKEN);
    let token = token(token_file.unwrap_or(&own))?;
    let address = reached_locally(address);
    let (base, dialled) = match second.strip_prefix("https ") {
        Some(name) => (format!("https://{}:{}", bracketed(name.trim()), address.port()), Some(address)),
        None if ca.is_some() => {
            return Err(Failure::Usage(format!("--admin-ca goes with https, and {first} speaks plain HTTP")));
        }
        None => (format!("http://{address}"), None),
    };
    Ok(NodeAccess { base, token, remote_host: None, dialled, by: By::State(directory.to_owned()) })
}

/// A node that `--admin` names.
fn named(url: &str, token_file: &Path, ca: Option<&Path>) -> Result<NodeAccess, Failure> {
    let unfit = |why: &str| Failure::Configuration(format!("--admin {}: {why}", shown_url(url)));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| unfit("it must begin with http:// or https://"))?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(unfit("it must begin with http:// or https://"));
    }
    if scheme == "http" && ca.is_some() {
        return Err(Failure::Usage("--admin-ca goes with --admin https://..".to_owned()));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let authority =
        Authority::parse(authority).map_err(|_| unfit("it must be a host and a port, without user, path or query"))?;
    let base = format!("{scheme}://{}", authority.as_str());
    // A URL may hold more than the client can ask for.
    base.parse::<ureq::http::Uri>().map_err(|_| unfit("it is not a URL"))?;
    let is_local = authority.host() == "localhost" || authority.address().is_some_and(|address| address.is_loopback());
    if scheme == "http" && !is_local {
        output::note(
            "ringway: --admin http://..: the token goes to another host unencrypted; use https://, or a tunnel",
        );
    }
    let remote_host = (!is_local).then(|| authority.host().to_owned());
    Ok(NodeAccess { base, token: token(token_file)?, remote_host, dialled: None, by: By::Admin })
}

/// A URL that may be printed: text before an `@` may be a secret and is left out.
fn shown_url(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("..@{}", output::without_controls(rest)),
        None => output::without_controls(url),
    }
}

fn token(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut line = String::new();
        io::stdin().lock().take(MAX_FILE_BYTES).read_line(&mut line).map(|_| line)
    } else {
        read(path)
    };
    let text = text.map_err(|error| unreadable(path, &error))?;
    let token = text.trim();
    // The content is not shown, because it may be another secret.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::NotAuthorised(format!("{}: there is no token in it", path.display())));
    }
    Ok(token.to_owned())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::NotAuthorised(format!(
            "{shown}: {}; only the user that the node runs as may read it",
            reason(error)
        )),
        _ => Failure::Failed(format!("{shown}: {}", reason(error))),
    }
}

/// The text of an error without the number of the operating system.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The authorities that the client trusts for an https:// node.
pub(in crate::cli) fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(path) = file else {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = "this host's store of trusted authorities is empty; install ca-certificates, or give --admin-ca";
            return Err(Failure::Configuration(why.to_owned()));
        }
        return Ok(found.certs);
    };
    let file = PemFile::new("--admin-ca", path);
    let certificates = file.read().and_then(|bytes| file.certificates(&bytes));
    certificates.map_err(|error| Failure::Configuration(error.to_string()))
}

/// The operating system's user, as the actor for the audit: visible ASCII, at most 64 characters.
pub(super) fn user() -> String {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").map(|own| own.uid()).ok();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = uid.and_then(|uid| name_of(uid, &users).map(str::to_owned));
    let name = name.or_else(|| std::env::var("USER").ok()).unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    match uid {
        Some(uid) if name.is_empty() => format!("uid-{uid}"),
        None if name.is_empty() => "unknown".to_owned(),
        _ => name,
    }
}

fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::{NodeAccess, Variables, name_of, named_by, node};
    use crate::cli::client::testing::{at_state, at_url, default_options};
    use crate::tls::testing::Folder;

    fn found(globals: &crate::cli::global_options::GlobalOptions) -> Result<NodeAccess, (u8, String)> {
        node(globals).map_err(|failure| {
            let (why, code) = failure.into_message_and_code();
            (code, why)
        })
    }

    #[test]
    fn a_state_directory_tells_where_the_node_is_and_lets_in() {
        let folder = Folder::new();
        folder.write("admin.addr", "0.0.0.0:9600\n");
        let token = folder.write("admin-token", "secret-token\n");
        let found = found(&at_state(token.parent().unwrap())).unwrap();
        assert_eq!((found.base.as_str(), found.token.as_str()), ("http://127.0.0.1:9600", "secret-token"));
        assert_eq!(found.remote_host, None);
        assert!(found.to_string().ends_with("/admin.addr)"), "{found}");
    }

    #[test]
    fn a_node_that_speaks_tls_is_dialled_where_it_listens_and_verified_by_its_name() {
        let folder = Folder::new();
        let token = folder.write("admin-token", "secret-token\n");
        for (written, base) in [
            ("0.0.0.0:9600\nhttps node.example.com\n", "https://node.example.com:9600"),
            ("127.0.0.1:9600\nhttps 127.0.0.1\n", "https://127.0.0.1:9600"),
            ("[::1]:9600\nhttps ::1\n", "https://[::1]:9600"),
        ] {
            folder.write("admin.addr", written);
            let found = found(&at_state(token.parent().unwrap())).unwrap();
            let dialled = found.dialled.unwrap();
            assert_eq!(found.base, base);
            assert!(dialled.ip().is_loopback() && dialled.port() == 9600, "{dialled}");
        }
    }

    #[test]
    fn a_directory_without_a_node_says_what_to_do_and_never_what_is_in_a_file() {
        let folder = Folder::new();
        let missing = folder.path("none");
        let (code, why) = found(&at_state(&missing)).unwrap_err();
        assert!(code == 1 && why.contains("no such directory") && why.contains(" serve --state"), "{why}");
        let address = folder.write("admin.addr", "nonsense");
        let state = at_state(address.parent().unwrap());
        let (code, why) = found(&state).unwrap_err();
        assert!(code == 1 && why.contains("admin.addr: there is no address in it"), "{why}");
        folder.write("admin.addr", "[::]:1");
        let (code, why) = found(&state).unwrap_err();
        assert!(code == 1 && why.contains("admin-token: no such file"), "{why}");
        folder.write("admin-token", "two words");
        let (code, why) = found(&state).unwrap_err();
        assert!(code == 4 && why.contains("no token in it") && !why.contains("words"), "{why}");
        std::fs::remove_file(address).unwrap();
        let (_, why) = found(&state).unwrap_err();
        assert!(why.contains("no node is running with it"), "{why}");
    }

    #[test]
    fn a_url_is_a_host_and_a_port_and_shows_no_password() {
        let folder = Folder::new();
        let token = folder.write("t", "secret");
        for (url, named) in [
            ("127.0.0.1:9600", "http:// or https://"),
            ("ws://127.0.0.1:9600", "http:// or https://"),
            ("http://127.0.0.1:9600/api", "without user, path or query"),
            ("http://127.0.0.1:9600?x", "without user, path or query"),
            ("http://me:hunter2@127.0.0.1", "without user, path or query"),
            ("http://", "without user, path or query"),
        ] {
            let (code, why) = found(&at_url(url, &token)).unwrap_err();
            assert!(code == 3 && why.contains(named) && !why.contains("hunter2"), "{url}: {why}");
        }
        let there = found(&at_url("HTTPS://node.test:9600/", &token)).unwrap();
        assert_eq!((there.base.as_str(), there.remote_host.as_deref()), ("https://node.test:9600", Some("node.test")));
        assert_eq!(found(&at_url("http://[::1]:9600", &token)).unwrap().remote_host, None);
    }

    #[test]
    fn options_that_contradict_each_other_are_usage() {
        let folder = Folder::new();
        let token = folder.write("t", "secret");
        let mut both = at_url("http://127.0.0.1:1", &token);
        both.state = Some(folder.path(""));
        let mut without = at_url("http://127.0.0.1:1", &token);
        without.token_file = None;
        let mut ca = at_url("http://127.0.0.1:1", &token);
        ca.admin_ca = Some(token);
        folder.write("admin.addr", "127.0.0.1:9600\n");
        folder.write("admin-token", "secret");
        let mut plain = at_state(&folder.path(""));
        plain.admin_ca = ca.admin_ca.clone();
        for (line, named) in [
            (both, "--state and --admin"),
            (without, "--admin"),
            (ca, "--admin-ca"),
            (plain, "--admin-ca goes with https"),
        ] {
            let (code, why) = found(&line).unwrap_err();
            assert!(code == 2 && why.contains(named), "{why}");
        }
    }

    #[test]
    fn d9_variables_name_a_node_where_the_line_does_not() {
        let folder = Folder::new();
        folder.write("admin.addr", "127.0.0.1:9600\n");
        let token = folder.write("admin-token", "secret-token\n");
        let state = token.parent().unwrap().to_owned();
        let set =
            |state: Option<&std::path::Path>, admin: Option<&str>, token_file: Option<&std::path::Path>| Variables {
                state: state.map(Into::into),
                admin: admin.map(Into::into),
                token_file: token_file.map(Into::into),
            };
        let base = |line: &crate::cli::global_options::GlobalOptions, variables: Variables| {
            named_by(line, variables).map(|node| node.base).map_err(crate::cli::Failure::into_message_and_code)
        };
        let none = default_options();
        let there = Some("http://192.0.2.7:1");
        assert_eq!(base(&none, set(Some(&state), None, None)).unwrap(), "http://127.0.0.1:9600");
        assert_eq!(base(&none, set(None, there, Some(&token))).unwrap(), "http://192.0.2.7:1");
        assert_eq!(base(&at_state(&state), set(None, there, Some(&token))).unwrap(), "http://127.0.0.1:9600");
        let mut url = at_url("http://192.0.2.8:2", &token);
        assert_eq!(base(&url, set(Some(&state), there, None)).unwrap(), "http://192.0.2.8:2");
        url.token_file = None;
        assert_eq!(base(&url, set(None, None, Some(&token))).unwrap(), "http://192.0.2.8:2");
        let (why, code) = base(&none, set(Some(&state), there, Some(&token))).unwrap_err();
        assert!(code == 2 && why.contains("RINGWAY_STATE and RINGWAY_ADMIN"), "{why}");
        let (why, code) = base(&none, set(None, there, None)).unwrap_err();
        assert!(code == 2 && why.contains("RINGWAY_TOKEN_FILE"), "{why}");
    }

    #[test]
    fn a_user_has_the_name_that_the_host_knows() {
        let users = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbroken\n";
        assert_eq!(name_of(1000, users), Some("ada"));
        assert_eq!(name_of(7, users), None);
        let own = super::user();
        assert!(!own.is_empty() && own.bytes().all(|byte| byte.is_ascii_graphic()), "{own}");
    }
}
