//! `Snapshot::find` on sites, paths and hosts that are made up, against `harness::routes`.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::{prop_assert_eq, proptest};
use ringway::proto::authority::Authority;
use ringway::routing::snapshot::Snapshot;

use crate::harness::routes::{ApiRule, Served, SiteRule};

const LISTENERS: u16 = 3;
const HOSTS: [&str; 8] =
    ["a.test", "b.a.test", "test", "*.test", "*.a.test", "*.B.a.test", "x-1.a.test.", "*.c.b.a.test"];

/// Hosts that are asked for: what patterns name, what is below and beside that, and what is no name at all.
const AUTHORITIES: [&str; 18] = [
    "a.test",
    "A.TEST.",
    "a.test:8080",
    "b.a.test",
    "c.b.a.test:1",
    "d.c.b.A.test",
    "x.c.b.a.test.",
    ".a.test",
    "..a.test",
    "xa.test",
    "test",
    "test.",
    ".test",
    "a.test..",
    "[::1]:80",
    "[::1]",
    "127.0.0.1",
    "%61.test",
];

/// From one site, in parts: so that base paths collide, contain each other and look like versions.
fn prefix() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "b", "A", "a-b", "a~", "v1", "v1.0", "x.y", "_"]);
    vec(segment, 1..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn served() -> impl Strategy<Value = Served> {
    let sites = vec((0..LISTENERS, vec(select(HOSTS.to_vec()), 0..3), any::<bool>()), 1..6);
    let apis = vec((any::<Index>(), prefix(), 0_u32..3, select(vec![0_u32, 1, 2, 9, 10])), 0..14);
    (sites, apis).prop_map(|(sites, apis)| {
        let mut served = Served { sites: Vec::new(), apis: Vec::new() };
        for (listener, hosts, everything) in sites {
            let mut free: Vec<String> = Vec::new();
            let named = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
            let taken = |host: &str, free: &[String]| {
                let here = served.sites.iter().filter(|site| site.listener == listener);
                here.flat_map(|site| &site.hosts).chain(free).any(|known| named(known) == named(host))
            };
            for host in hosts {
                if !taken(host, &free) {
                    free.push(host.to_owned());
                }
            }
            let again = served.sites.iter().any(|site| site.listener == listener && site.hosts.is_empty());
            if !(free.is_empty() && again) {
                served.sites.push(SiteRule { listener, hosts: free, everything });
            }
        }
        for (site, prefix, major, minor) in apis {
            let api = ApiRule { site: site.index(served.sites.len()), prefix, major, minor };
            let same = |other: &ApiRule| {
                (other.site, &other.prefix, other.major, other.minor) == (api.site, &api.prefix, major, minor)
            };
            if !served.apis.iter().any(same) {
                served.apis.push(api);
            }
        }
        served
    })
}

/// How a path is told that was made from a base path.
#[derive(Clone, Debug)]
enum Twist {
    Nothing,
    /// The part after it.
    Behind(&'static str),
    /// Some of its bytes are written as escapes, in this case.
    Escaped(Vec<bool>, bool),
    /// The path ends before it does.
    Cut(Index),
    /// Something stands in the midst of it.
    Inserted(Index, &'static str),
}

fn twist() -> impl Strategy<Value = Twist> {
    let behind = ["/", "/x", "?q=/a/v1", "//", "/?", "x", ".", "%", "%2F", "%2fa", ".0", "/v1.0", "/v1", "?", "/%61"];
    let inserted = ["/", "%", "%2F", "%2e", "%25", ".", "v", "?", ";a", "%4", "0"];
    prop_oneof![
        Just(Twist::Nothing),
        select(behind.to_vec()).prop_map(Twist::Behind),
        (vec(any::<bool>(), 1..40), any::<bool>()).prop_map(|(which, upper)| Twist::Escaped(which, upper)),
        any::<Index>().prop_map(Twist::Cut),
        (any::<Index>(), select(inserted.to_vec())).prop_map(|(at, what)| Twist::Inserted(at, what)),
    ]
}

fn twisted(mut path: String, twists: &[Twist]) -> String {
    for twist in twists {
        path = match twist {
            Twist::Nothing => path,
            Twist::Behind(what) => path + what,
            Twist::Escaped(which, upper) => {
                let mut which = which.iter().cycle();
                let escape = |byte: u8| if *upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                let written = path.bytes().map(|byte| {
                    let keep = b"/%?".contains(&byte) || !which.next().is_some_and(|escaped| *escaped);
                    if keep { char::from(byte).to_string() } else { escape(byte) }
                });
                written.collect()
            }
            Twist::Cut(at) => path[..1 + at.index(path.len())].to_owned(),
            Twist::Inserted(at, what) => {
                path.insert_str(1 + at.index(path.len()), what);
                path
            }
        };
    }
    path
}

fn path(served: &Served, which: Index, alias: bool, twists: &[Twist]) -> String {
    let Some(api) = (!served.apis.is_empty()).then(|| which.get(&served.apis)) else { return "/a/v1.0".to_owned() };
    let minor = if alias { String::new() } else { format!(".{}", api.minor) };
    twisted(format!("{}/v{}{minor}", api.prefix, api.major), twists)
}

/// The route's number, and the rest.
fn ask<'a>(snapshot: &Snapshot, listener: u16, host: &str, target: &'a str) -> Option<(u64, &'a str)> {
    let found = snapshot.find(listener, Authority::parse(host).unwrap(), target)?;
    Some((found.route.id.0, &target[target.len() - found.rest.len()..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_is_like_a_base_path_finds_what_a_search_of_all_of_them_finds(
        served in served(), which: Index, alias: bool, twists in vec(twist(), 0..4), hosts in vec(select(AUTHORITIES.to_vec()), 4),
    ) {
        let snapshot = served.snapshot(LISTENERS);
        let target = path(&served, which, alias, &twists);
        for host in hosts {
            for listener in 0..=LISTENERS {
                prop_assert_eq!(
                    ask(&snapshot, listener, host, &target), served.find(listener, host, &target), "{} {}", host, &target
                );
            }
        }
    }

    #[test]
    fn any_path_finds_what_a_search_of_all_finds(served in served(), target in "/[/%a-b16Ef.v0?;~-]{0,40}", host in "[.abtes]{1,12}(:[0-9]{1,4})?") {
        let snapshot = served.snapshot(LISTENERS);
        for listener in 0..LISTENERS {
            prop_assert_eq!(ask(&snapshot, listener, &host, &target), served.find(listener, &host, &target));
        }
    }
}

/// Paths that take the most work, as long as a head may be and longer.
#[test]
fn long_paths_and_hosts_find_what_a_search_of_all_finds() {
    let served = Served {
        sites: vec![
            SiteRule { listener: 0, hosts: vec!["*.a.test".to_owned()], everything: false },
            SiteRule { listener: 0, hosts: Vec::new(), everything: true },
        ],
        apis: vec![
            ApiRule { site: 0, prefix: "/a".to_owned(), major: 1, minor: 0 },
            ApiRule { site: 1, prefix: "/a/b".to_owned(), major: 1, minor: 0 },
            ApiRule { site: 1, prefix: format!("/a/{}", "x".repeat(300)), major: 1, minor: 0 },
        ],
    };
    let snapshot = served.snapshot(LISTENERS);
    let times = |what: &str| what.repeat(10_000 / what.len());
    let paths = [
        times("/"),
        format!("/{}", times("%")),
        format!("/{}", times("%2")),
        format!("/{}", times("%2F")),
        format!("/{}", times("%61")),
        times("/a"),
        times("/%61"),
        format!("/a/b/v1.0{}", times("/%")),
        format!("/%61/%62/%76%31%2e%30{}", times("%")),
        format!("/a/{}/v1.0/y", "x".repeat(300)),
        format!("/%61/{}/%761?z", "%78".repeat(300)),
        format!("/a/{}/v1.0", "x".repeat(301)),
        format!("/a/b/v1?{}", times("/a/b/v1.0")),
    ];
    let hosts = [times("a."), times("."), format!("{}a.test", times("a.")), format!("{}.a.test", times("a"))];
    for path in &paths {
        for host in hosts.iter().map(String::as_str).chain(["b.a.test", "b.test"]) {
            assert_eq!(ask(&snapshot, 0, host, path), served.find(0, host, path), "{:.40} {:.40}", host, path);
        }
    }
    assert_eq!(ask(&snapshot, 0, "b.test", &paths[9]), Some((2, "/y")));
    assert_eq!(ask(&snapshot, 0, "b.test", &paths[10]), Some((2, "?z")));
}
