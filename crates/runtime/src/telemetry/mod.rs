//! What a process tells of itself: log lines on stderr, since stdout belongs to MCP and to scripts, and spans over OTLP.
//!
//! It decides where they go and in which form; what is told is up to those who log and to [`crate::trace`].

mod export;
mod log_format;
mod sampler;

use tracing_subscriber::fmt::format;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogConfig, LogFormat};
use crate::redact;
use export::Export;
use log_format::{LineStyle, WithTraceIds};

pub use export::ExportConfig;

/// Telemetry of a running process. Dropped, it sends what is left of the spans, for two seconds at most.
#[must_use = "dropped, it stops exporting"]
#[derive(Debug)]
pub struct Telemetry {
    _export: Option<Export>,
}

/// Starts the logs, and the export of spans if one is configured, for the whole process, which others know as `service`.
/// A second call keeps the first one's settings.
pub fn init(config: &Config, service: &'static str) -> Telemetry {
    log(&config.log);
    let export = Export::start(&config.export, service);
    Telemetry {
        _export: export.unwrap_or_else(|error| {
            tracing::warn!(%error, "spans are not exported");
            None
        }),
    }
}

fn log(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(redact::RedactingMakeWriter(std::io::stderr))
        .with_ansi(false);
    // try_init fails only if logging runs already, as it does when tests start several services.
    let _ = match config.format {
        LogFormat::Pretty => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            let lines = WithTraceIds::new(format().with_ansi(ansi), LineStyle::Pretty);
            builder.with_ansi(ansi).event_format(lines).try_init()
        }
        LogFormat::Json => {
            let lines = WithTraceIds::new(format().json().flatten_event(true), LineStyle::Json);
            builder
                .fmt_fields(format::JsonFields::new())
                .event_format(lines)
                .try_init()
        }
    };
}
