//! `echo`: Ringway's own echo, without limits that a load test could reach.
//!
//! This role runs the same code as `ringway echo`: a second implementation could have faults of its own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use ringway::command::Command;
use ringway::command::config::ShardConfig;
use ringway::proto::head::{HeadLimits, MAX_LINES};
use ringway::proxy::admission::Admission;
use ringway::proxy::journal::{self, JournalReader};
use ringway::proxy::service::Proxy;
use ringway::routing::plain::PlainPaths;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::Route;
use ringway::routing::settings::Settings;
use ringway::routing::snapshot::Snapshot;

use super::host::{self, Ended, Outcome, Place};
use super::totals::Count;
use crate::failure::Failure;

/// The settings of the echo server.
#[must_use]
pub fn settings() -> Settings {
    let long = Duration::from_secs(366 * 24 * 3600);
    let timeouts = Timeouts {
        handshake: Duration::from_secs(60),
        connect: Duration::from_secs(60),
        idle: None,
        ping_interval: None,
        upstream_ping_interval: None,
        pong: long,
        close: Duration::from_secs(5),
    };
    Settings {
        head: HeadLimits { max_bytes: 32 * 1024, max_lines: MAX_LINES },
        policy: Arc::new(Policy {
            frames: crate::plan::FRAMES,
            timeouts,
            abnormal_close_code: None,
            drain_window: Duration::ZERO,
            tolerance: Default::default(),
            validation: Default::default(),
        }),
        trusted_proxies: Vec::new(),
        proxy_protocol: Vec::new(),
        strict_sni_host: false,
        max_invalid_credentials: None,
        plain: PlainPaths::default(),
    }
}

/// Serves until a signal.
///
/// # Errors
/// Fails if the server cannot be started, or if a shard fails.
pub fn serve(place: &Place) -> Result<Outcome, Failure> {
    let settings = Arc::new(settings());
    let snapshot = Snapshot::of_one(Route::echo(Arc::clone(&settings.policy)));
    let config = ShardConfig::plain_text(settings, Arc::new(snapshot));
    let admission = Arc::new(Admission::new(u64::MAX, None));
    let (source, records) = journal::channel(journal::Kept::All);
    let counted = Arc::new(Counted::default());
    let counter = count(records, Arc::clone(&counted))?;
    let ended = host::serve(place, move |_| Proxy::new(config, admission, source), || Command::Drain)?;
    if ended == Ended::Drained {
        // The counting thread ends after the last shard's last record.
        let _ = counter.join();
    }
    Ok(Outcome { ended, totals: counted.to_string() })
}

/// The sums over the records of ended connections. The echo counts nothing else.
#[derive(Debug, Default)]
struct Counted {
    connections: Count,
    refused: Count,
    messages: Count,
    wire_bytes: Count,
    lost_records: Count,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "totals: connections={} refused={} received_messages={} received_wire_bytes={} lost_records={}",
            self.connections, self.refused, self.messages, self.wire_bytes, self.lost_records
        )
    }
}

fn count(records: JournalReader, counted: Arc<Counted>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("totals".to_owned()).spawn(move || {
        for record in records.batches.iter().flatten() {
            if record.status == 101 { &counted.connections } else { &counted.refused }.add(1);
            counted.messages.add(record.client.messages);
            counted.wire_bytes.add(record.client.bytes);
        }
        counted.lost_records.add(records.dropped.load(Ordering::Relaxed));
    })
}
