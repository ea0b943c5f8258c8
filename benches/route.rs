//! The cost of finding a connection's route, with ten APIs and with ten thousand, and of building the snapshot.
//!
//! `cargo bench --bench route`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::proto::authority::Authority;
use ringway::proto::scan::FrameLimits;
use ringway::routing::addresses::AddressCell;
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

criterion_group!(benches, find, build);
criterion_main!(benches);
