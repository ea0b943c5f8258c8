//! The shards as the control plane asks them: every question has a deadline, and an answer says who did not answer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::command::view::{ConnectionPage, ConnectionView, Report};
use crate::command::{Command, ConnectionQuery, Reply, Selection};
use crate::engine::mailbox::{Sender, Unsent};
use crate::routing::route::{RouteId, RouteLabels};
use crate::routing::snapshot::Snapshot;

/// How long a shard may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gives a command to a shard; it comes back if the shard does not take it.
pub type Send = Box<dyn Fn(Command) -> Result<(), Unsent<Command>> + std::marker::Send + Sync>;

/// The shards. Clones ask the same ones.
#[derive(Clone)]
pub struct Shards(Arc<Asked>);

struct Asked {
    shards: Vec<Send>,
    snapshot: Box<dyn Fn() -> Arc<Snapshot> + std::marker::Send + Sync>,
    patience: Duration,
}

/// What was answered, by shard, and the shards that did not answer.
#[derive(Clone, Debug)]
pub struct Answers<T> {
    /// Each with its shard's number.
    pub got: Vec<(usize, T)>,
    /// Those that had time to and may yet, in their order.
    pub silent: Vec<usize>,
    /// Those that have ended, and with them their connections, in their order: the process is about to end.
    pub ended: Vec<usize>,
}

/// Shards that did not answer in time. They may obey all the same, if they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent(pub Vec<usize>);

/// Which connections are meant; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this API, as `project/identifier:version`.
    pub api: Option<String>,
    /// In this environment.
    pub environment: Option<String>,
}

/// Where a page of connections begins: a shard, and a place in its table.
pub type Position = (usize, u32);

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shards").field(&self.0.shards.len()).finish()
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.0.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let noun = if self.0.len() == 1 { "shard" } else { "shards" };
        write!(f, "{noun} {shards} did not answer within {} s", PATIENCE.as_secs())
    }
}

impl std::error::Error for Silent {}

impl Filter {
    /// Whether connections of this labels are meant.
    #[must_use]
    pub fn means(&self, labels: &RouteLabels) -> bool {
        self.environment.as_deref().is_none_or(|name| *name == *labels.environment)
            && self.api.as_deref().is_none_or(|api| *api == labels.to_string())
    }

    fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

impl Answers<u64> {
    /// All that was counted.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.got.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

impl<T> Answers<T> {
    /// All answers. A shard that has ended has nothing to say.
    ///
    /// # Errors
    /// A shard has not answered.
    pub fn all(self) -> Result<Vec<(usize, T)>, Silent> {
        if self.silent.is_empty() { Ok(self.got) } else { Err(Silent(self.silent)) }
    }
}

impl Shards {
    /// The shards behind these mailboxes; `snapshot` gives what was published last.
    #[must_use]
    pub fn new(
        senders: Vec<Sender<Command>>,
        snapshot: impl Fn() -> Arc<Snapshot> + std::marker::Send + Sync + 'static,
    ) -> Self {
        let sends = senders.into_iter().map(|sender| -> Send { Box::new(move |command| sender.send(command)) });
        Self::of(sends.collect(), snapshot, PATIENCE)
    }

    /// Shards that are reached in another way.
    fn of(
        shards: Vec<Send>,
        snapshot: impl Fn() -> Arc<Snapshot> + std::marker::Send + Sync + 'static,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Asked { shards, snapshot: Box::new(snapshot), patience }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.shards.len()
    }

    /// What was published last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        (self.0.snapshot)()
    }

    /// How all of them fare.
    pub async fn reports(&self) -> Answers<Report> {
        self.ask_all(|_, reply| Some(Command::Report(reply))).await
    }

