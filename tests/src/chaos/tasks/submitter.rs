//! The submitter of a suite: it submits as many jobs as keep the workers busy, until the faults are over and enough jobs
//! were done.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{GetTaskRequest, Task, TaskState};
use tokio::sync::watch;
use tonic::Status;

use super::failover_client::FailoverClient;
use super::graphs::Graph;
use crate::rng::SeededRng;

/// Tasks on their way at a time: more than the workers can do at once.
const BACKLOG: usize = 60;
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Once the faults are over, jobs that have not moved for this long never will.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A job that was submitted.
#[derive(Debug, Clone)]
pub(super) struct SubmittedJob {
    pub(super) root_id: String,
    /// The tasks of it that workers do, in their order.
    pub(super) parts: Vec<String>,
    pub(super) graph: Graph,
}

/// The submitter.
pub(super) struct Submitter {
    service: FailoverClient,
    rng: SeededRng,
    jobs: Vec<SubmittedJob>,
    /// Which of them have not ended.
    open: Vec<usize>,
}

impl Submitter {
    pub(super) fn at(coordination: &[PathBuf], rng: SeededRng) -> Result<Self, Status> {
        Ok(Self {
            service: FailoverClient::at(coordination, 0)?,
            rng,
            jobs: Vec::new(),
            open: Vec::new(),
        })
    }

    /// Submits until the faults are over and `tasks` were submitted, then waits until all have ended or nothing moves.
    pub(super) async fn keep_busy(
        mut self,
        tasks: u64,
        are_over: watch::Receiver<bool>,
    ) -> Result<Vec<SubmittedJob>, Status> {
        let mut moved_at = Instant::now();
        loop {
            let before = self.open.len();
            self.poll_open_jobs().await?;
            let faults_are_over = *are_over.borrow();
            if self.open.len() != before || !faults_are_over {
                moved_at = Instant::now();
            }
            let is_enough = faults_are_over && self.submitted() >= tasks;
            while !is_enough && self.backlog() < BACKLOG {
                let graph = Graph::draw(&mut self.rng);
                self.submit(graph).await?;
                moved_at = Instant::now();
            }
            if is_enough && (self.open.is_empty() || moved_at.elapsed() > TIMEOUT) {
                return Ok(self.jobs);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Submits one job, again and again until it is answered.
    pub(super) async fn submit(&mut self, graph: Graph) -> Result<SubmittedJob, Status> {
        let answer = self
            .service
            .call(&graph.request, |mut to, request| async move {
                to.jobs.submit_task(request).await
            })
            .await?;
        let root_id = answer.task.map(|root| root.task_id).unwrap_or_default();
        let mut parts: Vec<_> = answer.subtasks.into_iter().map(|p| p.task_id).collect();
        if parts.is_empty() {
            parts.push(root_id.clone());
        }
        let submitted = SubmittedJob {
            root_id,
            parts,
            graph,
        };
        self.open.push(self.jobs.len());
        self.jobs.push(submitted.clone());
        Ok(submitted)
    }

    /// Waits until everything that was submitted has ended; what has not by then is found lost in the end.
    pub(super) async fn wait_for_all(&mut self) -> Result<(), Status> {
        let start = Instant::now();
        while !self.open.is_empty() && start.elapsed() < TIMEOUT {
            self.poll_open_jobs().await?;
            tokio::time::sleep(POLL_INTERVAL / 10).await;
        }
        Ok(())
    }

    /// Looks which of the open jobs have ended.
    async fn poll_open_jobs(&mut self) -> Result<(), Status> {
        for index in std::mem::take(&mut self.open) {
            let request = GetTaskRequest {
                task_id: self.jobs[index].root_id.clone(),
                with_subtasks: false,
            };
            let answer = self
                .service
                .call(&request, |mut to, request| async move {
                    to.jobs.get_task(request).await
                })
                .await?;
            if !answer.task.as_ref().is_some_and(has_ended) {
                self.open.push(index);
            }
        }
        Ok(())
    }

    fn submitted(&self) -> u64 {
        self.jobs.iter().map(|job| job.parts.len() as u64).sum()
    }

    fn backlog(&self) -> usize {
        let open = self.open.iter();
        open.map(|index| self.jobs[*index].parts.len()).sum()
    }
}

/// Whether a task has ended.
pub(super) fn has_ended(task: &Task) -> bool {
    matches!(
        task.state(),
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled
    )
}
