use std::sync::Arc;
use std::time::Duration;

use super::{BasePath, Builder, Conflict, Snapshot};
use crate::proto::authority::Authority;
use crate::proto::scan::FrameLimits;
use crate::routing::host::HostPattern;
use crate::routing::policy::{Policy, Timeouts};
use crate::routing::route::{Gate, Route, RouteId, Service};

fn route(id: u64) -> Arc<Route> {
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
    let frames = FrameLimits { max_frame_bytes: 1, max_message_bytes: 1 };
    Arc::new(Route {
        id: RouteId(id),
        labels: None,
        listener: 0,
        gate: Gate::Open,
        service: Service::Relay,
        endpoints: Box::default(),
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: false,
        answer_lines: Box::default(),
        channels: None,
        unlisted_paths: Default::default(),
        checkers: None,
        entry: None,
        policy: Arc::new(Policy {
            frames,
            timeouts,
            abnormal_close_code: None,
            drain_window: second,
            tolerance: Default::default(),
            validation: Default::default(),
        }),
    })
}

fn path(text: &str) -> BasePath {
    let (prefix, version) = text.rsplit_once("/v").unwrap();
    let (major, minor) = version.split_once('.').unwrap();
    BasePath { prefix: prefix.to_owned(), major: major.parse().unwrap(), minor: minor.parse().unwrap() }
}

fn found(snapshot: &Snapshot, listener: u16, host: &str, path: &str) -> Option<(u64, String)> {
    snapshot
        .find(listener, Authority::parse(host).unwrap(), path)
        .map(|found| (found.route.id.0, found.rest.to_owned()))
}

#[test]
fn the_base_path_goes_and_the_rest_stays_as_it_came() {
    let mut builder = Builder::new(1, 1);
    let site = builder.site(0, &[]).unwrap();
    for (id, base) in
        [(1, "/default/chat/v1.0"), (2, "/default/chat/v1.2"), (3, "/default/chat/v2.0"), (4, "/p/chat/v1.10")]
    {
        builder.add(site, &path(base), route(id)).unwrap();
    }
    builder.add(site, &path("/p/chat/v1.9"), route(5)).unwrap();
    let snapshot = builder.build();
    for (path, is) in [
        ("/default/chat/v1.0", Some((1, ""))),
        ("/default/chat/v1.0/", Some((1, "/"))),
        ("/default/chat/v1.0/rooms/1?x=/default/chat/v2.0", Some((1, "/rooms/1?x=/default/chat/v2.0"))),
        ("/default/chat/v1.0?token=1", Some((1, "?token=1"))),
        ("/default/chat/v1", Some((2, ""))),
        ("/default/chat/v1/a%2fb%20c", Some((2, "/a%2fb%20c"))),
        ("/default/chat/v2/", Some((3, "/"))),
        ("/p/chat/v1/x", Some((4, "/x"))),
        ("/p/chat/v1.9/x", Some((5, "/x"))),
        ("/default/%63hat/v1%2E0/%63", Some((1, "/%63"))),
        ("/default/chat/v1.1", None),
        ("/default/chat/v1.00", None),
        ("/default/chat/v1.0x", None),
        ("/default/chat%2Fv1.0", None),
        ("/Default/chat/v1.0", None),
        ("//default/chat/v1.0", None),
        ("/default/chat", None),
        ("/default/chat/v3", None),
        ("/", None),
        ("/?/default/chat/v1.0", None),
    ] {
        assert_eq!(found(&snapshot, 0, "any", path), is.map(|(id, rest)| (id, rest.to_owned())), "{path}");
    }
    assert_eq!(found(&snapshot, 1, "any", "/default/chat/v1.0"), None);
}

#[test]
fn a_host_has_its_own_site_and_others_the_one_for_all() {
    let mut builder = Builder::new(1, 2);
    let pattern = |text| HostPattern::parse(text).unwrap();
    let named = builder.site(0, &[pattern("chat.example.com"), pattern("*.dev.example.com")]).unwrap();
    let other = builder.site(0, &[]).unwrap();
    let deep = builder.site(0, &[pattern("*.a.dev.example.com")]).unwrap();
    let alone = builder.site(1, &[pattern("only.here")]).unwrap();
    for (id, site) in [(1, named), (2, other), (3, deep), (4, alone)] {
        builder.add(site, &path("/p/a/v1.0"), route(id)).unwrap();
    }
    let snapshot = builder.build();
    for (listener, host, is) in [
        (0, "CHAT.example.com:8080", Some(1)),
        (0, "x.dev.example.com", Some(1)),
        (0, "y.x.dev.example.com.", Some(1)),
        (0, "x.a.dev.example.com", Some(3)),
        (0, "dev.example.com", Some(2)),
        (0, "127.0.0.1:80", Some(2)),
        (1, "only.here:1", Some(4)),
        (1, "not.here", None),
        (0, &format!("{}dev.example.com", "x.".repeat(119)), Some(1)),
        (0, &format!("{}dev.example.com", "x.".repeat(120)), Some(2)),
    ] {
        assert_eq!(found(&snapshot, listener, host, "/p/a/v1").map(|(id, _)| id), is, "{host}");
    }
}

#[test]
fn what_has_no_route_goes_to_the_one_for_everything_whole() {
    let mut builder = Builder::new(1, 1);
    let site = builder.site(0, &[]).unwrap();
    builder.add_everything(site, route(1)).unwrap();
    assert_eq!(found(&builder.build(), 0, "a", "/x/y?z"), Some((1, "/x/y?z".to_owned())));
}

#[test]
fn nothing_is_claimed_twice() {
    let mut builder = Builder::new(1, 1);
    let site = builder.site(0, &[HostPattern::parse("a").unwrap()]).unwrap();
    assert_eq!(builder.site(0, &[HostPattern::parse("A.").unwrap()]), Err(Conflict("host a".to_owned())));
    builder.add(site, &path("/p/a/v1.0"), route(1)).unwrap();
    assert_eq!(builder.add(site, &path("/p/a/v1.0"), route(2)), Err(Conflict("/p/a/v1.0".to_owned())));
    assert!(builder.site(1, &[]).is_err());
    assert!(builder.site(0, &[]).is_ok());
    assert!(builder.site(0, &[]).is_err());
}