    /// Connections from a position on, `limit` at most, and where the next page begins.
    ///
    /// # Errors
    /// A shard has not answered.
    pub async fn connections(
        &self,
        filter: &Filter,
        client: Option<IpAddr>,
        from: Position,
        limit: usize,
    ) -> Result<(Vec<(usize, ConnectionView)>, Option<Position>), Silent> {
        let routes = self.routes(filter).await?;
        let (mut shard, mut place) = from;
        let mut found = Vec::new();
        while shard < self.count() && found.len() < limit {
            let routes = routes.as_ref().map(|routes| routes.get(&shard).cloned().unwrap_or_default());
            let listing = ConnectionQuery { routes, client, from: place, limit: limit.saturating_sub(found.len()) };
            let listed = self.ask(shard, |reply| Command::List(listing, reply)).await?;
            let ConnectionPage { connections, next } = listed.unwrap_or_default();
            found.extend(connections.into_iter().map(|connection| (shard, connection)));
            if let Some(next) = next {
                return Ok((found, Some((shard, next))));
            }
            (shard, place) = (shard.saturating_add(1), 0);
        }
        Ok((found, (shard < self.count()).then_some((shard, 0))))
    }

    /// Ends a connection in order. Whether there is one.
    ///
    /// # Errors
    /// The shard has not answered.
    pub async fn close_one(&self, shard: usize, id: u64) -> Result<bool, Silent> {
        if shard >= self.count() {
            return Ok(false);
        }
        let closing = self.ask(shard, |reply| Command::Close(Selection::Connection(id), reply)).await?;
        Ok(closing.is_some_and(|count| count > 0))
    }

    /// Ends connections in order, spread over the windows of their routes. How many on each shard; one that does not answer
    /// may do it all the same.
    ///
    /// # Errors
    /// A shard does not say what routes it has: nothing is closed.
    pub async fn close(&self, filter: &Filter) -> Result<Answers<u64>, Silent> {
        let routes = self.routes(filter).await?.unwrap_or_default();
        let closing = |shard, reply| {
            let routes: &Vec<RouteId> = routes.get(&shard)?;
            Some(Command::Close(Selection::Routes(routes.clone()), reply))
        };
        Ok(self.ask_all(closing).await)
    }

    /// The routes that are meant, by the shards that have had connections of them: those too that are deployed no more and
    /// whose connections are still ending. `None` for all there is.
    async fn routes(&self, filter: &Filter) -> Result<Option<BTreeMap<usize, Vec<RouteId>>>, Silent> {
        if filter.is_everything() {
            return Ok(None);
        }
        let mut routes: BTreeMap<usize, Vec<RouteId>> = BTreeMap::new();
        for (shard, report) in self.reports().await.all()? {
            let meant = report.routes.iter().filter(|route| route.labels.as_ref().is_some_and(|it| filter.means(it)));
            let ids: Vec<RouteId> = meant.filter_map(|route| route.id).collect();
            if !ids.is_empty() {
                routes.insert(shard, ids);
            }
        }
        Ok(Some(routes))
    }

    /// Nothing of one that has ended.
    async fn ask<T: std::marker::Send + 'static>(
        &self,
        shard: usize,
        make: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Option<T>, Silent> {
        let mut make = Some(make);
        let asked = |index, reply| if index == shard { make.take().map(|make| make(reply)) } else { None };
        let answered = self.ask_all(asked).await.all()?;
        Ok(answered.into_iter().next().map(|(_, answer)| answer))
    }

