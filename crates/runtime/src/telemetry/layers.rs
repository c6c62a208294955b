//! The two layers of the subscriber, each with a filter of its own.
//!
//! (A) No log filter cuts a trace: the layer of spans takes the target [`TARGET`] whatever the log filter says.
//! (B) No log line becomes part of a span, and no span of a trace is written to the log.
//! (C) Without export there is one layer, which refuses that target once for each callsite: a span costs a load then.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, FilterFn};
use tracing_subscriber::fmt::format;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::log_format::{LineStyle, WithTraceIds};
use super::log_queue::LogQueue;
use crate::config::{LogConfig, LogFormat};
use crate::redact;
use crate::trace::TARGET;

/// Log lines for stderr, redacted, as the configured filter lets them pass.
pub(super) fn logs<S>(config: &LogConfig, log: LogQueue) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_log = |metadata: &Metadata<'_>| metadata.target() != TARGET;
    let is_log = FilterFn::new(is_log).with_max_level_hint(LevelFilter::TRACE);
    // A layer that reports its own trouble would write to stderr itself.
    let layer = fmt::layer()
        .log_internal_errors(false)
        .with_writer(redact::RedactingMakeWriter(log));
    match config.format {
        LogFormat::Pretty => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            let lines = WithTraceIds::new(format().with_ansi(ansi), LineStyle::Pretty);
            let layer = layer.with_ansi(ansi).event_format(lines);
            layer.with_filter(is_log.and(filter)).boxed()
        }
        LogFormat::Json => {
            let lines = WithTraceIds::new(format().json().flatten_event(true), LineStyle::Json);
            let layer = layer
                .with_ansi(false)
                .fmt_fields(format::JsonFields::new())
                .event_format(lines);
            layer.with_filter(is_log.and(filter)).boxed()
        }
    }
}

/// Spans of traces, for the export. Everything that costs time and says nothing about the call is off: places in the
/// source, threads, levels, and the times a span was entered, which ours never are.
pub(super) fn spans<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_traced = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TARGET;
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(FilterFn::new(is_traced).with_max_level_hint(LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{SpanKind, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::trace::{self, KeyValue, Span, TraceContext};

    #[derive(Debug, Clone, Default)]
    struct Exported(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Exported {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    /// Runs `work` with both layers and a log filter that passes nothing, and returns what was exported.
    fn exported(work: impl FnOnce()) -> Vec<SpanData> {
        let exported = Exported::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exported.clone())
            .with_id_generator(trace::DecidedTraceIds::default())
            .build();
        trace::install_root_sampler(Sampler::AlwaysOn);
        let config = LogConfig {
            filter: "off".into(),
            format: LogFormat::Json,
        };
        let subscriber = tracing_subscriber::registry()
            .with(logs(&config, LogQueue::default()))
            .with(spans(provider.tracer("shim")));
        tracing::subscriber::with_default(subscriber, work);
        let exported = exported.0.lock().unwrap();
        exported.clone()
    }

    fn span(parent: Option<TraceContext>) -> Span {
        Span::begin(parent, || {
            tracing::info_span!(
                target: TARGET,
                parent: None,
                "static",
                otel.name = "dynamic",
                otel.kind = "client",
                "x.type" = 1,
            )
        })
    }

    #[test]
    fn a_log_filter_never_cuts_a_trace() {
        let caller = TraceContext::new_root();
        let spans = exported(|| {
            let mut outer = span(Some(caller));
            tracing::error!("no part of a span");
            let of_a_library = tracing::error_span!("library");
            let entered = of_a_library.enter();
            let inner = span(Some(outer.context()));
            drop(entered);
            assert!(outer.is_recording() && inner.is_recording());
            outer.describe(|| [KeyValue::new("late", "value")]);
            outer.fail("BROKEN");
        });
        let [inner, outer] = spans.as_slice() else {
            panic!("two spans were expected: {spans:?}");
        };
        assert_eq!(outer.name, "dynamic");
        assert_eq!(outer.span_kind, SpanKind::Client);
        assert_eq!(outer.parent_span_id.to_string(), caller.span_id());
        assert_eq!(outer.span_context.trace_id().to_string(), caller.trace_id());
        assert_eq!(inner.parent_span_id, outer.span_context.span_id());
        assert!(outer.events.is_empty());
        let expected = [
            KeyValue::new("x.type", 1),
            KeyValue::new("late", "value"),
            KeyValue::new("error.type", "BROKEN"),
        ];
        assert_eq!(outer.attributes, expected);
        assert_eq!(outer.status, opentelemetry::trace::Status::error(""));
    }

    #[test]
    fn a_root_has_the_id_it_was_chosen_by_and_an_unsampled_trace_no_spans() {
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let unsampled = TraceContext::parse(unsampled).unwrap();
        let mut root = None;
        let spans = exported(|| {
            let left_out = span(Some(unsampled));
            assert_eq!(left_out.context(), unsampled);
            assert!(!left_out.is_recording());
            root = Some(span(None).context());
        });
        assert_eq!(spans.len(), 1);
        let trace_id = spans[0].span_context.trace_id().to_string();
        assert_eq!(trace_id, root.unwrap().trace_id());
    }
}
