//! The rooms put together: what calls and tasks have in common.
//!
//! The work of a room is boxed: what it holds over its waits is large, and would lie on the stack of whoever polls it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, Groups, Keeping};
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{
    AnalysisReport, Evolution, EvolutionState, FunctionTests, TestGenerationReport,
};
use shim_runtime::background::BackgroundTasks;
use shim_runtime::service::BoxFuture;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::analyzer::{self, AnalysisOptions, AnalyzerContext, PartAnswers};
use crate::config::Config;
use crate::error::EvolutionError;
use crate::evolver::{Approval, AtWork, EvolveOptions, Evolver, EvolverLimits, Proposals, Watch};
use crate::patterns::PatternEngine;
use crate::peers::Peers;
use crate::project::{Project, ProjectError, TrustStore, admitted};
use crate::spans::stage;
use crate::store::Store;
use crate::test_generator::{self, Options as GenerateOptions};
use crate::test_runs::TestRuns;
use crate::tool_host::{HostConfig, HostError, ProgressSink, ToolHost};
use crate::work_history;

/// Names the work of a program to it, and to who looks for what an earlier process left behind.
const WORK: &str = "SHIM_EVOLUTION";
/// How long longer output of tests is kept, and how many bytes of it.
const KEEP_OUTPUT: Keeping = Keeping {
    time: Duration::from_secs(24 * 3_600),
    bytes: 256 << 20,
};
/// How long one call of a tool may take.
const TOOL_LIMIT: Duration = Duration::from_secs(300);
/// How long a user's transform may take for one file.
const TRANSFORM_LIMIT: Duration = Duration::from_secs(20);

/// What calls and tasks work with. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) peers: Peers,
    pub(crate) host: ToolHost,
    analyzer: AnalyzerContext,
    pub(crate) evolver: Evolver,
    /// Calls and tasks that work at once.
    pub(crate) room: Arc<Semaphore>,
}

