use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::testing::played;
use super::{Filter, ShardClient, Silent};
use crate::command::tally::Tally;
use crate::command::view::{ConnectionPage, ConnectionView, KernelBytes, Report, RouteReport, Stage};
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
        endpoint: None,
        consumer: None,
        channel: None,
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
            kernel: KernelBytes::default(),
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

async fn numbers(shards: &ShardClient, filter: &Filter, page: usize) -> Vec<(usize, u64)> {
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
    let sends: Vec<super::SendCommand> = vec![Box::new(gone), Box::new(plays), Box::new(ends), Box::new(plays)];
    let shards = ShardClient::of(sends, || Arc::new(Snapshot::default()), Duration::from_secs(3600));
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
