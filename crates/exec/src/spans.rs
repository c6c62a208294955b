//! What a run adds to a trace. Names and attributes are those of OpenTelemetry's conventions for processes.

use std::path::Path;

use shim_runtime::trace::{self, KeyValue, Span, SpanKind};

/// A run of a program, below the caller's span.
pub(crate) fn program(file: &Path) -> Span {
    let mut span = Span::begin(trace::current(), SpanKind::Internal, || {
        "run program".into()
    });
    span.describe(|| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        [KeyValue::new("process.executable.name", name.into_owned())]
    });
    span
}
