//! What a project is like: linters, figures, history, imports, duplicates, ranked by what would help most.
//!
//! The first picture needs no ESLint: oxlint, figures, imports, duplicates and history are there within a second or so, while
//! ESLint's host already works. What nothing changed for comes from the cache ([`cache`]), whose keys are contents
//! ([`configuration`]).

mod cache;
mod configuration;
mod coverage;
mod eslint;
mod facts;
mod git;
mod graph;
mod oxlint;
mod programs;
mod report;
mod run;
mod sources;
mod stages;
#[cfg(test)]
mod tests;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_exec::Groups;
use shim_proto::evolution::v1::AnalysisReport;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_runtime::stack::make_private_dir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::ToolHost;
use cache::Cache;

/// What every analysis uses. Clones share it.
#[derive(Clone)]
pub(crate) struct AnalyzerContext {
    host: ToolHost,
    groups: Arc<Groups>,
    cache: Arc<Cache>,
    /// Our configuration of oxlint.
    oxlint_config: PathBuf,
}

impl AnalyzerContext {
    /// Keeps what it knows of projects below `data_dir`. `groups` are the process groups of the service.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn open(
        host: ToolHost,
        groups: Arc<Groups>,
        data_dir: &Path,
    ) -> std::io::Result<Self> {
        let folder = data_dir.join("evolution");
        make_private_dir(&folder)?;
        let oxlint_config = folder.join("oxlint.json");
        write_private(&oxlint_config, oxlint::CONFIG)?;
        Ok(Self {
            host,
            groups,
            cache: Arc::new(Cache::new(folder.join("cache"))),
            oxlint_config,
        })
    }
}

/// Several processes may start at once: whoever comes last writes the same.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let fresh = path.with_extension(uuid::Uuid::now_v7().to_string());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&fresh, path)
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnalysisOptions {
    /// Only these files and folders; empty for all.
    pub(crate) include: Vec<String>,
    /// Whether to send all findings.
    pub(crate) with_findings: bool,
    /// Whether to end after the first picture.
    pub(crate) first_picture_only: bool,
    /// The most opportunities, hotspots and figures.
    pub(crate) limit: usize,
}

/// Analyzes a project. Progress, the first picture and findings go to `events`; the report is the answer.
///
/// # Errors
/// If the call is cancelled or its receiver gone, there is no Node, the tools cannot be installed, or `include` is wrong. A tool
/// that fails is told in the report.
pub(crate) async fn analyze(
    context: &AnalyzerContext,
    project: &Project,
    options: AnalysisOptions,
    events: mpsc::Sender<Event>,
    cancel: &CancellationToken,
) -> Result<AnalysisReport, EvolutionError> {
    run::Run::new(context, project, options, events, cancel)
        .execute()
        .await
}
