//! The cost of finding a connection's route, with ten APIs and with ten thousand, and of building the snapshot; and of finding
//! its channel, with one channel and with ten thousand.
//!
//! `cargo bench --bench route`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::proto::authority::Authority;
use ringway::proto::scan::FrameLimits;
use ringway::routing::addresses::AddressCell;
use ringway::routing::channels::{ChannelSpec, Channels, Match, ValueSpec};
use ringway::routing::host::HostPattern;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::{Endpoint, Gate, Route, RouteId, RouteLabels, Service};
use ringway::routing::snapshot::{BasePath, Builder, Snapshot};

const COUNTS: [u32; 2] = [10, 10_000];

fn policy() -> Arc<Policy> {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts {
        handshake: second,
        connect: second,
        idle: None,
        ping_interval: None,
        upstream_ping_interval: None,
        pong: second,
        close: second,
    };
    let frames = FrameLimits { max_frame_bytes: 1 << 20, max_message_bytes: 1 << 20 };
    Arc::new(Policy {
        frames,
        timeouts,
        abnormal_close_code: None,
        drain_window: second,
        tolerance: Default::default(),
        validation: Default::default(),
    })
}

/// API `n`: version 1.1 of a name that the one before it has in version 1.0.
fn base_path(n: u32) -> BasePath {
    BasePath { prefix: format!("/default/chat-app-api-{:05}", n / 2), major: 1, minor: n % 2 }
}

fn route(n: u32, policy: &Arc<Policy>) -> Route {
    let url = format!("ws://chat-{n}.internal.test:9000/chat");
    let target = url.parse().expect("a target");
    Route {
        id: RouteId(n.into()),
        labels: Some(Arc::new(RouteLabels {
            project: "default".into(),
            identifier: format!("chat-app-api-{:05}", n / 2).into(),
            version: format!("1.{}", n % 2).into(),
            environment: "production".into(),
        })),
        listener: 0,
        gate: Gate::Open,
        service: Service::Relay,
        endpoints: Box::new([Endpoint::new(&url, target, None, Arc::new(AddressCell::unresolved()))]),
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: false,
        answer_lines: Box::default(),
        channels: None,
        unlisted_paths: Default::default(),
        checkers: None,
        entry: None,
        policy: Arc::clone(policy),
    }
}

/// One listener, every API on it. With hosts: two environments that share it, and one for the rest.
fn builder(hosts: bool) -> (Builder, Vec<ringway::routing::snapshot::Site>) {
    let mut builder = Builder::new(1, 2);
    let mut sites = vec![builder.site(0, &[]).expect("the first")];
    for names in [["api.example.test", "*.api.example.test"], ["dev.example.test", "*.dev.example.test"]] {
        if hosts {
            let patterns = names.map(|name| HostPattern::parse(name).expect("a host"));
            sites.push(builder.site(0, &patterns).expect("others"));
        }
    }
    (builder, sites)
}

fn snapshot(routes: &[Arc<Route>], paths: &[BasePath], hosts: bool) -> Snapshot {
    let (mut builder, sites) = builder(hosts);
    for (route, path) in routes.iter().zip(paths) {
        for site in &sites {
            builder.add(*site, path, Arc::clone(route)).expect("each once");
        }
    }
    builder.build()
}

fn routes(count: u32) -> (Vec<Arc<Route>>, Vec<BasePath>) {
    let policy = policy();
    (0..count).map(|n| (Arc::new(route(n, &policy)), base_path(n))).unzip()
}

fn find(criterion: &mut Criterion) {
    for count in COUNTS {
        let (routes, paths) = routes(count);
        let mut group = criterion.benchmark_group(format!("find among {count} APIs"));
        let middle = count / 2;
        let full = format!("{}/rooms/42?token=abcdef0123456789", base_path(middle));
        let alias = format!("{}/v1/rooms/42?token=abcdef0123456789", base_path(middle).prefix);
        let unknown = format!("{}/v7.0/rooms/42?token=abcdef0123456789", base_path(middle).prefix);
        let escaped = full.replace('-', "%2D");
        for hosts in [false, true] {
            let snapshot = snapshot(&routes, &paths, hosts);
            let host = if hosts { "eu.dev.example.test:8080" } else { "127.0.0.1:8080" };
            let of = if hosts { ", hosts" } else { "" };
            let cases = [
                ("full path", &full, true),
                ("alias", &alias, true),
                ("escaped", &escaped, true),
                ("404", &unknown, false),
            ];
            for (name, target, is_there) in cases {
                assert_eq!(snapshot.find(0, authority(host), target).is_some(), is_there);
                group.bench_function(format!("{name}{of}"), |bencher| {
                    bencher
                        .iter(|| black_box(&snapshot).find(0, black_box(authority(host)), black_box(target)).is_some());
                });
            }
        }
        group.finish();
    }
    hostile(criterion);
}

fn authority(host: &str) -> Authority<'_> {
    Authority::parse(host).expect("a host")
}

