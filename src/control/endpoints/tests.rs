//! Views and problems of endpoints.

use std::sync::Arc;
use std::time::Duration;

use super::{problems, view};
use crate::api::view::endpoints::EndpointState as ViewState;
use crate::engine::Time;
use crate::proto::scan::FrameLimits;
use crate::routing::addresses::AddressCell;
use crate::routing::balance::health::FailureCause;
use crate::routing::policy::{Policy, Timeouts, Tolerance};
use crate::routing::route::{Endpoint, Gate, Route, RouteLabels, Service};
use crate::routing::snapshot::Snapshot;

/// A route to these targets.
pub(super) fn route(targets: &[&str]) -> Route {
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
    let policy = Arc::new(Policy {
        frames,
        timeouts,
        abnormal_close_code: None,
        tolerance: Tolerance::default(),
        validation: Default::default(),
        drain_window: second,
    });
    let labels = RouteLabels {
        project: "default".into(),
        identifier: "chat".into(),
        version: "1.0".into(),
        environment: "development".into(),
    };
    let endpoint = |url: &&str| Endpoint::new(url, url.parse().unwrap(), None, Arc::new(AddressCell::unresolved()));
    Route {
        labels: Some(Arc::new(labels)),
        service: Service::Relay,
        endpoints: targets.iter().map(endpoint).collect(),
        ..Route::echo(policy)
    }
}

pub(super) fn snapshot(route: Route) -> Snapshot {
    Snapshot::of_one(route)
}

#[test]
fn b3_an_api_is_a_problem_once_none_of_its_endpoints_works() {
    let route = route(&["ws://a", "ws://b"]);
    let healths: Vec<_> = route.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.health)).collect();
    let snapshot = snapshot(route);
    assert!(problems(&snapshot).is_empty());
    healths[0].failed(FailureCause::Refused, 1);
    assert!(problems(&snapshot).is_empty(), "another one may work");
    healths[1].failed(FailureCause::Silent, 1);
    let due = "default/chat:1.0 in development: no endpoint works: ws://a (refused), ws://b (silent).";
    assert_eq!(problems(&snapshot), [due]);
    healths[1].succeeded();
    assert!(problems(&snapshot).is_empty());
}

#[test]
fn b3_a_blocked_api_is_no_problem() {
    let route = Route { gate: Gate::Blocked, ..route(&["ws://a"]) };
    route.endpoints[0].health.failed(FailureCause::Refused, 1);
    assert!(problems(&snapshot(route)).is_empty());
}

#[test]
fn b3_an_endpoint_is_shown_with_its_cause_and_its_times() {
    let route = route(&["ws://a"]);
    let health = &route.endpoints[0].health;
    let untried = view(health, Time::from_millis(5));
    assert_eq!((untried.state, untried.cause, untried.failures), (ViewState::Untried, None, 0));
    health.failed(FailureCause::Status503, 1_000);
    let failed = view(health, Time::from_millis(1_600));
    assert_eq!((failed.state, failed.cause.as_deref()), (ViewState::Failed, Some("status-503")));
    assert_eq!((failed.failed_for_ms, failed.failures), (Some(600), 1));
    assert!(failed.next_try_in_ms.is_some_and(|wait| wait <= 400), "{failed:?}");
    health.succeeded();
    let works = view(health, Time::from_millis(2_000));
    assert_eq!((works.state, works.cause, works.failed_for_ms, works.failures), (ViewState::Works, None, None, 1));
}
