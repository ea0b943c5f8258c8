//! Writes the connections' records to the log, on a thread of its own: standard error may block, a shard must not.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ProtocolVersion;
use tracing::{debug, info, warn};

use super::log::ACCESS;
use crate::control::repeat_limit::RepeatLimit;
use crate::proto::forwarded;
use crate::proto::refusal::Refusal;
use crate::proxy::end::End;
use crate::proxy::journal::JournalReader;
use crate::proxy::record::{Record, UNVERIFIED_UPSTREAMS};
use crate::routing::consumers::KeyHolder;
use crate::routing::policy::Tolerance;
use crate::routing::route::RouteLabels;

/// The time between two warnings about the same loop, or the same address.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// Starts the writer, which ends after the last shard.
///
/// # Errors
/// The host has no thread for it.
pub(super) fn start(reader: JournalReader) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let mut reported = 0;
        let (mut loops, mut guesses) = (RepeatLimit::new(WARNING_PAUSE), RepeatLimit::new(WARNING_PAUSE));
        for batch in &reader.batches {
            for record in &batch {
                write(record);
                if record.upstream_unverified {
                    let so_far = UNVERIFIED_UPSTREAMS.load(Ordering::Relaxed);
                    warn!(client = %record.peer, so_far, "the upstream's certificate was not verified");
                }
                if record.end == End::Refused(Refusal::LOOP_DETECTED) {
                    warn_of_loop(record, &mut loops);
                }
                if record.end == End::Refused(Refusal::TOO_MANY_INVALID_CREDENTIALS) {
                    warn_of_guesses(record, &mut guesses);
                }
            }
            report_lost(&reader, &mut reported);
        }
        report_lost(&reader, &mut reported);
        let unverified = UNVERIFIED_UPSTREAMS.load(Ordering::Relaxed);
        if unverified > 0 {
            warn!("connections to upstreams whose certificates were not verified: {unverified}");
        }
    })
}

/// Warns that a request came back to the route that had forwarded it, once in a while for each route.
fn warn_of_loop(record: &Record, loops: &mut RepeatLimit<Option<Arc<RouteLabels>>>) {
    let Some(requests) = loops.count(&record.labels, Instant::now()) else { return };
    warn!(
        api = record.labels.as_ref().map(tracing::field::display),
        environment = record.labels.as_ref().map(|labels| &*labels.environment),
        requests,
        "the target leads back to Ringway: a request that it had forwarded came to it again, and was refused with 508"
    );
}

/// Warns of an address that keeps sending credentials that are not valid, once in a while for each address.
fn warn_of_guesses(record: &Record, guesses: &mut RepeatLimit<IpAddr>) {
    let Some(requests) = guesses.count(&record.peer.ip(), Instant::now()) else { return };
    warn!(
        client = %record.peer.ip(),
        requests,
        "an address sends many credentials that are not valid: its requests get 429 (too-many-invalid-credentials)"
    );
}

/// Logs how many records were lost since the last report.
fn report_lost(reader: &JournalReader, reported: &mut u64) {
    let dropped = reader.dropped.load(Ordering::Relaxed);
    if dropped > *reported {
        warn!(dropped = dropped.saturating_sub(*reported), "records of connections were lost: the log is too slow");
        *reported = dropped;
    }
}

/// The version's usual spelling.
fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => "other",
    }
}

/// The header lines that were missing from the handshake, and that an option allows to be.
fn missing(tolerated: Tolerance) -> Option<&'static str> {
    match (tolerated.missing_key, tolerated.missing_accept) {
        (false, false) => None,
        (true, false) => Some("missing-key"),
        (false, true) => Some("missing-accept"),
        (true, true) => Some("missing-key, missing-accept"),
    }
}

/// The key that the client was admitted with: the record shows its id.
fn key_holder(record: &Record) -> Option<&KeyHolder> {
    record.consumer.as_ref()?.key_holder()
}

/// Writes the record at a level: tracing wants that to be a constant.
macro_rules! record_at {
    ($level:ident, $record:ident) => {
        $level!(
            target: ACCESS,
            client = %forwarded::shown($record.peer),
            api = $record.labels.as_ref().map(tracing::field::display),
            environment = $record.labels.as_ref().map(|labels| &*labels.environment),
            endpoint = $record.endpoint.as_ref().map(|endpoint| endpoint.name()),
            tries = ($record.dialled > 0).then_some($record.dialled),
            consumer = $record.consumer.as_ref().map(tracing::field::display),
            application = key_holder($record).map(|holder| &*holder.application.name),
            plan = key_holder($record).map(|holder| &*holder.plan.name),
            key_id = key_holder($record).map(|holder| holder.key.0),
            channel = $record.channel.as_ref().map(|channel| &*channel.path),
            path = Some(&*$record.path).filter(|path| !path.is_empty()),
            status = $record.status,
            tls = $record.tls.map(version),
            duration_ms = u64::try_from($record.duration.as_millis()).unwrap_or(u64::MAX),
            messages_up = $record.client.messages,
            messages_down = $record.upstream.messages,
            bytes_up = $record.client.bytes,
            bytes_down = $record.upstream.bytes,
            client_close = $record.client.close_received,
            client_told = $record.client.close_sent,
            upstream_close = $record.upstream.close_received,
            upstream_told = $record.upstream.close_sent,
            end = %$record.end,
            hint = $record.hint,
            insecure = missing($record.tolerated),
            note = $record.note.as_ref().map(tracing::field::display),
        )
    };
}

fn write(record: &Record) {
    if record.is_routine() {
        record_at!(debug, record);
    } else {
        record_at!(info, record);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::{End, Record, Tolerance, write};
    use crate::node::log_text::Text;
    use crate::proxy::end::{Side, SideRecord};
    use crate::routing::consumers::{ApiFamily, Application, ApplicationId, Consumer, KeyHolder, KeyId, Plan};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line that is logged for a connection of this consumer.
    fn line(consumer: Option<Consumer>) -> String {
        let record = Record {
            peer: ([192, 0, 2, 7], 50312).into(),
            path: "/chat".into(),
            labels: None,
            endpoint: None,
            dialled: 0,
            consumer: consumer.map(Arc::new),
            channel: None,
            status: 101,
            tls: None,
            upstream_unverified: false,
            duration: Duration::from_secs(1),
            client: SideRecord::default(),
            upstream: SideRecord::default(),
            end: End::Closed(Side::Client),
            hint: None,
            note: None,
            tolerated: Tolerance::default(),
        };
        let written = Written::default();
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).event_format(Text).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || write(&record));
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_record_names_its_consumer_if_there_is_one() {
        let holder = KeyHolder {
            key: KeyId(12),
            application: Arc::new(Application::new(ApplicationId(7), "desk", "acme", Vec::new())),
            family: Arc::new(ApiFamily { project: "default".into(), identifier: "chat".into(), major: 1 }),
            plan: Arc::new(Plan { name: "free".into() }),
        };
        let key = line(Some(Consumer::Key(holder)));
        assert!(key.contains(" consumer=acme application=desk plan=free key_id=12 path=/chat "), "{key}");
        let certificate = line(Some(Consumer::Certificate("CN=desk".into())));
        assert!(certificate.contains(" consumer=\"CN=desk\" path=/chat "), "{certificate}");
        assert!(!line(None).contains("consumer"), "{}", line(None));
    }
}
