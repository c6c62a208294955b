//! Claims: a task is given to one worker, with the fencing token that its reports prove it by.
//!
//! BullMQ hands out the job, then the record is claimed. Files come before the record, so that nobody holds a task whose
//! files another has.

use std::time::Duration;

use bullmq::Job as BullJob;
use shim_proto::coordination::v1::{Task, TaskState, WorkerKind};
use shim_runtime::trace::TraceContext;
use uuid::Uuid;

use super::super::clock::millis;
use super::super::reply::Reply;
use super::rows::Row;
use super::taken_jobs::TakenJob;
use super::{IdempotencyKey, REQUEST_ID_TTL, Tasks, metrics, refusal};
use crate::error::Error;

/// What a foreign job gets that says nothing about it.
const FOREIGN_ATTEMPTS: u32 = 3;
const FOREIGN_BACKOFF: Duration = Duration::from_secs(2);

/// Jobs taken in vain in one go.
const MAX_TRIED: usize = 100;

/// A worker that has room.
#[derive(Debug, Clone)]
pub struct Claimer {
    /// Its id.
    pub worker_id: String,
    /// Its epoch.
    pub epoch: u64,
    /// What it is.
    pub kind: WorkerKind,
    /// Its session, if it is a chat; else empty.
    pub session_id: String,
    /// How many tasks it takes at once.
    pub capacity: u32,
    /// The request that asks, if it may come again.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A claim that stands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The fencing token that goes with every report.
    pub lease: u64,
}

/// What the claim script said of a job.
enum ClaimOutcome {
    Claimed(Claimed),
    /// The request was answered before, with another job.
    Repeated(Claimed),
    /// Nobody knows the job: another program made it.
    Unknown,
    /// It is no claim, and the job stays as it is: its worker lives.
    AlreadyTaken,
    /// Its task needs no worker, or not yet.
    Misplaced,
}

