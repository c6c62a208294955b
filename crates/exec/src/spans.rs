//! The run of a program in a trace. The program reads its position from `TRACEPARENT`, where other tools look for it, too.

use std::path::Path;

use shim_runtime::trace::{self, Span, TARGET};

/// A run of a program, named by its file.
pub(crate) fn program(file: &Path) -> Span {
    Span::begin(trace::current(), || {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "run program",
            process.executable.name = &*name,
        )
    })
}