    /// Asks every shard for which `make` gives a command, all at once.
    async fn ask_all<T: std::marker::Send + 'static>(
        &self,
        mut make: impl FnMut(usize, Reply<T>) -> Option<Command>,
    ) -> Answers<T> {
        // `now` and the wait are tokio's: a test may own them.
        let start = Instant::now();
        let deadline = start.checked_add(self.0.patience).unwrap_or(start);
        let mut answers = Answers { got: Vec::with_capacity(self.count()), silent: Vec::new(), ended: Vec::new() };
        let mut asked = Vec::with_capacity(self.count());
        for (index, send) in self.0.shards.iter().enumerate() {
            let (answer, answered) = oneshot::channel();
            let reply = Reply::new(move |it| {
                // Nobody may be waiting any more.
                let _ = answer.send(it);
            });
            if let Some(command) = make(index, reply) {
                match send(command) {
                    Ok(()) => asked.push((index, answered)),
                    Err(Unsent::Full(_)) => answers.silent.push(index),
                    Err(Unsent::Gone(_)) => answers.ended.push(index),
                }
            }
        }
        for (index, answered) in asked {
            match timeout_at(deadline, answered).await {
                Ok(Ok(answer)) => answers.got.push((index, answer)),
                // It was taken, and dropped with the shard.
                Ok(Err(_)) => answers.ended.push(index),
                Err(_) => answers.silent.push(index),
            }
        }
        answers.silent.sort_unstable();
        answers.ended.sort_unstable();
        answers
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Send, Shards};
    use crate::command::Command;
    use crate::routing::snapshot::Snapshot;