/// The request that takes the most work: a head has 16 KiB at most unless the operator allows more.
fn hostile(criterion: &mut Criterion) {
    let (routes, paths) = routes(10_000);
    let snapshot = snapshot(&routes, &paths, true);
    let mut group = criterion.benchmark_group("find, hostile");
    let base = base_path(5000).to_string();
    for (name, host, target) in [
        ("a path of slashes", "dev.example.test".to_owned(), "/".repeat(10_000)),
        ("a path of escapes", "dev.example.test".to_owned(), format!("/{}", "%61".repeat(3333))),
        ("a long rest", "dev.example.test".to_owned(), format!("{base}/{}", "x".repeat(10_000))),
        ("a host of dots", "a.".repeat(5000), base.clone()),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&snapshot).find(0, black_box(authority(&host)), black_box(&target)).is_some());
        });
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    for count in COUNTS {
        group.throughput(Throughput::Elements(count.into()));
        let (routes, paths) = routes(count);
        group.bench_with_input(BenchmarkId::new("a snapshot of routes that are there", count), &count, |bencher, _| {
            // Freeing the old one is nobody's who waits.
            bencher.iter_with_large_drop(|| snapshot(&routes, &paths, false));
        });
        let policy = policy();
        group.bench_with_input(BenchmarkId::new("routes and a snapshot of them", count), &count, |bencher, _| {
            bencher.iter_with_large_drop(|| {
                let routes: Vec<_> = (0..count).map(|n| Arc::new(route(n, &policy))).collect();
                let paths: Vec<_> = (0..count).map(base_path).collect();
                snapshot(&routes, &paths, false)
            });
        });
    }
    group.finish();
}

/// A channel of each kind, with a number in its path.
fn specs(n: u32) -> [ChannelSpec; 3] {
    let id = ValueSpec { name: "id".to_owned(), pattern: Some("^[0-9]+$".to_owned()), ..ValueSpec::default() };
    let token = ValueSpec { name: "token".to_owned(), is_required: true, ..ValueSpec::default() };
    let channel = |path: String| ChannelSpec { path, names: vec![format!("channel-{n}")], ..ChannelSpec::default() };
    [
        channel(format!("/topics/{n}")),
        ChannelSpec { parameters: vec![id], query: vec![token], ..channel(format!("/rooms/{n}/{{id}}")) },
        channel(format!("/room-{n}-{{id}}.json")),
    ]
}

fn channels(criterion: &mut Criterion) {
    for count in [1, 10_000] {
        let table = Channels::build((0..count).flat_map(specs).collect()).expect("channels");
        let mut group = criterion.benchmark_group(format!("find among {count} channels of each kind"));
        let last = count - 1;
        let cases = [
            ("text", format!("/topics/{last}?token=abcdef0123456789"), true),
            ("parameter, pattern and query", format!("/rooms/{last}/42?token=abcdef0123456789"), true),
            ("part of a segment", format!("/room-{last}-42.json?token=abcdef0123456789"), true),
            ("escaped", format!("/%74opics/{last}?token=abcdef0123456789"), true),
            ("404", "/topics/none?token=abcdef0123456789".to_owned(), false),
        ];
        for (name, rest, is_there) in cases {
            let find = |rest| matches!(black_box(&table).find(rest, std::iter::empty()), Ok(Match::Listed(_)));
            assert_eq!(find(&rest), is_there, "{rest}");
            group.bench_function(name, |bencher| bencher.iter(|| find(black_box(&rest))));
        }
        group.finish();
        let mut group = criterion.benchmark_group("build channels");
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(BenchmarkId::new("of each kind", count), |bencher| {
            let specs: Vec<ChannelSpec> = (0..count).flat_map(specs).collect();
            bencher.iter_batched(|| specs.clone(), Channels::build, criterion::BatchSize::LargeInput);
        });
        group.finish();
    }
    hostile_channels(criterion);
}

/// The contract that overlaps as much as one may, and requests that try all of it.
fn hostile_channels(criterion: &mut Criterion) {
    let path = |bits: u32| -> String {
        (0..8).map(|at| if bits >> at & 1 == 1 { "/a".to_owned() } else { format!("/{{p{at}}}") }).collect()
    };
    let table = (0..256).map(|bits| ChannelSpec { path: path(bits), ..ChannelSpec::default() });
    let table = Channels::build(table.filter(|spec| spec.path != path(0)).collect()).expect("channels");
    let mut group = criterion.benchmark_group("find a channel, hostile");
    for (name, rest) in [
        ("text and parameters overlap", "/a".repeat(7) + "/"),
        ("a path of slashes", "/".repeat(10_000)),
        ("a path of escapes", format!("/{}", "%61".repeat(3_333))),
        ("a long query", format!("{}?{}", "/a".repeat(8), "a=b&".repeat(2_500))),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&table).find(black_box(&rest), std::iter::empty()).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, find, build, channels);
criterion_main!(benches);
