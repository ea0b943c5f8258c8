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

/// The longest time that a shard may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends a command to a shard, and gives it back if the shard does not take it.
pub type SendCommand = Box<dyn Fn(Command) -> Result<(), Unsent<Command>> + Send + Sync>;

/// The shards. Clones ask the same ones.
#[derive(Clone)]
pub struct ShardClient(Arc<Asked>);

struct Asked {
    shards: Vec<SendCommand>,
    snapshot: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    patience: Duration,
}

/// The answers by shard, and the shards that did not answer.
#[derive(Clone, Debug)]
pub struct Answers<T> {
    /// Each with its shard's number.
    pub got: Vec<(usize, T)>,
    /// Shards that did not answer in time but may yet, in their order.
    pub silent: Vec<usize>,
    /// Shards that have ended, and their connections with them, in their order: the process is about to end.
    pub ended: Vec<usize>,
}

/// Shards that did not answer in time. They may obey all the same, if they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent(pub Vec<usize>);

/// Which connections are meant; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only connections of this API, as `project/identifier:version`.
    pub api: Option<String>,
    /// Only connections in this environment.
    pub environment: Option<String>,
}

/// The start of a page of connections: a shard, and an index in its table.
pub type Position = (usize, u32);

impl fmt::Debug for ShardClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShardClient").field(&self.0.shards.len()).finish()
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
    /// True if connections with these labels are meant.
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

impl ShardClient {
    /// The shards behind these mailboxes; `snapshot` gives what was published last.
    #[must_use]
    pub fn new(senders: Vec<Sender<Command>>, snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static) -> Self {
        let sends = senders.into_iter().map(|sender| -> SendCommand { Box::new(move |command| sender.send(command)) });
        Self::of(sends.collect(), snapshot, PATIENCE)
    }

    /// Shards that are reached in another way.
    fn of(
        shards: Vec<SendCommand>,
        snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Asked { shards, snapshot: Box::new(snapshot), patience }))
    }

    /// The number of shards.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.shards.len()
    }

    /// The snapshot that was published last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        (self.0.snapshot)()
    }

    /// Asks every shard for its report.
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
    async fn ask<T: Send + 'static>(
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
    async fn ask_all<T: Send + 'static>(&self, mut make: impl FnMut(usize, Reply<T>) -> Option<Command>) -> Answers<T> {
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
pub(crate) mod testing;
#[cfg(test)]
mod tests;
