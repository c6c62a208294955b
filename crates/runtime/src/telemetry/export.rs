//! The way of spans out of the process: batches over OTLP/gRPC, from threads of its own.
//!
//! Nothing waits for a collector. One that is away, slow or mute costs the spans that do not fit into the queue, and the
//! end of the process waits for it [`FLUSH_WITHIN`] at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::Runtime;
use tonic::transport::Uri;
use uuid::Uuid;

use super::sampler::NewTraces;
use crate::{process, redact, trace};

/// Spans that wait to be sent; with their attributes about 1 KiB each.
const QUEUE: usize = 8_192;
const BATCH: usize = 512;
/// A trace is complete in the collector this long after its end.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// A collector that takes longer for a batch lost it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last batch.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// Lost spans are told of once in so long.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Where spans go, and how many of them.
#[derive(Debug, Clone, Default)]
pub struct ExportConfig {
    /// A collector that speaks OTLP over gRPC (`otlp_endpoint`); unset, nothing is recorded.
    pub endpoint: Option<Uri>,
    /// The share of traces to record, 0 to 1 (`otlp.sample_ratio`). A caller that says whether it records decides for
    /// all it calls.
    pub sample_ratio: f64,
    /// How many new traces are recorded in a second at most (`otlp.traces_per_second`), 0 for all. Others are left out
    /// whole.
    pub traces_per_second: u32,
}

/// Why spans cannot be exported at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error("the threads of the export cannot be started: {0}")]
    Threads(#[from] std::io::Error),
    #[error("{0}")]
    Endpoint(#[from] ExporterBuildError),
}

/// A running export. Dropped, it sends what is left and ends.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
    /// The connection's own: it must outlive that of the service, which may have a single thread that waits for this.
    runtime: Option<Runtime>,
}

impl Export {
    pub(super) fn start(
        config: &ExportConfig,
        service: &'static str,
    ) -> Result<Option<Self>, ExportError> {
        let Some(endpoint) = &config.endpoint else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let otlp = Otlp::builder()
            .with_tonic()
            .with_endpoint(endpoint.to_string())
            .with_timeout(ANSWER_WITHIN)
            .build()?;
        drop(inside);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let batches = BatchSpanProcessor::builder(Discreet::new(otlp)).with_batch_config(batches);
        let new_traces = NewTraces::new(config.sample_ratio, config.traces_per_second);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches.build())
            .with_sampler(Sampler::ParentBased(Box::new(new_traces)))
            .with_resource(resource(service))
            .build();
        trace::record_with(provider.tracer("shim"));
        Ok(Some(Self {
            provider,
            runtime: Some(runtime),
        }))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_WITHIN) {
            tracing::warn!(%error, "the last spans were not exported");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Who speaks.
fn resource(service: &'static str) -> Resource {
    Resource::builder_empty()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.namespace", "shim"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
            KeyValue::new("host.name", process::hostname()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build()
}

/// An exporter that hands on no secret, and does not fill the log when its collector is away.
#[derive(Debug)]
struct Discreet<E> {
    exporter: E,
    lost: AtomicU64,
    told_at: Mutex<Option<Instant>>,
}

impl<E> Discreet<E> {
    fn new(exporter: E) -> Self {
        Self {
            exporter,
            lost: AtomicU64::new(0),
            told_at: Mutex::default(),
        }
    }

    /// Whether it is time to tell of lost spans; then it is not, for a while.
    fn may_tell(&self) -> bool {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = told_at.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if may {
            *told_at = Some(Instant::now());
        }
        may
    }
}

impl<E: SpanExporter> SpanExporter for Discreet<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        redact::scrub(&mut batch);
        let count = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        if let Err(error) = &exported {
            self.lost.fetch_add(count, Ordering::Relaxed);
            if self.may_tell() {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                tracing::warn!(lost, %error, "spans were lost: the collector did not take them");
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Away;

    impl SpanExporter for Away {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure(
                "away".to_owned(),
            ))
        }
    }

    #[tokio::test]
    async fn a_collector_that_stays_away_is_told_of_once_in_a_while() {
        let exporter = Discreet::new(Away);
        for _ in 0..3 {
            assert!(exporter.export(Vec::new()).await.is_err());
        }
        assert!(!exporter.may_tell());
    }
}
