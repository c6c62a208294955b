//! What a process reports of itself: log lines on stderr, since stdout belongs to MCP and to scripts, and spans over OTLP.
//!
//! It decides where they go and in which form. What is logged and what is a span is decided at each place in the code;
//! see [`crate::trace`] for spans.

mod export;
mod export_config;
mod layers;
mod log_format;
mod log_queue;
mod sampler;
mod stderr;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

use crate::config::Config;
use export::Export;
use log_queue::LogQueue;

pub use export_config::ExportConfig;
pub use stderr::write_last_words;

/// How long the end of the process waits for the last log lines.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of the process.
static LOG: OnceLock<LogQueue> = OnceLock::new();

/// Telemetry of a running process. Dropped, it sends the spans that are left, for two seconds at most, and writes the log
/// lines that wait, for one second at most.
#[must_use = "dropped, it stops exporting"]
#[derive(Debug)]
pub struct Telemetry {
    export: Option<Export>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Its end may be worth a log line.
        drop(self.export.take());
        flush_log();
    }
}

/// Waits until the log is written, for one second at most: before the process ends in another way than by dropping its
/// [`Telemetry`].
pub fn flush_log() {
    if let Some(log) = LOG.get() {
        log.flush(LOG_TIMEOUT);
    }
}

/// Starts the logs of the whole process, and the export of its spans if one is configured. Collectors know the process
/// as `service`. A second call keeps the first one's settings.
pub fn init(config: &Config, service: &'static str) -> Telemetry {
    let (export, error) = match Export::start(&config.export, service) {
        Ok(export) => (export, None),
        Err(error) => (None, Some(error)),
    };
    let (log, log_error) = start_log();
    let registry = registry().with(layers::logs(&config.log, log.clone()));
    // try_init fails only if a subscriber is installed already, as when tests start several services in one process.
    let _ = match &export {
        Some(export) => registry.with(layers::spans(export.tracer())).try_init(),
        None => registry.try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
    if let Some(error) = error {
        tracing::warn!(%error, "spans are not exported");
    }
    if let Some(error) = log_error {
        write_last_words(&format!("the log cannot be written: {error}\n"));
    }
    Telemetry { export }
}

/// The queue of the log, whose thread is started once.
fn start_log() -> (&'static LogQueue, Option<std::io::Error>) {
    let mut failure = None;
    let log = LOG.get_or_init(|| {
        let queue = LogQueue::default();
        let started = stderr::own_descriptor().and_then(|stderr| queue.start_writer(stderr));
        failure = started.err();
        queue
    });
    (log, failure)
}

/// The hook of std writes to stderr itself and would wait there for its reader.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic.to_string().replace('\n', " ");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, "{message}\n{backtrace}");
    } else {
        tracing::error!(thread, "{message}");
    }
}
