//! Configurations without leftovers, versions, and where programs are looked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::find::first_version;
use super::{BEFORE, Installed, PEERS, Places, Presence, Role, fill, find};
use crate::bench::downstream::{Downstream, GROUP};
use crate::bench::process::Scratch;

fn places() -> Places {
    let folder = PathBuf::from("/tmp/x");
    Places { listen: 4001, upstream: 4002, cpu: 7, files: 20_000, folder, downstream: Downstream::Plain }
}

fn installed() -> Installed {
    let module = Some(PathBuf::from("/modules/m.so"));
    Installed { program: PathBuf::from("/bin/p"), version: "1.0".to_owned(), module, more: Vec::new() }
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
    assert_eq!(first_version("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"), "2.6.12-1+deb12u4");
    assert_eq!(first_version("/opt/v/envoy  version: 9e55809/1.40.0/Clean/RELEASE/BoringSSL"), "1.40.0");
    assert_eq!(first_version("Version:      3.7.15\nCodename: x\nGo version: go1.26.9"), "3.7.15");
    assert_eq!(first_version("1:1.3.6+dfsg-2"), "1:1.3.6+dfsg-2");
    assert_eq!(first_version("no"), "of unknown version");
}

#[test]
fn a_program_is_looked_for_in_the_folders_given_first() {
    let scratch = Scratch::new().expect("a folder");
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

#[test]
fn another_build_is_started_as_ringway_is_and_with_what_is_added() {
    let ringway = PEERS.iter().find(|peer| peer.id == "ringway").expect("it is listed");
    for downstream in [Downstream::Plain, Downstream::Tls] {
        let started = |peer: &super::Peer, more: &[&str]| {
            let places = Places { downstream, ..places() };
            let installed = Installed { more: more.iter().map(|&word| word.to_owned()).collect(), ..installed() };
            peer.prepare(&installed, &places).expect("it has no file").arguments
        };
        assert_eq!(started(BEFORE, &[]), started(ringway, &[]));
        let more = started(BEFORE, &["--max-frame-bytes", "1MiB"]);
        assert!(more.ends_with(&["--max-frame-bytes".to_owned(), "1MiB".to_owned()]), "{more:?}");
    }
}