/// A decision about an evolution.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision {
    /// Its id, or the beginning or end of it.
    pub(crate) evolution_id: String,
    /// False to turn it down.
    pub(crate) approve: bool,
    /// Why it is turned down.
    pub(crate) reason: String,
    /// Only these of its files; all if empty.
    pub(crate) paths: Vec<String>,
    /// The request that decides; empty for the service's own.
    pub(crate) request_id: String,
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
        analyzer.keep_ready(config.idle, background);
        let evolver = evolver(&config, &store, &host, &groups)?;
        Ok(Self {
            room: Arc::new(Semaphore::new(config.parallel)),
            config,
            store,
            peers,
            host,
            analyzer,
            evolver,
        })
    }

    /// The project at a path.
    ///
    /// # Errors
    /// If there is none, or it may not be worked on.
    pub(crate) async fn project(&self, path: &Path) -> Result<Project, EvolutionError> {
        Project::open(path, &self.config.roots, self).await
    }

    /// Proposes changes of the project at a path.
    ///
    /// # Errors
    /// If a transform of the user's may not be used, or as the evolver fails.
    pub(crate) async fn propose(
        &self,
        path: &Path,
        options: &EvolveOptions,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Proposals, EvolutionError> {
        if let Some(custom) = &options.custom {
            self.check_transform(&custom.path).await?;
        }
        let project = self.project(path).await?;
        let proposing = self.evolver.propose(&project, options, progress, cancel);
        Box::pin(proposing).await
    }

    /// Refuses a file that is no transform, or that lies elsewhere than projects may: it is code that would run.
    async fn check_transform(&self, path: &Path) -> Result<(), EvolutionError> {
        let (file, roots) = (path.to_path_buf(), self.config.roots.clone());
        let looking = tokio::task::spawn_blocking(move || match admitted(&file, &roots)? {
            whole if whole.is_file() => Ok(()),
            _ => Err(ProjectError::NotFound {
                path: file.display().to_string(),
                why: "is no file".to_owned(),
            }),
        });
        let found = looking.await.map_err(|_| EvolutionError::Stopping)?;
        found.map_err(|error| match error {
            ProjectError::NotFound { path, why } => EvolutionError::CustomTransform { path, why },
            ProjectError::OutsideRoots { path } => EvolutionError::TransformOutsideRoots(path),
            other => other.into(),
        })
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
        // Boxed: the future of an analysis is so large that its copies overflow the stack of a thread.
        let analysis = analyzer::analyze(&self.analyzer, &project, options, events, cancel);
        let mut report = Box::pin(analysis).await?;
        if with_work_history {
            let root = project.root().to_string_lossy();
            report.work_history = Some(work_history::read(&self.peers, &root).await);
        }
        Ok(report)
    }

    /// Asks the linters about the files of one part of the project at a path.
    ///
    /// # Errors
    /// As the analyzer fails.
    pub(crate) async fn analyze_part(
        &self,
        path: &Path,
        options: AnalysisOptions,
        events: mpsc::Sender<Event>,
        cancel: &CancellationToken,
    ) -> Result<PartAnswers, EvolutionError> {
        let project = self.project(path).await?;
        let part = analyzer::analyze_part(&self.analyzer, &project, options, events, cancel);
        Box::pin(part).await
    }

    /// Turns an evolution down, or applies and verifies it. A request that decided before gets the evolution as it is.
    ///
    /// # Errors
    /// If there is none of this id, it is in another state, or as the evolver fails.
    pub(crate) async fn decide(
        &self,
        decision: Decision,
        watch: Watch<'_>,
    ) -> Result<Evolution, EvolutionError> {
        let mut found = self.store.evolution(&decision.evolution_id).await?;
        if found.evolution.state() == EvolutionState::Applying {
            self.evolver.settle(&found.evolution.evolution_id).await?;
            found = self.store.evolution(&decision.evolution_id).await?;
        }
        let evolution = found.evolution;
        let is_decided = !matches!(
            evolution.state(),
            EvolutionState::Proposed | EvolutionState::Applying
        );
        if is_decided && !decision.request_id.is_empty() && found.request_id == decision.request_id
        {
            return Ok(evolution);
        }
        let approval = Approval {
            evolution_id: evolution.evolution_id.clone(),
            reason: decision.reason,
            paths: decision.paths,
            request_id: decision.request_id,
        };
        if !decision.approve {
            return self.evolver.reject(&approval).await;
        }
        let project = self.project_of(&evolution).await?;
        Box::pin(self.evolver.approve(&project, &approval, watch)).await
    }

    /// Takes a committed evolution back. A request that did so before gets the evolution as it is.
    ///
    /// # Errors
    /// If there is none of this id, it is in another state, or as the evolver fails.
    pub(crate) async fn revert(
        &self,
        evolution_id: &str,
        request_id: &str,
        reason: &str,
        cancel: &CancellationToken,
    ) -> Result<Evolution, EvolutionError> {
        let found = self.store.evolution(evolution_id).await?;
        let evolution = found.evolution;
        let is_decided = evolution.state() == EvolutionState::Reverted;
        if is_decided && !request_id.is_empty() && found.request_id == request_id {
            return Ok(evolution);
        }
        let project = self.project_of(&evolution).await?;
        let id = &evolution.evolution_id;
        Box::pin(
            self.evolver
                .revert(&project, id, (request_id, reason), cancel),
        )
        .await
    }

    /// Makes tests for functions of the project at a path. The tests are kept as a proposal.
    ///
    /// # Errors
    /// As the generator fails, or the proposal cannot be kept.
    pub(crate) async fn generate_tests(
        &self,
        path: &Path,
        options: &GenerateOptions,
        progress: &ProgressSink,
        on_function: &(dyn Fn(FunctionTests) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<TestGenerationReport, EvolutionError> {
        let project = self.project(path).await?;
        let tools = test_generator::Tools {
            host: &self.host,
            runs: &self.evolver.runs,
            progress,
            cancel,
        };
        let generation = test_generator::generate(tools, &project, options, on_function);
        let mut report = Box::pin(stage("generate tests", Box::pin(generation))).await?;
        if let Some(proposal) = report.evolution.take() {
            let mut proposals = [proposal];
            let patterns = PatternEngine::load(&self.store, None).await?;
            patterns.rank(&mut proposals);
            let [proposal] = proposals;
            report.evolution = Some(self.store.insert_proposal(proposal).await?);
        }
        Ok(report)
    }

    async fn project_of(&self, evolution: &Evolution) -> Result<Project, EvolutionError> {
        let root = evolution.project.as_ref().map_or("", |it| it.root.as_str());
        self.project(Path::new(root)).await
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

fn evolver(
    config: &Config,
    store: &Store,
    host: &ToolHost,
    groups: &Arc<Groups>,
) -> std::io::Result<Evolver> {
    let folder = config.data_dir.join("evolution");
    let artifacts = Artifacts::open(&folder.join("output"), KEEP_OUTPUT)?;
    let runs = TestRuns::new(Arc::clone(groups), Arc::new(artifacts), folder.join("runs"));
    Ok(Evolver {
        host: host.clone(),
        runs: runs.map_err(std::io::Error::other)?,
        store: store.clone(),
        worktrees: folder.join("worktrees"),
        limits: EvolverLimits {
            tool: TOOL_LIMIT,
            custom_file: TRANSFORM_LIMIT,
            tests: config.test_timeout,
        },
        at_work: AtWork::default(),
    })
}

impl TrustStore for Engine {
    fn is_trusted<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<bool, EvolutionError>> {
        let by_setting = || self.config.trusted.iter().any(|it| root.starts_with(it));
        // What was decided about the project itself goes before a setting about the folder around it.
        let decided = self.store.trust_of(&root.to_string_lossy());
        Box::pin(std::future::ready(Ok(decided.unwrap_or_else(by_setting))))
    }
}

/// The seed that was asked for, or a new one for 0.
pub(crate) fn seed(asked: u64) -> u64 {
    match asked {
        // A whole number that every reader of JSON keeps.
        0 => (Uuid::new_v4().as_u64_pair().0 >> 12).max(1),
        asked => asked,
    }
}
