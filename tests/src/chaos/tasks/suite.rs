//! The suite itself: first single workers are killed, to measure; then every kind of process is killed and frozen at once;
//! when all jobs have ended, the run is judged.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::cleanup_check;
use super::external_workers::{ExternalWorker, WorkerLauncher};
use super::fault_injection::{FaultLog, FaultPacing, FaultPlan, inject_faults, inject_faults_each};
use super::history::JobHistory;
use super::judge::{Evidence, judge};
use super::peer;
use super::resource::ResourceServer;
use super::restart::{Kills, kill_holders, restarts};
use super::submitter::{SubmittedJob, Submitter, has_ended};
use super::test_stack::{TestStack, sockets};
use super::verdict::TasksVerdict;
use super::worker_reports::ReportCollector;
use crate::rng::SeededRng;

/// Worker processes outside the services.
const EXTERNAL_WORKERS: u64 = 8;
/// Longer than the clerk waits for tasks that do not move.
const LAST_TASKS_WITHIN: Duration = Duration::from_secs(900);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How often workers outside, `shim worker`, `shim coordination` and Redis are killed, and how often frozen.
    pub rounds: u64,
    /// Tasks to do, at least.
    pub tasks: u64,
    /// How often a worker is killed in the calm, to measure.
    pub calm_kills: u64,
    /// Silence longer than this is death.
    pub dead_after: Duration,
    /// Whether BullMQ's own worker is killed too, to compare.
    pub with_peer: bool,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Runs the suite on a Redis of its own, telling `progress` what goes on.
///
/// # Errors
/// The first answer to submitter or judge that no fault explains.
///
/// # Panics
/// If the services do not start.
pub async fn run(settings: SuiteOptions, progress: impl Fn(&str)) -> Result<TasksVerdict, Status> {
    let start = Instant::now();
    let peer = settings
        .with_peer
        .then(|| tokio::spawn(peer::kill_to_start()));
    let mut rng = SeededRng::new(settings.seed);
    let mut env = SuiteEnv::start(settings, &mut rng).await;

    let mut submitter = Submitter::at(
        &sockets(&env.stack.coordination),
        SeededRng::new(rng.next_u64()),
    )?;
    let external_workers = &mut env.external_workers;
    progress("workers are killed in the calm");
    let calm = kill_holders(
        settings.calm_kills,
        &mut submitter,
        external_workers,
        &env.collector,
    )
    .await?;
    progress("everything is killed and frozen at once");
    let (over, are_over) = watch::channel(false);
    let submitter = tokio::spawn(submitter.keep_busy(settings.tasks, are_over));
    let fault_log = env.inject_all_faults(&mut rng).await;
    progress("the faults are over; the last tasks are done");
    over.send_replace(true);
    let jobs = tokio::time::timeout(LAST_TASKS_WITHIN, submitter).await;
    let jobs = jobs.expect("the services answer when the faults are over");
    let jobs = jobs.expect("the submitter does not panic")?;

    progress("all has ended, and is judged");
    let judged = env.verdict(&jobs, &calm, &fault_log).await;
    if !judged.as_ref().is_ok_and(TasksVerdict::is_clean) {
        cleanup_check::show_warnings(&env.stack);
    }
    let mut verdict = judged?;
    if let Some(peer) = peer {
        verdict.bullmq_kill_to_start_ms = peer.await.unwrap_or(None);
    }
    verdict.seconds = start.elapsed().as_secs_f64();
    Ok(verdict)
}

/// All who take part.
struct SuiteEnv {
    settings: SuiteOptions,
    stack: TestStack,
    resource: ResourceServer,
    external_workers: Vec<ExternalWorker>,
    collector: ReportCollector,
}

impl SuiteEnv {
    async fn start(settings: SuiteOptions, rng: &mut SeededRng) -> Self {
        let stack = TestStack::start(settings.dead_after, true).await;
        let resource = ResourceServer::serve(stack.temp.root());
        let (reports, reported) = mpsc::unbounded_channel();
        let launcher = WorkerLauncher::of(&stack, resource.socket(), reports);
        let launch = |_| launcher.launch(SeededRng::new(rng.next_u64()));
        Self {
            settings,
            external_workers: (0..EXTERNAL_WORKERS).map(launch).collect(),
            collector: ReportCollector::start(reported),
            resource,
            stack,
        }
    }

    async fn inject_all_faults(&mut self, rng: &mut SeededRng) -> FaultLog {
        let SuiteOptions {
            rounds, dead_after, ..
        } = self.settings;
        let mut shared = |targets: usize, pacing: FaultPacing| FaultPlan {
            times: rounds.div_ceil(targets as u64),
            pacing,
            dead_after,
            rng: SeededRng::new(rng.next_u64()),
        };
        let TestStack {
            redis,
            coordination,
            workers,
            ..
        } = &mut self.stack;
        let of_external_workers = shared(self.external_workers.len(), FaultPacing::EXTERNAL_WORKER);
        let of_coordination = shared(coordination.len(), FaultPacing::COORDINATION);
        let of_workers = shared(workers.len(), FaultPacing::WORKERS);
        let of_redis = shared(1, FaultPacing::REDIS);
        let (mut fault_log, more, yet_more, last) = tokio::join!(
            inject_faults_each(&mut self.external_workers, of_external_workers),
            inject_faults_each(coordination, of_coordination),
            inject_faults_each(workers, of_workers),
            inject_faults(redis, of_redis),
        );
        for other in [more, yet_more, last] {
            fault_log.add(other);
        }
        fault_log
    }

    async fn verdict(
        &self,
        jobs: &[SubmittedJob],
        calm: &Kills,
        fault_log: &FaultLog,
    ) -> Result<TasksVerdict, Status> {
        let mut verdict = TasksVerdict {
            seed: self.settings.seed,
            dead_after_ms: u64::try_from(self.settings.dead_after.as_millis()).unwrap_or(u64::MAX),
            left_by_themselves: fault_log.exited.len() as u64,
            faults: fault_log.by_kind(),
            ..TasksVerdict::default()
        };
        cleanup_check::count(&self.stack, &mut verdict).await?;
        let mut clients = self.stack.coordination[0].service().tasks();
        let mut history = Vec::with_capacity(jobs.len());
        for job in jobs {
            history.push(JobHistory::of(job, &mut clients).await?);
        }
        verdict.calm = restarts(calm, &history, &mut clients).await;
        verdict.stormy = restarts(&fault_log.worker_kills(), &history, &mut clients).await;
        let evidence = Evidence {
            reports: &self.collector.collected(),
            resources: &self.resource.resources(),
        };
        judge(jobs, &history, &evidence, &mut verdict);
        let parts = history.iter().flat_map(|job_history| &job_history.parts);
        for lost in parts.filter(|part| !has_ended(part)) {
            cleanup_check::show_task(&self.stack, &lost.task_id);
        }
        Ok(verdict)
    }
}
