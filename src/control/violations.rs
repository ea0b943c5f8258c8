//! Messages that break a contract, as the shards sample them: the newest of each API are kept for the admin API, and the log
//! says once in a while that there are some.
//!
//! In: batches of samples. Out: pages of them, and log lines with the rule and the place. No value of a message is in either.
//! Memory is bounded: so many samples an API, and so many APIs. Counts of all messages are in the metrics.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::warn;

use super::page::{self, List};
use super::repeat_limit::RepeatLimit;
use crate::api::view::violations::Violation;
use crate::api::{ApiKey, Page, PageRequest, Problems};
use crate::command::sighting::Sighting;
use crate::proto::forwarded;
use crate::routing::route::RouteLabels;

/// The samples that are kept of an API.
const MAX_KEPT: usize = 500;
/// The APIs whose samples are kept. Beyond them the API whose newest sample is oldest is forgotten.
const MAX_APIS: usize = 500;
/// The shortest time between two log lines about one rule in one place.
const LINE_PAUSE: Duration = Duration::from_secs(60);

/// The samples of all APIs.
#[derive(Debug, Default)]
pub struct Violations(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The number of the newest sample.
    last: u64,
    by_api: HashMap<String, VecDeque<Violation>>,
}

/// The samples that a page is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViolationFilter {
    /// Only of this environment.
    pub environment: Option<String>,
    /// Only those with a higher number.
    pub after: u64,
}

impl Violations {
    /// Keeps a sample. Samples of connections without labels are not kept: there is no API to ask for them by.
    pub fn keep(&self, sighting: &Sighting, at: Timestamp) {
        let Some(labels) = &sighting.labels else { return };
        let mut kept = self.lock();
        kept.last = kept.last.saturating_add(1);
        let violation = Violation {
            number: kept.last,
            at,
            environment: labels.environment.to_string(),
            channel: sighting.channel.to_string(),
            direction: sighting.direction.label().to_owned(),
            client: forwarded::shown(sighting.client).to_string(),
            rule: sighting.finding.rule.name().to_owned(),
            pointer: sighting.finding.pointer.to_string(),
            messages: sighting.finding.messages.iter().map(ToString::to_string).collect(),
            text: sighting.finding.text.to_string(),
            action: sighting.action.label().to_owned(),
        };
        let api = labels.to_string();
        if kept.by_api.len() >= MAX_APIS && !kept.by_api.contains_key(&api) {
            let newest = |samples: &VecDeque<Violation>| samples.back().map_or(0, |sample| sample.number);
            let oldest = kept.by_api.iter().min_by_key(|(_, samples)| newest(samples)).map(|(api, _)| api.clone());
            oldest.map(|oldest| kept.by_api.remove(&oldest));
        }
        let samples = kept.by_api.entry(api).or_default();
        if samples.len() >= MAX_KEPT {
            samples.pop_front();
        }
        samples.push_back(violation);
    }