impl Tasks {
    /// The claim that the same request made before, or, without a request, the one whose answer got lost; if it stands.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn claimed_before(&self, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        let Some(idempotency_key) = &claimer.idempotency_key else {
            return self.reclaim_lost(claimer).await;
        };
        // Most requests come once, and the script is not needed to see that.
        let look = redis::cmd("EXISTS")
            .arg(self.slot.request_key(&idempotency_key.request_id))
            .to_owned();
        if self.connection.query::<u8>(&look).await? == 0 {
            return Ok(None);
        }
        match self.claim(claimer, "", "", "").await? {
            ClaimOutcome::Repeated(claimed) => Ok(Some(claimed)),
            _ => Ok(None),
        }
    }

    async fn reclaim_lost(&self, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        while let Some(id) = self.relay.take_lost_claim(&claimer.worker_id) {
            let rows = match self.relay.rows("errors", &[&id]).await {
                Ok(rows) => rows,
                Err(error) => {
                    self.relay.remember_lost_claim(&claimer.worker_id, &id);
                    return Err(error);
                }
            };
            let stands = |row: &&Row| {
                row.state() == TaskState::Running
                    && row.field("worker") == claimer.worker_id
                    && row.field("epoch") == claimer.epoch.to_string()
            };
            if let Some(row) = rows.first().filter(stands) {
                let lease = row.field("lease").parse().unwrap_or_default();
                let task = row.task()?;
                return Ok(Some(Claimed { task, lease }));
            }
        }
        Ok(None)
    }

    /// Takes the next task of a queue for a worker; `None` if the queue holds none that can be had now.
    ///
    /// # Errors
    /// `NoRoom`, `WorkerGone`, `RequestIdReused`, or as the store fails.
    pub async fn take(&self, queue: &str, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        if let Some(claimed) = self.reclaim_lost(claimer).await? {
            return Ok(Some(claimed));
        }
        for _ in 0..MAX_TRIED {
            let Some(taken) = self.relay.take(queue).await? else {
                break;
            };
            if let Some(claimed) = self.claim_job(queue, claimer, taken).await? {
                return Ok(Some(claimed));
            }
        }
        Ok(None)
    }

    /// Turns a job that BullMQ gave out into a claim, or puts it where it belongs.
    async fn claim_job(
        &self,
        queue: &str,
        claimer: &Claimer,
        mut taken: TakenJob,
    ) -> Result<Option<Claimed>, Error> {
        let files = match self.relay.lease_files(&taken).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                self.relay.delay(taken).await?;
                return Ok(None);
            }
            Err(error) => {
                self.relay.put_back(taken).await;
                return Err(error);
            }
        };
        let answer = self
            .claim_taken(queue, claimer, &mut taken, files.id())
            .await;
        match answer {
            Ok(ClaimOutcome::Claimed(claimed)) => {
                self.relay.hold(taken);
                Ok(Some(claimed))
            }
            // It may be claimed. If not, the supervisor finds the job.
            Err(error @ Error::Unavailable(_)) => {
                if claimer.idempotency_key.is_none() {
                    let id = &taken.task_id;
                    self.relay.remember_lost_claim(&claimer.worker_id, id);
                }
                Err(error)
            }
            answer => {
                self.relay.release_new_lease(&taken, files).await;
                self.return_job(queue, taken, answer).await
            }
        }
    }

    /// Claims the task of a job that is at hand; one of another program becomes a task first.
    async fn claim_taken(
        &self,
        queue: &str,
        claimer: &Claimer,
        taken: &mut TakenJob,
        files: &str,
    ) -> Result<ClaimOutcome, Error> {
        let workspace = &taken.data.workspace;
        let answer = self.claim(claimer, &taken.task_id, files, workspace);
        let answer = answer.await?;
        if !matches!(answer, ClaimOutcome::Unknown) || taken.data.task_id.is_some() {
            return Ok(answer);
        }
        taken.task_id = self.adopt(queue, &taken.job).await?;
        self.claim(claimer, &taken.task_id, files, workspace).await
    }

    /// Does with a job what was answered instead of a claim.
    async fn return_job(
        &self,
        queue: &str,
        taken: TakenJob,
        answer: Result<ClaimOutcome, Error>,
    ) -> Result<Option<Claimed>, Error> {
        match answer {
            Ok(ClaimOutcome::Unknown) => self.relay.discard(queue, taken).await?,
            Ok(ClaimOutcome::Misplaced) => self.relay.reconcile_job(taken).await,
            Ok(ClaimOutcome::AlreadyTaken) => {}
            Ok(ClaimOutcome::Repeated(claimed) | ClaimOutcome::Claimed(claimed)) => {
                self.relay.put_back(taken).await;
                return Ok(Some(claimed));
            }
            Err(error) => {
                self.relay.put_back(taken).await;
                return Err(error);
            }
        }
        Ok(None)
    }

    async fn claim(
        &self,
        claimer: &Claimer,
        id: &str,
        files: &str,
        workspace: &str,
    ) -> Result<ClaimOutcome, Error> {
        let (request_key, fingerprint) = match &claimer.idempotency_key {
            Some(idempotency_key) => (
                self.slot.request_key(&idempotency_key.request_id),
                idempotency_key.fingerprint.as_str(),
            ),
            None => (String::new(), ""),
        };
        let call = self
            .call(&self.scripts.claim)
            .arg(request_key)
            .arg(fingerprint)
            .arg(millis(REQUEST_ID_TTL))
            .arg(id)
            .arg(claimer.worker_id.as_str())
            .arg(claimer.epoch)
            .arg(claimer.session_id.as_str())
            .arg(claimer.capacity)
            .arg(files)
            .arg(workspace);
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                self.take_entries(&mut reply)?;
                let claimed = read_claim(&mut reply)?;
                metrics::count_claim(claimer.kind, &claimed.task);
                Ok(ClaimOutcome::Claimed(claimed))
            }
            "AGAIN" => read_claim(&mut reply).map(ClaimOutcome::Repeated),
            "UNKNOWN" => Ok(ClaimOutcome::Unknown),
            "TAKEN" => Ok(ClaimOutcome::AlreadyTaken),
            "OVER" | "WAITS" => Ok(ClaimOutcome::Misplaced),
            "STALE" => Err(Error::StaleWorker {
                worker: claimer.worker_id.clone(),
                epoch: claimer.epoch,
                what: "gone: what it had was given to others".to_owned(),
            }),
            "NO_ROOM" => Err(Error::NoRoom(claimer.worker_id.clone())),
            other => Err(refusal(other, &mut reply, id)?),
        }
    }

    /// Makes a task of a job that another program put into the queue.
    async fn adopt(&self, queue: &str, job: &BullJob) -> Result<String, Error> {
        let task = super::job::foreign(job);
        let trace_context = super::job::trace_context(job).unwrap_or_else(TraceContext::new_root);
        let options = job.opts();
        let call = self
            .call(&self.scripts.adopt)
            .arg(format!("{queue}:{}", job.id()))
            .arg(Uuid::now_v7().to_string())
            .arg(super::rows::stored(&task, trace_context))
            .arg(queue)
            .arg(job.priority().min(100))
            .arg(options.attempts.unwrap_or(FOREIGN_ATTEMPTS).clamp(1, 20))
            .arg(millis(FOREIGN_BACKOFF))
            .arg(job.id());
        let mut reply = self.run_transition(&call).await?;
        reply.status()?;
        self.take_entries(&mut reply)?;
        reply.take()
    }
}

fn read_claim(reply: &mut Reply) -> Result<Claimed, Error> {
    let _id: String = reply.take()?;
    let lease = reply.take()?;
    let task = reply.take::<Row>()?.task()?;
    Ok(Claimed { task, lease })
}
