//! Log lines with the ids of their trace, so that a line leads to its trace and back.
//!
//! The ids are read from the current context when a line is written. They are no fields of a log span: a log filter that
//! drops the span would drop the ids.

use std::fmt;

use shim_render::text;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::trace;

/// Begins a colour.
const ESCAPE: char = '\u{1b}';

/// The position of the ids in a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum LineStyle {
    /// At its end.
    Pretty,
    /// As its first fields.
    Json,
}

/// Another format's lines, with `trace_id` and `span_id` within a trace.
#[derive(Debug)]
pub(super) struct WithTraceIds<F> {
    format: F,
    style: LineStyle,
}

impl<F> WithTraceIds<F> {
    pub(super) fn new(format: F, style: LineStyle) -> Self {
        Self { format, style }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithTraceIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        let line = match self.style {
            LineStyle::Pretty => one_line(line.trim_end()),
            LineStyle::Json => text::json(line.trim_end()).into_owned(),
        };
        let Some(trace_context) = trace::current() else {
            return writeln!(writer, "{line}");
        };
        let (trace, span) = (trace_context.trace_id(), trace_context.span_id());
        match (self.style, line.strip_prefix('{')) {
            (LineStyle::Json, Some(fields)) => writeln!(
                writer,
                r#"{{"trace_id":"{trace}","span_id":"{span}",{fields}"#
            ),
            _ => writeln!(writer, "{line} trace_id={trace} span_id={span}"),
        }
    }
}

/// An event on one line with nothing hidden: what a field holds cannot begin a line of the log. The colours of the format
/// stay; an escape within a value was replaced by the format already.
fn one_line(event: &str) -> String {
    let mut parts = event.split(ESCAPE);
    let mut line = parts
        .next()
        .map(text::line)
        .unwrap_or_default()
        .into_owned();
    for part in parts {
        let behind = part.strip_prefix('[').unwrap_or_default();
        let colour = behind.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match colour.strip_prefix('m') {
            Some(words) => {
                line.push(ESCAPE);
                line.push_str(&part[..part.len() - words.len()]);
                line.push_str(&text::line(words));
            }
            None => {
                line.push_str(&text::line(&ESCAPE.to_string()));
                line.push_str(&text::line(part));
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;
    use crate::trace::TraceContext;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// Writes a line outside of a trace and one within, and returns both.
        async fn lines(
            &self,
            subscriber: impl Subscriber + Send + Sync,
            trace_context: TraceContext,
        ) -> Vec<String> {
            let _logs = tracing::subscriber::set_default(subscriber);
            tracing::warn!(task = "t1", "alone");
            trace::scope(trace_context, async {
                tracing::warn!(task = "t1", "in \"it\"");
            })
            .await;
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }

        fn maker(&self) -> impl Fn() -> Self + Send + Sync + 'static {
            let log = self.clone();
            move || log.clone()
        }
    }

    #[tokio::test]
    async fn a_line_within_a_call_carries_its_ids() {
        let trace_context = TraceContext::new_root();
        let (log, style) = (Log::default(), LineStyle::Pretty);
        let pretty = tracing_subscriber::fmt()
            .event_format(WithTraceIds::new(format().with_ansi(false), style))
            .with_writer(log.maker())
            .finish();
        let lines = log.lines(pretty, trace_context).await;
        let ids = format!(
            "trace_id={} span_id={}",
            trace_context.trace_id(),
            trace_context.span_id()
        );
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!lines[0].contains("trace_id"), "{lines:?}");
        assert!(lines[1].ends_with(&ids), "{lines:?}");
    }

    #[tokio::test]
    async fn no_field_begins_a_line_or_hides_anything() {
        let hostile =
            "a\n2026-01-01T00:00:00Z  INFO x\r\u{2028}b\u{85}c\u{9b}2J\u{202e}\u{200b}\u{1b}[2Jd";
        for style in [LineStyle::Pretty, LineStyle::Json] {
            let log = Log::default();
            let subscriber = tracing_subscriber::fmt().with_writer(log.maker());
            let _logs = match style {
                LineStyle::Pretty => {
                    let format = WithTraceIds::new(format().with_ansi(false), style);
                    tracing::subscriber::set_default(subscriber.event_format(format).finish())
                }
                LineStyle::Json => {
                    let format = WithTraceIds::new(format().json().flatten_event(true), style);
                    let subscriber = subscriber.fmt_fields(JsonFields::new());
                    tracing::subscriber::set_default(subscriber.event_format(format).finish())
                }
            };
            tracing::warn!(name = hostile, debug = ?hostile, "hostile: {hostile}");
            let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            let line = written.strip_suffix('\n').unwrap();
            assert!(
                !line.chars().any(shim_render::hidden::is_hidden),
                "{line:?}"
            );
        }
        assert_eq!(
            one_line("\u{1b}[2mdim\u{1b}[0m\nx\u{1b}[2J"),
            "\u{1b}[2mdim\u{1b}[0m\\nx\\u{1b}[2J"
        );
    }

    #[tokio::test]
    async fn a_line_of_json_carries_them_as_fields() {
        let trace_context = TraceContext::new_root();
        let (log, style) = (Log::default(), LineStyle::Json);
        let json = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(WithTraceIds::new(
                format().json().flatten_event(true),
                style,
            ))
            .with_writer(log.maker())
            .finish();
        let lines = log.lines(json, trace_context).await;
        let lines: Vec<serde_json::Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].get("trace_id"), None);
        assert_eq!(lines[1]["trace_id"], trace_context.trace_id());
        assert_eq!(lines[1]["span_id"], trace_context.span_id());
        assert_eq!(lines[1]["message"], "in \"it\"");
        assert_eq!(lines[1]["task"], "t1");
    }
}
