//! The export of spans: batches over OTLP/gRPC, from threads of its own.
//!
//! No call waits for a collector. An unreachable, slow or mute collector costs the spans that do not fit into the queue,
//! and the end of the process waits for it [`FLUSH_TIMEOUT`] at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
    SpanExporter,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::export_config::ExportConfig;
use super::sampler::RootSampler;
use crate::{process, redact, trace};

/// Spans that wait to be sent, of about 1 KiB each with their attributes.
const QUEUE: usize = 8_192;
const BATCH: usize = 512;
/// A trace is complete in the collector this long after its end.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A batch is lost if the collector takes longer for it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last batch.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Lost spans are logged once in this time.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// Why spans cannot be exported at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error("the threads of the export cannot be started: {0}")]
    Threads(#[from] std::io::Error),
    #[error("{0}")]
    Endpoint(#[from] ExporterBuildError),
}

/// A running export. Dropped, it sends the spans that are left and ends.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
    /// The connection's own runtime: that of the service may have a single thread, which waits here for the flush.
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
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        drop(inside);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EXPORT_INTERVAL)
            .build();
        let batches =
            BatchSpanProcessor::builder(RedactingExporter::new(otlp)).with_batch_config(batches);
        // A root is built only if the root sampler chose its trace; below it the caller's flag decides.
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches.build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_id_generator(trace::DecidedTraceIds::default())
            .with_resource(resource(service))
            .build();
        let root_sampler = RootSampler::new(config.sample_ratio, config.traces_per_second);
        trace::install_root_sampler(root_sampler);
        Ok(Some(Self {
            provider,
            runtime: Some(runtime),
        }))
    }

    /// The tracer of the process's spans.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("shim")
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The attributes of the process itself.
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

/// An exporter that removes secrets, and does not fill the log while its collector is unreachable.
#[derive(Debug)]
struct RedactingExporter<E> {
    exporter: E,
    lost: AtomicU64,
    warned_at: Mutex<Option<Instant>>,
}

impl<E> RedactingExporter<E> {
    fn new(exporter: E) -> Self {
        Self {
            exporter,
            lost: AtomicU64::new(0),
            warned_at: Mutex::default(),
        }
    }

    /// Takes the turn to log lost spans; `false` if a line was logged within [`WARN_INTERVAL`].
    fn claim_warning(&self) -> bool {
        let mut warned_at = self
            .warned_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let may = warned_at.is_none_or(|warned| warned.elapsed() >= WARN_INTERVAL);
        if may {
            *warned_at = Some(Instant::now());
        }
        may
    }
}

impl<E: SpanExporter> SpanExporter for RedactingExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        redact::redact_spans(&mut batch);
        let count = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        if let Err(error) = &exported {
            self.lost.fetch_add(count, Ordering::Relaxed);
            if self.claim_warning() {
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
    struct UnreachableExporter;

    impl SpanExporter for UnreachableExporter {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure(
                "away".to_owned(),
            ))
        }
    }

    #[tokio::test]
    async fn an_unreachable_collector_is_logged_once_per_interval() {
        let exporter = RedactingExporter::new(UnreachableExporter);
        for _ in 0..3 {
            assert!(exporter.export(Vec::new()).await.is_err());
        }
        assert!(!exporter.claim_warning());
    }
}
