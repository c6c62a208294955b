//! The rooms put together: what calls and tasks have in common.

use std::path::Path;
use std::sync::Arc;

use shim_exec::Groups;
use shim_proto::evolution::v1::AnalysisReport;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::service::BoxFuture;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::Peers;
use crate::analyzer::{self, AnalysisOptions, AnalyzerContext};
use crate::config::Config;
use crate::error::EvolutionError;
use crate::project::{Project, TrustStore};
use crate::store::Store;
use crate::tool_host::{HostConfig, HostError, ToolHost};
use crate::work_history;

/// Names the work of a program to it, and to who looks for what an earlier process left behind.
const WORK: &str = "SHIM_EVOLUTION";

/// What calls and tasks work with. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) peers: Peers,
    pub(crate) host: ToolHost,
    pub(crate) groups: Arc<Groups>,
    analyzer: AnalyzerContext,
    /// Calls and tasks that work at once.
    pub(crate) room: Arc<Semaphore>,
}

impl Engine {
    /// Kills what an earlier process left behind, and makes the folders of the rooms.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub(crate) fn open(
        config: Arc<Config>,
        store: Store,
        peers: Peers,
        background: &BackgroundTasks,
    ) -> std::io::Result<Self> {
        let groups = Groups::open(&config.data_dir.join("evolution").join("groups"), WORK)?;
        let groups = Arc::new(match &config.supervisor {
            Some(program) => groups.supervised_by(program.clone()),
            None => groups,
        });
        let mut host = HostConfig::new(&config.data_dir);
        if let Some(node) = &config.node {
            host.node.clone_from(node);
        }
        (host.idle, host.memory) = (config.idle, config.host_memory_mib << 20);
        let host = ToolHost::new(host, Arc::clone(&groups), background)?;
        let analyzer = AnalyzerContext::open(host.clone(), Arc::clone(&groups), &config.data_dir)?;
        Ok(Self {
            room: Arc::new(Semaphore::new(config.parallel)),
            config,
            store,
            peers,
            host,
            groups,
            analyzer,
        })
    }

    /// The project at a path.
    ///
    /// # Errors
    /// If there is none, or it may not be worked on.
    pub(crate) async fn project(&self, path: &Path) -> Result<Project, EvolutionError> {
        Project::open(path, &self.config.roots, self).await
    }

    /// Analyzes the project at a path.
    ///
    /// # Errors
    /// As the analyzer fails.
    pub(crate) async fn analyze(
        &self,
        path: &Path,
        options: AnalysisOptions,
        with_work_history: bool,
        events: mpsc::Sender<Event>,
        cancel: &CancellationToken,
    ) -> Result<AnalysisReport, EvolutionError> {
        let project = self.project(path).await?;
        let mut report =
            analyzer::analyze(&self.analyzer, &project, options, events, cancel).await?;
        if with_work_history {
            let root = project.root().to_string_lossy();
            report.work_history = Some(work_history::read(&self.peers, &root).await);
        }
        Ok(report)
    }

    /// The same refusal, which says so if somebody decided against the project's code: nobody is asked again then.
    pub(crate) fn explained(&self, error: EvolutionError) -> EvolutionError {
        match error {
            EvolutionError::Host(HostError::NotTrusted { root })
                if self.store.trust_of(&root) == Some(false) =>
            {
                EvolutionError::Distrusted { root }
            }
            other => other,
        }
    }
}

impl TrustStore for Engine {
    fn is_trusted<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<bool, EvolutionError>> {
        let by_setting = || self.config.trusted.iter().any(|it| root.starts_with(it));
        // What was decided about the project itself goes before a setting about the folder around it.
        let decided = self.store.trust_of(&root.to_string_lossy());
        Box::pin(std::future::ready(Ok(decided.unwrap_or_else(by_setting))))
    }
}
