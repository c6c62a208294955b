//! What a process reports of itself: log lines on stderr, since stdout belongs to MCP and to scripts, and spans over OTLP.
//!
//! It decides where they go and in which form. What is logged and what is a span is decided at each place in the code;
//! see [`crate::trace`] for spans.

mod export;
mod export_config;
mod layers;
mod log_format;
mod log_sink;
mod sampler;

use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

use crate::config::Config;
use export::Export;

pub use export_config::ExportConfig;

/// Telemetry of a running process. Dropped, it sends the spans that are left, for two seconds at most.
#[must_use = "dropped, it stops exporting"]
#[derive(Debug)]
pub struct Telemetry {
    _export: Option<Export>,
}

/// Starts the logs of the whole process, and the export of its spans if one is configured. Collectors know the process
/// as `service`. A second call keeps the first one's settings.
pub fn init(config: &Config, service: &'static str) -> Telemetry {
    let (export, error) = match Export::start(&config.export, service) {
        Ok(export) => (export, None),
        Err(error) => (None, Some(error)),
    };
    let registry = registry().with(layers::logs(&config.log));
    // try_init fails only if a subscriber is installed already, as when tests start several services in one process.
    let _ = match &export {
        Some(export) => registry.with(layers::spans(export.tracer())).try_init(),
        None => registry.try_init(),
    };
    if let Some(error) = error {
        tracing::warn!(%error, "spans are not exported");
    }
    Telemetry { _export: export }
}
