//! Watchers that open a stream and never read it, while what they watch changes all the time.

use std::time::{Duration, Instant};

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use serde::Serialize;
use shim_proto::coordination::v1::WatchStateRequest;
use tonic::{Code, Streaming};

use super::load::{idle_latency, time_to_recover};
use super::surge::peak_memory;
use super::verdict::mib;
use crate::coordination::{CoordinationClients, NAMESPACE, put};
use crate::service::Service;

/// Streams whose client does not read.
const STREAMS: usize = 256;
/// Bytes of each change.
const CHANGE_BYTES: usize = 16 * 1024;
/// What the service asks a client to wait for.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

/// What the slow readers did.
#[derive(Debug, Default, Clone, Serialize)]
pub struct SlowReaders {
    /// Streams that were open and not read.
    pub streams: usize,
    /// Bytes of changes that each of them should have read, in MiB.
    pub written_mib: f64,
    /// Memory before, at most, and after, in MiB.
    pub memory_mib: [f64; 3],
    /// The median save of a client beside them, in milliseconds.
    pub save_p50_ms: f64,
    /// From their leaving to calm latencies; `None` if they never came.
    pub recovered_after_seconds: Option<f64>,
}

pub(super) async fn run(service: &Service, span: Duration, calm: Duration) -> SlowReaders {
    let before = mib(service.resident_bytes());
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        streams.push(watch(service).await);
    }
    let (written, most, save) = tokio::join!(
        write(service, span),
        peak_memory(service, span),
        idle_latency(service),
    );
    let count = streams.len();
    drop(streams);
    let recovered = time_to_recover(service, calm, RECOVERS_WITHIN).await;
    SlowReaders {
        streams: count,
        written_mib: mib(written),
        memory_mib: [before, most, mib(service.resident_bytes())],
        save_p50_ms: save.as_secs_f64() * 1e3,
        recovered_after_seconds: recovered.map(|after| after.as_secs_f64()),
    }
}

/// A stream with a connection of its own, as that of another process.
async fn watch(service: &Service) -> Streaming<shim_proto::coordination::v1::WatchStateResponse> {
    let mut clients = CoordinationClients::over(&service.channel());
    let request = WatchStateRequest {
        namespace: NAMESPACE.into(),
        key_prefix: "watched-".into(),
        after_version: 0,
    };
    let answer = clients.state.watch_state(request).await;
    answer.expect("a stream opens").into_inner()
}

/// Changes entries for `span`; the bytes written.
async fn write(service: &Service, span: Duration) -> u64 {
    let mut clients = service.coordination();
    let text = Value {
        kind: Some(Kind::StringValue("w".repeat(CHANGE_BYTES))),
    };
    let value = Struct {
        fields: [("text".to_owned(), text)].into(),
    };
    let started = Instant::now();
    let mut written = 0;
    while started.elapsed() < span {
        let key = format!("watched-{}", written % 7);
        let request = put(&key, value.clone(), None);
        let mut answer = clients.put(request.clone()).await;
        // A disk that others keep busy: the same request again, as clients do.
        if answer
            .as_ref()
            .is_err_and(|e| e.code() == Code::Unavailable)
        {
            tokio::time::sleep(REPEAT_AFTER).await;
            answer = clients.put(request).await;
        }
        answer.expect("others are served beside slow readers");
        written += CHANGE_BYTES as u64;
    }
    written
}
