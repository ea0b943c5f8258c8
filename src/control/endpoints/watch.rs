//! Logs changes of state of endpoints: one line when an endpoint begins to fail, one when it works again.
//!
//! Shards write no lines: they count changes in an atomic. A task looks at that count a few times a second, and at the
//! endpoints only when it has changed. An endpoint that fails and works again between two looks is counted in the metrics
//! and not logged.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::line_limit::LineLimit;
use crate::config::units::show_duration;
use crate::engine::Time;
use crate::routing::balance::health::{EndpointHealth, EndpointState, FailureCause, STATE_CHANGES};
use crate::routing::route::{Route, RouteId};
use crate::routing::snapshot::Snapshot;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The shortest time between two lines about missing local ports towards one endpoint.
const PORTS_PAUSE: Duration = Duration::from_secs(10);

/// Watches the endpoints of the active snapshot, which `snapshot` returns, until the task is dropped.
pub async fn run(snapshot: impl Fn() -> Arc<Snapshot>) {
    let mut watch = Watch::default();
    let mut seen = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let changes = STATE_CHANGES.load(Ordering::Relaxed);
        let now = Instant::now();
        watch.report_suppressed(now);
        if changes != seen {
            seen = changes;
            watch.look(&snapshot(), now);
        }
    }
}

/// The findings of the last look.
#[derive(Debug, Default)]
struct Watch {
    /// Endpoints that failed or found no local port, by their route and fingerprint.
    known: HashMap<(RouteId, u64), Known>,
    limit: LineLimit,
}

#[derive(Debug)]
struct Known {
    health: Arc<EndpointHealth>,
    /// The time at which the endpoint began to fail; `None` if it works.
    failed_since_ms: Option<u64>,
    /// Tries that found no local port.
    no_port: u64,
    /// The time of the last line about them.
    no_port_line: Option<Instant>,
}

impl Watch {
    fn report_suppressed(&mut self, now: Instant) {
        let suppressed = self.limit.next_window(now);
        if suppressed > 0 {
            warn!(suppressed, "log message rate-limited; further changes of endpoints were suppressed");
        }
    }

    fn look(&mut self, snapshot: &Snapshot, now: Instant) {
        let mut present = HashSet::new();
        for route in snapshot.routes() {
            for endpoint in &route.endpoints {
                present.insert((route.id, endpoint.fingerprint()));
                self.look_at(route, &endpoint.health, now);
            }
        }
        self.known.retain(|key, _| present.contains(key));
    }

    fn look_at(&mut self, route: &Route, health: &Arc<EndpointHealth>, now: Instant) {
        let key = (route.id, health.fingerprint());
        let failed = match health.state() {
            EndpointState::Failed { cause, since_ms, .. } => Some((cause, since_ms)),
            EndpointState::Untried | EndpointState::Works => None,
        };
        let no_port = no_port(health);
        let mut known = match self.known.remove(&key) {
            Some(known) if Arc::ptr_eq(&known.health, health) => known,
            // The route has changed: what is there now begins anew.
            _ => Known { health: Arc::clone(health), failed_since_ms: None, no_port: 0, no_port_line: None },
        };
        match (failed, known.failed_since_ms) {
            (Some((cause, _)), None) if self.limit.may_log() => log_failed(route, health, cause),
            (None, Some(since_ms)) if self.limit.may_log() => log_works(route, health, since_ms),
            _ => {}
        }
        known.failed_since_ms = failed.map(|(_, since_ms)| since_ms);
        let is_due = known.no_port_line.is_none_or(|at| now.saturating_duration_since(at) >= PORTS_PAUSE);
        if no_port > known.no_port && is_due && self.limit.may_log() {
            log_no_port(route, health, no_port.saturating_sub(known.no_port));
            (known.no_port, known.no_port_line) = (no_port, Some(now));
        }
        if failed.is_some() || no_port > 0 {
            self.known.insert(key, known);
        }
    }
}

fn no_port(health: &EndpointHealth) -> u64 {
    health.failures().find(|(cause, _)| *cause == FailureCause::NoLocalPort).map_or(0, |(_, count)| count)
}

fn log_failed(route: &Route, health: &EndpointHealth, cause: FailureCause) {
    let (api, environment) = labels(route);
    let (endpoint, cause) = (health.name(), cause.word());
    warn!(api, environment, endpoint, cause, "an endpoint does not work");
}

fn log_works(route: &Route, health: &EndpointHealth, since_ms: u64) {
    let (api, environment) = labels(route);
    let seconds = Time::of_the_clock().as_millis().saturating_sub(since_ms) / 1000;
    let (endpoint, failed_for) = (health.name(), show_duration(Duration::from_secs(seconds.max(1))));
    info!(api, environment, endpoint, failed_for, "an endpoint works again");
}

fn log_no_port(route: &Route, health: &EndpointHealth, tries: u64) {
    let (api, environment) = labels(route);
    let endpoint = health.name();
    warn!(
        api,
        environment,
        endpoint,
        tries,
        "no local port left towards {endpoint}: widen net.ipv4.ip_local_port_range, or give the target more addresses"
    );
}

/// The API and the environment of a route, for the log; `None` for the one target of `ringway proxy`.
fn labels(route: &Route) -> (Option<String>, Option<&str>) {
    let labels = route.labels.as_ref();
    (labels.map(ToString::to_string), labels.map(|labels| &*labels.environment))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::Watch;
    use crate::control::endpoints::tests::{route, snapshot};
    use crate::routing::balance::health::FailureCause;

    #[test]
    fn b3_a_look_remembers_who_failed_until_it_works_or_its_route_is_gone() {
        let route = route(&["ws://a", "ws://b"]);
        let health = Arc::clone(&route.endpoints[0].health);
        let snapshot = snapshot(route);
        let (mut watch, now) = (Watch::default(), Instant::now());
        watch.look(&snapshot, now);
        assert!(watch.known.is_empty());
        health.failed(FailureCause::Refused, 5);
        watch.look(&snapshot, now);
        assert_eq!(watch.known.values().map(|known| known.failed_since_ms).collect::<Vec<_>>(), [Some(5)]);
        health.succeeded();
        watch.look(&snapshot, now);
        assert!(watch.known.is_empty());
        health.failed(FailureCause::Closed, 9);
        watch.look(&snapshot, now);
        watch.look(&crate::routing::snapshot::Snapshot::default(), now);
        assert!(watch.known.is_empty(), "nobody keeps what is undeployed");
    }

    #[test]
    fn b5_missing_local_ports_are_logged_once_in_a_while() {
        let route = route(&["ws://a"]);
        let health = Arc::clone(&route.endpoints[0].health);
        let snapshot = snapshot(route);
        let (mut watch, now) = (Watch::default(), Instant::now());
        let lines = |watch: &Watch| watch.known.values().map(|known| known.no_port).sum::<u64>();
        for (at, logged) in [(now, 1), (now + super::PORTS_PAUSE / 2, 1), (now + super::PORTS_PAUSE, 3)] {
            health.failed(FailureCause::NoLocalPort, 1);
            watch.look(&snapshot, at);
            assert_eq!(lines(&watch), logged);
        }
    }
}