    /// A page of an API's samples, the oldest first.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub fn page(
        &self,
        api: &ApiKey,
        filter: &ViolationFilter,
        asked: &PageRequest,
    ) -> Result<Page<Violation>, Problems> {
        let from: Option<u64> = page::read(List::Violations, asked.cursor.as_deref())?;
        let after = filter.after.max(from.unwrap_or_default());
        let limit = usize::from(asked.limit);
        let kept = self.lock();
        let samples = kept.by_api.get(&api.to_string()).into_iter().flatten();
        let mut found = samples.filter(|sample| {
            sample.number > after && filter.environment.as_ref().is_none_or(|wanted| *wanted == sample.environment)
        });
        let items: Vec<Violation> = found.by_ref().take(limit).cloned().collect();
        let is_last = found.next().is_none();
        let next = items.last().filter(|_| !is_last).map(|sample| page::write(List::Violations, sample.number));
        Ok(Page { items, next })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that keeps and logs samples, which ends after the last shard.
///
/// # Errors
/// The host has no thread for it.
pub fn start(
    batches: Receiver<Vec<Sighting>>,
    violations: std::sync::Arc<Violations>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("violations".to_owned()).spawn(move || {
        let mut lines = RepeatLimit::new(LINE_PAUSE);
        for batch in batches {
            let at = Timestamp::now();
            for sighting in &batch {
                violations.keep(sighting, at);
                log(sighting, &mut lines);
            }
        }
    })
}

/// The samples that share a line: those of one rule in one channel and direction.
type LineKey = (Option<std::sync::Arc<RouteLabels>>, std::sync::Arc<str>, &'static str, &'static str);

fn log(sighting: &Sighting, lines: &mut RepeatLimit<LineKey>) {
    let (direction, rule) = (sighting.direction.label(), sighting.finding.rule.name());
    let key = (sighting.labels.clone(), sighting.channel.clone(), direction, rule);
    let Some(samples) = lines.count(&key, Instant::now()) else { return };
    warn!(
        api = sighting.labels.as_ref().map(tracing::field::display),
        environment = sighting.labels.as_ref().map(|labels| &*labels.environment),
        channel = &*sighting.channel,
        direction,
        rule,
        pointer = &*sighting.finding.pointer,
        action = sighting.action.label(),
        samples,
        "messages break the contract: {}",
        sighting.finding.text
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::{MAX_APIS, MAX_KEPT, ViolationFilter, Violations};
    use crate::api::{ApiKey, PageRequest};
    use crate::command::sighting::{Action, Sighting};
    use crate::routing::route::RouteLabels;
    use crate::routing::validation::{Direction, Finding, Rule};

    fn sighting(identifier: &str, environment: &str) -> Sighting {
        Sighting {
            labels: Some(Arc::new(RouteLabels {
                project: "default".into(),
                identifier: identifier.into(),
                version: "1.0".into(),
                environment: environment.into(),
            })),
            channel: "/".into(),
            direction: Direction::ClientSends,
            client: "192.0.2.7:4711".parse().unwrap(),
            connection: 1,
            finding: Finding::new(Rule::NOT_JSON, "", ["message"], "the text is no JSON"),
            action: Action::Forwarded,
        }
    }

    fn key(identifier: &str) -> ApiKey {
        ApiKey::of("default", identifier, "1.0").unwrap()
    }

    fn numbers(violations: &Violations, api: &str, filter: &ViolationFilter, asked: &PageRequest) -> Vec<u64> {
        let page = violations.page(&key(api), filter, asked).unwrap();
        page.items.iter().map(|sample| sample.number).collect()
    }

    #[test]
    fn the_newest_samples_of_an_api_are_kept_and_read_page_by_page() {
        let violations = Violations::default();
        for _ in 0..MAX_KEPT + 10 {
            violations.keep(&sighting("chat", "production"), Timestamp::UNIX_EPOCH);
        }
        violations.keep(&sighting("chat", "development"), Timestamp::UNIX_EPOCH);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let asked = PageRequest { limit: 100, cursor };
            let page = violations.page(&key("chat"), &ViolationFilter::default(), &asked).unwrap();
            seen.extend(page.items.iter().map(|sample| sample.number));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (12..=MAX_KEPT as u64 + 11).collect::<Vec<_>>());
        let newer = ViolationFilter { after: MAX_KEPT as u64 + 9, ..ViolationFilter::default() };
        let all = PageRequest { limit: 1000, cursor: None };
        assert_eq!(numbers(&violations, "chat", &newer, &all), [510, 511]);
        let production = ViolationFilter { environment: Some("production".to_owned()), ..newer };
        assert_eq!(numbers(&violations, "chat", &production, &all), [510]);
        assert!(numbers(&violations, "other", &production, &all).is_empty());
        let wrong = PageRequest { limit: 1, cursor: Some("x".to_owned()) };
        assert!(violations.page(&key("chat"), &production, &wrong).is_err());
    }

    #[test]
    fn of_too_many_apis_the_one_is_forgotten_that_was_not_seen_for_longest() {
        let violations = Violations::default();
        for n in 0..MAX_APIS {
            violations.keep(&sighting(&format!("api-{n}"), "production"), Timestamp::UNIX_EPOCH);
        }
        violations.keep(&sighting("api-0", "production"), Timestamp::UNIX_EPOCH);
        violations.keep(&sighting("one-more", "production"), Timestamp::UNIX_EPOCH);
        let all = PageRequest { limit: 1000, cursor: None };
        let count = |api: &str| numbers(&violations, api, &ViolationFilter::default(), &all).len();
        assert_eq!((count("api-0"), count("api-1"), count("api-2"), count("one-more")), (2, 0, 1, 1));
    }
}