    /// Shards that are played by functions.
    pub(crate) fn played(shards: Vec<impl Fn(Command) + std::marker::Send + Sync + 'static>) -> Shards {
        let send = |play: Box<dyn Fn(Command) + std::marker::Send + Sync>| -> Send {
            Box::new(move |command| {
                play(command);
                Ok(())
            })
        };
        let sends = shards.into_iter().map(|play| send(Box::new(play))).collect();
        Shards::of(sends, || Arc::new(Snapshot::default()), Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::testing::played;
    use super::{Filter, Shards, Silent};
    use crate::command::tally::Tally;
    use crate::command::view::{ConnectionPage, ConnectionView, Report, RouteReport, Stage};
    use crate::command::{Command, Selection};
    use crate::engine::Figures;
    use crate::engine::mailbox::Unsent;
    use crate::routing::route::{RouteId, RouteLabels};
    use crate::routing::snapshot::Snapshot;

    fn labels(identifier: &str, environment: &str) -> Arc<RouteLabels> {
        let (project, version) = ("default".into(), "1.0".into());
        Arc::new(RouteLabels { project, identifier: identifier.into(), version, environment: environment.into() })
    }

    fn connection(id: u64) -> ConnectionView {
        ConnectionView {
            id,
            peer: "127.0.0.1:5000".parse().unwrap(),
            path: "/".into(),
            labels: None,
            stage: Stage::Open,
            tls: None,
            age: Duration::ZERO,
            messages: [0; 2],
            bytes: [0; 2],
        }
    }

    /// A shard with ten connections in its places 0 to 9, and two routes.
    fn shard(command: Command) {
        let route = |id, labels| RouteReport {
            id: Some(RouteId(id)),
            labels: Some(labels),
            tally: Tally::default(),
            draining: (0, 0),
        };
        match command {
            Command::Report(reply) => reply.send(Report {
                snapshot: 3,
                figures: Figures::default(),
                connections: 10,
                routes: vec![route(1, labels("a", "development")), route(2, labels("b", "production"))],
            }),
            Command::List(listing, reply) => {
                let meant = listing.routes.is_none_or(|routes| routes.contains(&RouteId(1)));
                let numbers = (listing.from..if meant { 10 } else { 0 }).take(listing.limit);
                let connections: Vec<_> = numbers.map(|place| connection(u64::from(place))).collect();
                let next = listing.from + u32::try_from(connections.len()).unwrap();
                reply.send(ConnectionPage { connections, next: (meant && next < 10).then_some(next) });
            }
            Command::Close(Selection::Connection(id), reply) => reply.send(u64::from(id < 10)),
            Command::Close(Selection::Routes(routes), reply) => {
                reply.send(routes.iter().map(|route| route.0 * 100).sum());
            }
            _ => {}
        }
    }

    async fn numbers(shards: &Shards, filter: &Filter, page: usize) -> Vec<(usize, u64)> {
        let (mut found, mut from) = (Vec::new(), (0, 0));
        loop {
            let (listed, next) = shards.connections(filter, None, from, page).await.unwrap();
            assert!(listed.len() <= page);
            found.extend(listed.into_iter().map(|(shard, connection)| (shard, connection.id)));
            match next {
                Some(next) => from = next,
                None => return found,
            }
        }
    }

    #[tokio::test]
    async fn pages_go_over_all_shards_whatever_their_size() {
        let shards = played(vec![shard, shard]);
        let all: Vec<(usize, u64)> = (0..2).flat_map(|shard| (0..10).map(move |number| (shard, number))).collect();
        for page in [1, 3, 10, 11, 20, 100] {
            assert_eq!(numbers(&shards, &Filter::default(), page).await, all, "{page}");
        }
        let of_b = Filter { environment: Some("production".to_owned()), ..Filter::default() };
        assert_eq!(numbers(&shards, &of_b, 3).await, []);
    }

    #[tokio::test]
    async fn only_what_is_meant_is_closed() {
        let shards = played(vec![shard, shard]);
        let api = |api: &str| Filter { api: Some(api.to_owned()), environment: None };
        for (name, count) in [("default/a:1.0", 200), ("default/b:1.0", 400), ("default/c:1.0", 0)] {
            assert_eq!(shards.close(&api(name)).await.unwrap().sum(), count);
        }
        let both = Filter { api: Some("default/a:1.0".to_owned()), environment: Some("production".to_owned()) };
        assert_eq!(shards.close(&both).await.unwrap().sum(), 0);
        assert_eq!(shards.close_one(1, 9).await, Ok(true));
        assert_eq!(shards.close_one(1, 10).await, Ok(false));
        assert_eq!(shards.close_one(7, 1).await, Ok(false));
    }

    #[tokio::test]
    async fn who_has_ended_has_no_connections_and_keeps_nobody_waiting() {
        let gone = |command| Err(Unsent::Gone(command));
        let ends = |_| Ok(());
        let plays = move |command| {
            shard(command);
            Ok(())
        };
        let sends: Vec<super::Send> = vec![Box::new(gone), Box::new(plays), Box::new(ends), Box::new(plays)];
        let shards = Shards::of(sends, || Arc::new(Snapshot::default()), Duration::from_secs(3600));
        let reports = shards.reports().await;
        assert_eq!((reports.got.len(), reports.silent, reports.ended), (2, vec![], vec![0, 2]));
        let all: Vec<(usize, u64)> = [1, 3].into_iter().flat_map(|shard| (0..10).map(move |at| (shard, at))).collect();
        for page in [1, 7, 10, 100] {
            assert_eq!(numbers(&shards, &Filter::default(), page).await, all, "{page}");
        }
        assert_eq!(
            shards.close(&Filter { api: Some("default/a:1.0".to_owned()), environment: None }).await.unwrap().sum(),
            200
        );
        assert_eq!((shards.close_one(0, 1).await, shards.close_one(2, 1).await), (Ok(false), Ok(false)));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = || {
            let kept = Arc::clone(&kept);
            move |command| kept.lock().unwrap().push(command)
        };
        let shards =
            played(vec![Box::new(shard) as Box<dyn Fn(Command) + Send + Sync>, Box::new(keeps()), Box::new(keeps())]);
        let reports = shards.reports().await;
        assert_eq!(reports.got.len(), 1);
        assert_eq!(reports.silent, [1, 2]);
        assert_eq!(shards.close_one(1, 1).await, Err(Silent(vec![1])));
        let said = Silent(vec![1, 2]).to_string();
        assert_eq!(said, "shards 1, 2 did not answer within 2 s");
        // One that answers too late answers nobody.
        for command in kept.lock().unwrap().drain(..) {
            shard(command);
        }
    }
}
