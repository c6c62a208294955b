//! What the stages say alike.

use std::time::Instant;

use shim_proto::evolution::v1::{Finding, ToolRun};

use crate::analyzer::report::duration;

/// The run of a tool, by its name and version, that ends now.
pub(super) fn tool_run(tool: &str, started: Instant, files: usize, cached: usize) -> ToolRun {
    let (name, version) = tool.rsplit_once(' ').unwrap_or((tool, ""));
    ToolRun {
        tool: name.to_owned(),
        version: version.to_owned(),
        duration: Some(duration(started.elapsed())),
        files: files as u64,
        cached_files: cached as u64,
        failure: String::new(),
    }
}

/// The path that a finding is told of; empty for the project.
pub(super) fn path(finding: &Finding) -> &str {
    finding
        .location
        .as_ref()
        .map_or("", |location| &location.path)
}
