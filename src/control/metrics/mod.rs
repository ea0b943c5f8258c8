//! The counters of the shards in the text formats that Prometheus reads. docs/metrics.md has every metric.
//!
//! Shards keep plain counters and hand them over when asked; everything here happens on the control plane's thread. What a
//! counter says never falls while the process lives: shards keep the counts of deployments that are gone, and a shard that
//! does not answer is shown as it was when it last did.

mod families;
pub mod format;
mod process;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use tokio::time::timeout;

pub use self::families::{FAMILIES, Family, Kind};
use self::format::Format;
use self::process::Process;
use super::identity::failed_logins::FailedLogins;
use super::manage::{AuditFilter, Manager};
use super::notes::Notes;
use super::shards::ShardClient;
use crate::api::PageRequest;
use crate::api::view::health::StoreState;
use crate::command::tally::Tally;
use crate::command::view::Report;
use crate::routing::route::{Route, RouteLabels};
use crate::routing::snapshot::Snapshot;

/// The time for which one text answers every scrape: it is long where there are many APIs.
const SHARED_FOR: Duration = Duration::from_millis(500);
/// The longest wait for the audit's last number: the store may be busy.
const AUDIT_TIMEOUT: Duration = Duration::from_millis(500);

/// The sources of the metrics. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct Metrics {
    shards: ShardClient,
    manager: Manager,
    notes: Notes,
    failed_logins: FailedLogins,
    known: Arc<Mutex<Known>>,
    /// The last text. Locked while another is made: whoever asks meanwhile gets the same.
    text: Arc<tokio::sync::Mutex<Option<Made>>>,
}

/// The text of a scrape.
#[derive(Debug)]
struct Made {
    at: Instant,
    /// As OpenMetrics.
    open: Bytes,
    /// In the format 0.0.4, once somebody has asked for it.
    plain: Option<Bytes>,
}

impl Made {
    fn text(&mut self, format: Format) -> Bytes {
        match format {
            Format::OpenMetrics => self.open.clone(),
            Format::Text => {
                let open = &self.open;
                let derived = || Bytes::from(format::plain(std::str::from_utf8(open).unwrap_or_default()));
                self.plain.get_or_insert_with(derived).clone()
            }
        }
    }
}

/// The last values, for a source that does not answer.
#[derive(Debug, Default)]
struct Known {
    reports: BTreeMap<usize, Report>,
    audit: u64,
}

/// All that one scrape says.
#[derive(Debug)]
struct Scrape {
    snapshot: u64,
    deployed: usize,
    /// The routes of that snapshot, in the order of their numbers.
    routes: Vec<Arc<Route>>,
    store: StoreState,
    audit: u64,
    /// Options whose new values wait for a restart.
    restart_pending: usize,
    wrong_tokens: u64,
    limited_logins: u64,
    process: Process,
    /// Each shard's report, and whether it is of now.
    shards: BTreeMap<usize, (Report, bool)>,
    /// Shards that have never answered.
    unheard: Vec<usize>,
    /// For each set of labels, and for none: the counts of all shards together, and connections that are to end.
    tallies: BTreeMap<Arc<RouteLabels>, (Tally, u64)>,
}

impl Metrics {
    /// Metrics of these shards, of this manager's store, and of what the notes say.
    #[must_use]
    pub fn new(shards: ShardClient, manager: Manager, notes: Notes) -> Self {
        Self {
            shards,
            manager,
            notes,
            failed_logins: FailedLogins::default(),
            known: Arc::default(),
            text: Arc::default(),
        }
    }

    /// The count of failed logins, which the authenticator of the admin listener keeps.
    #[must_use]
    pub(crate) fn failed_logins(&self) -> &FailedLogins {
        &self.failed_logins
    }

    /// All figures, as they are now or were a moment ago.
    pub async fn text(&self, format: Format) -> Bytes {
        let mut last = self.text.lock().await;
        if let Some(made) = &mut *last
            && made.at.elapsed() < SHARED_FOR
        {
            return made.text(format);
        }
        // Before the next one is made: two of them may be much.
        *last = None;
        let open = Bytes::from(self.written().await);
        last.insert(Made { at: Instant::now(), open, plain: None }).text(format)
    }

