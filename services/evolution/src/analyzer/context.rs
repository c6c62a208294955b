//! What analyses share, and what one of them is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_exec::Groups;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::stack::make_private_dir;

use super::cache::Cache;
use super::oxlint::CONFIG;
use super::part_answers::PartAnswers;
use super::standby::Standby;
use crate::domain::analysis::shares::Share;
use crate::tool_host::ToolHost;

/// What every analysis uses. Clones share it.
#[derive(Clone)]
pub(crate) struct AnalyzerContext {
    pub(super) host: ToolHost,
    pub(super) groups: Arc<Groups>,
    pub(super) cache: Arc<Cache>,
    /// Our configuration of oxlint.
    pub(super) oxlint_config: PathBuf,
    /// The fast linter, loaded for its next run.
    pub(super) standby: Arc<Standby>,
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
        write_private(&oxlint_config, CONFIG)?;
        Ok(Self {
            host,
            groups,
            cache: Arc::new(Cache::new(folder.join("cache"))),
            oxlint_config,
            standby: Arc::default(),
        })
    }

    /// Keeps the fast linter loaded after an analysis, for `idle`.
    pub(crate) fn keep_ready(&self, idle: Duration, background: &BackgroundTasks) {
        self.standby.keep(&self.groups, idle, background);
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
    /// Only this share of the files; all if unset.
    pub(crate) share: Option<Share>,
    /// What the linters told of parts; asked again is what none of them holds for.
    pub(crate) known: Vec<PartAnswers>,
}
