//! The keys `log.*`: what is logged, and how a line looks.

use std::str::FromStr;

use crate::settings::{Setting, Settings, from_str};

/// rmcp logs every connection at INFO.
const DEFAULT_FILTER: &str = "info,rmcp=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

impl Setting for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        from_str(text, "pretty or json")
    }
}

/// What is logged, and how. Logs go to stderr only.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A `tracing` filter, for example `info,shim_checkpoint=debug`.
    pub filter: String,
    /// The look of a line.
    pub format: LogFormat,
}

impl LogConfig {
    /// Reads the keys.
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self {
            filter: settings.get_or("log.filter", DEFAULT_FILTER.to_owned()),
            format: settings.get_or("log.format", LogFormat::Pretty),
        }
    }
}