    async fn written(&self) -> String {
        let scrape = self.scrape().await;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(scrape));
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = text::encode(&mut text, &registry);
        text
    }

    async fn scrape(&self) -> Scrape {
        let audit = self.audit().await;
        let answers = self.shards.reports().await;
        let snapshot = self.shards.snapshot();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.audit = known.audit.max(audit);
        for (shard, report) in answers.got {
            known.reports.insert(shard, report);
        }
        for shard in &answers.ended {
            known.reports.entry(*shard).and_modify(ended);
        }
        let unheard: Vec<usize> = answers.silent.into_iter().chain(answers.ended).collect();
        let shards: BTreeMap<usize, (Report, bool)> =
            known.reports.iter().map(|(shard, report)| (*shard, (report.clone(), !unheard.contains(shard)))).collect();
        let unheard = unheard.into_iter().filter(|shard| !shards.contains_key(shard)).collect();
        Scrape {
            snapshot: snapshot.number(),
            deployed: snapshot.len(),
            routes: routes(&snapshot),
            store: self.manager.health().state,
            audit: known.audit,
            restart_pending: self.notes.restart_pending().len(),
            wrong_tokens: self.failed_logins.requests(),
            limited_logins: self.failed_logins.limited(),
            process: Process::read(),
            tallies: tallies(shards.values().map(|(report, _)| report)),
            shards,
            unheard,
        }
    }

    /// The number of the audit's last entry: numbers have no gaps, so it is how many there are.
    async fn audit(&self) -> u64 {
        let last = PageRequest { limit: 1, cursor: None };
        let page = timeout(AUDIT_TIMEOUT, self.manager.audit(AuditFilter::default(), last)).await;
        page.ok().and_then(|page| page.ok()?.items.first().map(|entry| entry.id)).unwrap_or(0)
    }
}

/// Makes what a shard said last true of one that has ended since: what it counted stays, and nothing is open.
fn ended(report: &mut Report) {
    report.connections = 0;
    for route in &mut report.routes {
        route.tally.open = 0;
        route.tally.channels.values_mut().for_each(|channel| channel.open = 0);
        route.draining = (0, 0);
    }
}

fn tallies<'a>(reports: impl Iterator<Item = &'a Report>) -> BTreeMap<Arc<RouteLabels>, (Tally, u64)> {
    let nobody = Arc::new(RouteLabels::default());
    let mut tallies: BTreeMap<Arc<RouteLabels>, (Tally, u64)> = BTreeMap::new();
    for route in reports.flat_map(|report| &report.routes) {
        let labels = route.labels.as_ref().unwrap_or(&nobody);
        let (tally, draining) = tallies.entry(Arc::clone(labels)).or_default();
        tally.add(&route.tally);
        *draining = draining.saturating_add(route.draining.0);
    }
    tallies
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        FAMILIES.iter().try_for_each(|family| family.encode(&mut encoder, self))
    }
}

