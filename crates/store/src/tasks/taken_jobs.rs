//! The jobs that this process took out of their queues: only with what their taker got can they be finished in BullMQ.

use std::collections::{HashMap, VecDeque};

use bullmq::Job as BullJob;

use super::job::JobData;
use super::outbox_relay::{OutboxRelay, locked};
use super::queue::with_timeout;
use super::rows::Row;
use crate::error::Error;

/// Jobs held at a time. One that is let go too early is taken out of BullMQ in the end, and its task loses nothing.
const MAX_TAKEN_JOBS: usize = 10_000;
/// Bytes of a result that people see in BullMQ; the task has all of it.
const MAX_SHOWN_BYTES: usize = 1_024;

/// A job taken out of its queue, with the task it stands for.
pub(super) struct TakenJob {
    pub(super) task_id: String,
    pub(super) job: BullJob,
    pub(super) data: JobData,
}

/// Jobs by task, with what each task resulted in.
#[derive(Default)]
pub(super) struct TakenJobs {
    jobs: HashMap<String, (BullJob, String)>,
    order: VecDeque<String>,
}

/// Claims whose answers got lost, by worker: nobody asks again under the same request.
#[derive(Default)]
pub(super) struct LostClaims(HashMap<String, Vec<String>>);

impl TakenJobs {
    fn put(&mut self, task_id: String, job: BullJob) {
        self.order.push_back(task_id.clone());
        self.jobs.insert(task_id, (job, String::new()));
        if self.order.len() > 2 * MAX_TAKEN_JOBS {
            self.order.retain(|id| self.jobs.contains_key(id));
        }
        // What other processes ended is forgotten here.
        while self.jobs.len() > MAX_TAKEN_JOBS {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.jobs.remove(&oldest);
        }
    }
}

impl OutboxRelay {
    /// Remembers a task that a worker of this process may have claimed without hearing of it.
    pub(super) fn remember_lost_claim(&self, worker_id: &str, task_id: &str) {
        let mut lost_claims = locked(&self.lost_claims);
        let tasks = lost_claims.0.entry(worker_id.to_owned()).or_default();
        tasks.push(task_id.to_owned());
    }

    /// One such task, which is remembered no more.
    pub(super) fn take_lost_claim(&self, worker_id: &str) -> Option<String> {
        let mut lost_claims = locked(&self.lost_claims);
        let tasks = lost_claims.0.get_mut(worker_id)?;
        let task_id = tasks.pop();
        if tasks.is_empty() {
            lost_claims.0.remove(worker_id);
        }
        task_id
    }

    /// Takes the next job out of a queue.
    pub(super) async fn take(&self, queue: &str) -> Result<Option<TakenJob>, Error> {
        let open = self.open(queue).await?;
        Ok(open.take().await?.map(|job| {
            let data = JobData::of(&job);
            TakenJob {
                task_id: data.task_id.clone().unwrap_or_else(|| job.id().to_owned()),
                job,
                data,
            }
        }))
    }

    /// Puts a job back that was taken for nothing, before all of its priority; if that fails the supervisor finds it.
    pub(super) async fn put_back(&self, taken: TakenJob) {
        if let Err(error) = with_timeout(taken.job.move_to_wait(None)).await {
            tracing::debug!(%error, task = taken.task_id, "a job waits for the supervisor");
        }
    }

    /// Puts a job where its task's record says it belongs, which is not with a worker.
    pub(super) async fn reconcile_job(&self, taken: TakenJob) {
        let id = taken.task_id.clone();
        self.hold(taken);
        let entries = super::OutboxEntries {
            // Nothing of it is in the outbox yet.
            decided_us: "0".to_owned(),
            items: vec![id],
        };
        self.relay(entries).await;
    }

    /// Takes a job out for good whose task was forgotten.
    pub(super) async fn discard(&self, queue: &str, taken: TakenJob) -> Result<(), Error> {
        with_timeout(taken.job.move_to_wait(None)).await?;
        let open = self.open(queue).await?;
        with_timeout(open.queue.remove(taken.job.id()))
            .await
            .map(drop)
    }

    /// Keeps a job whose task was claimed, until it ends.
    pub(super) fn hold(&self, taken: TakenJob) {
        locked(&self.taken_jobs).put(taken.task_id, taken.job);
    }

    /// What BullMQ shall know of a task's result.
    pub(super) fn note_result(&self, id: &str, text: &str) {
        if let Some((_, result)) = locked(&self.taken_jobs).jobs.get_mut(id) {
            text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].clone_into(result);
        }
    }

    /// The job of a task that this process took out, with its result; it is held no longer.
    pub(super) fn take_job(&self, row: &Row) -> Option<(BullJob, String)> {
        locked(&self.taken_jobs).jobs.remove(&row.id)
    }
}