fn routes(snapshot: &Snapshot) -> Vec<Arc<Route>> {
    let mut routes: Vec<Arc<Route>> = snapshot.routes().cloned().collect();
    routes.sort_unstable_by_key(|route| route.id);
    routes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::process::Process;
    use super::{FAMILIES, Scrape, tallies};
    use crate::api::view::health::StoreState;
    use crate::command::tally::Tally;
    use crate::command::view::{KernelBytes, Report, RouteReport};
    use crate::engine::Figures;
    use crate::routing::route::{RouteId, RouteLabels};

    fn report(routes: Vec<RouteReport>) -> Report {
        let figures = Figures {
            running: Duration::from_secs(10),
            idle: Duration::from_millis(7_500),
            ready: 3,
            enters: 40,
            completions: 50,
        };
        let kernel = KernelBytes { client: [10, 20], upstream: [30, 40] };
        Report { snapshot: 4, figures, connections: 6, kernel, routes }
    }

    fn route(id: Option<u64>, identifier: Option<&str>, tally: Tally) -> RouteReport {
        let labels = identifier.map(|identifier| {
            Arc::new(RouteLabels {
                project: "default".into(),
                identifier: identifier.into(),
                version: "1.0".into(),
                environment: "development".into(),
            })
        });
        RouteReport { id: id.map(RouteId), labels, tally, draining: (2, 9) }
    }

    fn busy() -> Tally {
        let mut tally = Tally {
            open: 1,
            opened: 5,
            refused: vec![("api-stopped", 2)],
            messages: [7, 8],
            bytes: [70, 80],
            ended: vec![("idle", 4)],
            ..Tally::default()
        };
        tally.closes[0].count(1000);
        tally.closes[1].count(4000);
        for millis in [1, 2, 20_000] {
            tally.dial.count(Duration::from_millis(millis));
        }
        tally
    }

    fn shown(reports: Vec<(Report, bool)>, unheard: Vec<usize>) -> String {
        let shards: BTreeMap<usize, (Report, bool)> = reports.into_iter().enumerate().collect();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape {
            snapshot: 5,
            deployed: 12,
            routes: Vec::new(),
            store: StoreState::Full,
            audit: 33,
            restart_pending: 2,
            wrong_tokens: 6,
            limited_logins: 2,
            process: Process::read(),
            tallies: tallies(shards.values().map(|(report, _)| report)),
            shards,
            unheard,
        }));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn counts_of_all_shards_and_of_what_a_deployment_was_before_are_one() {
        let gone = route(None, Some("chat"), busy());
        let text = shown(
            vec![
                (report(vec![route(None, None, busy()), route(Some(1), Some("chat"), busy()), gone]), true),
                (report(vec![route(Some(1), Some("chat"), busy()), route(Some(2), Some("other"), busy())]), false),
            ],
            vec![2],
        );
        let labels = r#"project="default",api="chat",version="1.0",environment="development""#;
        let nobody = r#"project="",api="",version="",environment="""#;
        for line in [
            format!("ringway_connections_opened_total{{{labels}}} 15"),
            format!("ringway_connections_opened_total{{{nobody}}} 5"),
            format!("ringway_connections_open{{{labels}}} 3"),
            format!("ringway_draining_connections{{{labels}}} 6"),
            format!("ringway_handshakes_total{{{labels},result=\"refused\"}} 6"),
            format!("ringway_refusals_total{{{labels},reason=\"api-stopped\"}} 6"),
            format!("ringway_messages_total{{{labels},direction=\"from_upstream\"}} 24"),
            format!("ringway_bytes_total{{{labels},direction=\"from_client\"}} 210"),
            format!("ringway_closes_total{{{labels},side=\"client\",code=\"1000\"}} 3"),
            format!("ringway_closes_total{{{labels},side=\"upstream\",code=\"other\"}} 3"),
            format!("ringway_ends_total{{{labels},reason=\"idle\"}} 12"),
            format!("ringway_dial_seconds_bucket{{le=\"0.001\",{labels}}} 3"),
            format!("ringway_dial_seconds_bucket{{le=\"0.0025\",{labels}}} 6"),
            format!("ringway_dial_seconds_bucket{{le=\"10.0\",{labels}}} 6"),
            format!("ringway_dial_seconds_bucket{{le=\"+Inf\",{labels}}} 9"),
            format!("ringway_dial_seconds_count{{{labels}}} 9"),
            format!("ringway_dial_seconds_sum{{{labels}}} 60.009"),
            "ringway_shard_busy_seconds_total{shard=\"0\"} 2.5".to_owned(),
            "ringway_shard_up{shard=\"0\"} 1".to_owned(),
            "ringway_shard_up{shard=\"1\"} 0".to_owned(),
            "ringway_shard_up{shard=\"2\"} 0".to_owned(),
            "ringway_snapshot_number 5".to_owned(),
            "ringway_deployments 12".to_owned(),
            "ringway_audit_entries_total 33".to_owned(),
            "ringway_restart_pending_options 2".to_owned(),
            "ringway_store_state{state=\"full\"} 1".to_owned(),
            "ringway_store_state{state=\"ok\"} 0".to_owned(),
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_family_is_named_and_typed_once() {
        let text = shown(vec![(report(vec![route(Some(1), Some("chat"), busy())]), true)], Vec::new());
        let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        assert_eq!(types.len(), FAMILIES.len());
        let all: std::collections::HashSet<&str> = types.iter().copied().collect();
        assert_eq!(all.len(), types.len());
    }
}
