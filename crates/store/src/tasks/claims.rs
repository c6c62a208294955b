//! Claims: a task is given to one worker, with the fencing token that proves the worker's reports.
//!
//! BullMQ hands out the job, then the record is claimed. Files are leased before the record is claimed, so that no worker
//! has a task whose files another task has.

use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::{Task, TaskState, WorkerKind};
use shim_runtime::ids::{Epoch, LeaseToken, SessionId, TaskId, WorkerId};
use shim_runtime::trace::TraceContext;

use super::metrics;
use super::reader::TextSelection;
use super::refusal::refusal;
use super::rows::{self, Row};
use super::scripts::ScriptAnswer;
use super::task_store::Tasks;
use crate::bullmq::TakenJob;
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

/// What the job of another program gets if it says nothing about it.
const FOREIGN_ATTEMPTS: u32 = 3;
const FOREIGN_BACKOFF: Duration = Duration::from_secs(2);

/// Jobs that one call takes in vain.
const MAX_TRIED: usize = 100;

/// A worker that has room.
#[derive(Debug, Clone)]
pub struct Claimer {
    /// Its id.
    pub worker_id: WorkerId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its kind.
    pub kind: WorkerKind,
    /// Its session, if it is a chat.
    pub session_id: Option<SessionId>,
    /// How many tasks it takes at once.
    pub capacity: u32,
    /// The key of the request, if it may come again.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A claim that stands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The fencing token that goes with every report.
    pub lease: LeaseToken,
}

#[derive(Serialize)]
struct ClaimArgs<'a> {
    id: Option<&'a str>,
    worker: String,
    epoch: u64,
    session: String,
    capacity: u32,
    lease_of_files: &'a str,
    workspace: &'a str,
}

#[derive(Deserialize)]
struct ClaimAnswer {
    /// A text: Lua's numbers are doubles.
    lease: String,
    task: Row,
}

impl ClaimAnswer {
    fn into_claimed(self) -> Result<Claimed, Error> {
        Ok(Claimed {
            lease: self.lease.parse().map_err(|_| Error::Defect)?,
            task: self.task.task()?,
        })
    }
}

#[derive(Serialize)]
struct AdoptArgs<'a> {
    queue: &'a str,
    job: &'a str,
    id: String,
    spec: ByteBuf,
    priority: u32,
    max_attempts: u32,
    backoff_ms: u64,
}

#[derive(Deserialize)]
struct AdoptAnswer {
    id: String,
}

/// What the claim script decided on a job.
enum ClaimOutcome {
    Claimed(Claimed),
    /// The request made this claim before, with another job.
    Repeated(Claimed),
    /// There is no such task: another program made the job.
    Unknown,
    /// A living worker has the task; the job stays as it is.
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
            .arg(self.runner.slot.request_key(&idempotency_key.request_id))
            .to_owned();
        if self.runner.connection.query::<u8>(&look).await? == 0 {
            return Ok(None);
        }
        match self.claim(claimer, None, "", "").await? {
            ClaimOutcome::Repeated(claimed) => Ok(Some(claimed)),
            _ => Ok(None),
        }
    }

    async fn reclaim_lost(&self, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        let worker = claimer.worker_id.to_string();
        while let Some(id) = self.lost_claims.take(claimer.worker_id) {
            let row = match self.reader.row(TextSelection::Errors, &id).await {
                Ok(row) => row,
                Err(error) => {
                    self.lost_claims.add(claimer.worker_id, id);
                    return Err(error);
                }
            };
            let stands = |row: &Row| {
                row.state() == TaskState::Running
                    && row.record.worker == worker
                    && row.record.epoch == claimer.epoch.0
            };
            if let Some(row) = row.filter(stands) {
                return Ok(Some(Claimed {
                    lease: LeaseToken(row.record.lease),
                    task: row.task()?,
                }));
            }
        }
        Ok(None)
    }

    /// Takes the next task of a queue for a worker; `None` if the queue holds none that can be claimed now.
    ///
    /// # Errors
    /// `NoRoom`, `StaleWorker`, `RequestIdReused`, or as the store fails.
    pub async fn take(&self, queue: &str, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        if let Some(claimed) = self.reclaim_lost(claimer).await? {
            return Ok(Some(claimed));
        }
        for _ in 0..MAX_TRIED {
            let Some(taken) = self.queues.take(queue).await? else {
                break;
            };
            // Boxed: it is too deep for the compiler else.
            let claiming = self.claim_job(queue, claimer, taken).boxed();
            if let Some(claimed) = claiming.await? {
                return Ok(Some(claimed));
            }
        }
        Ok(None)
    }

    /// Turns a job that BullMQ handed out into a claim, or puts it where it belongs.
    async fn claim_job(
        &self,
        queue: &str,
        claimer: &Claimer,
        taken: TakenJob,
    ) -> Result<Option<Claimed>, Error> {
        let file_waiters = &self.relay.file_waiters;
        let files = match file_waiters.lease_files(&taken).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                file_waiters.delay(&taken).await?;
                return Ok(None);
            }
            Err(error) => {
                put_back(&taken).await;
                return Err(error);
            }
        };
        let mut task_id = taken.task_id().unwrap_or(taken.job_id()).to_owned();
        let outcome = self
            .claim_taken(queue, claimer, &taken, &mut task_id, &files.id())
            .await;
        match outcome {
            Ok(ClaimOutcome::Claimed(claimed)) => {
                self.relay.taken_jobs.hold(task_id, taken);
                Ok(Some(claimed))
            }
            // The task may be claimed. If not, the supervisor finds the job.
            Err(error @ Error::Unavailable(_)) => {
                if claimer.idempotency_key.is_none() {
                    self.lost_claims.add(claimer.worker_id, task_id);
                }
                Err(error)
            }
            outcome => {
                file_waiters.release_new_lease(&taken, files).await;
                self.return_job(queue, task_id, taken, outcome).await
            }
        }
    }

    /// Claims the task of a job that this process took; a job of another program becomes a task first.
    async fn claim_taken(
        &self,
        queue: &str,
        claimer: &Claimer,
        taken: &TakenJob,
        task_id: &mut String,
        files: &str,
    ) -> Result<ClaimOutcome, Error> {
        let workspace = taken.workspace();
        let mut outcome = self.claim(claimer, Some(task_id), files, workspace).await?;
        if matches!(outcome, ClaimOutcome::Unknown) && taken.task_id().is_none() {
            *task_id = self.adopt(queue, taken).await?;
            outcome = self.claim(claimer, Some(task_id), files, workspace).await?;
        }
        if !matches!(outcome, ClaimOutcome::Misplaced) {
            return Ok(outcome);
        }
        // Somebody may have retried or promoted the job in BullMQ just now.
        let followed = self.read_events(queue).await?;
        let outcome = self.claim(claimer, Some(task_id), files, workspace).await;
        self.relay_followed(followed).await;
        outcome
    }

    /// Does with a job what its outcome asks for, which is no claim of it.
    async fn return_job(
        &self,
        queue: &str,
        task_id: String,
        taken: TakenJob,
        outcome: Result<ClaimOutcome, Error>,
    ) -> Result<Option<Claimed>, Error> {
        match outcome {
            Ok(ClaimOutcome::Unknown) => self.queues.discard(queue, &taken).await?,
            Ok(ClaimOutcome::Misplaced) => self.relay.reconcile_taken(task_id, taken).await,
            Ok(ClaimOutcome::AlreadyTaken) => {}
            Ok(ClaimOutcome::Repeated(claimed) | ClaimOutcome::Claimed(claimed)) => {
                put_back(&taken).await;
                return Ok(Some(claimed));
            }
            Err(error) => {
                put_back(&taken).await;
                return Err(error);
            }
        }
        Ok(None)
    }

    async fn claim(
        &self,
        claimer: &Claimer,
        id: Option<&str>,
        lease_of_files: &str,
        workspace: &str,
    ) -> Result<ClaimOutcome, Error> {
        let args = ClaimArgs {
            id,
            worker: claimer.worker_id.to_string(),
            epoch: claimer.epoch.0,
            session: claimer.session_id.map(String::from).unwrap_or_default(),
            capacity: claimer.capacity,
            lease_of_files,
            workspace,
        };
        let (script, idempotency_key) = (&self.scripts.claim, claimer.idempotency_key.as_ref());
        let answer = self.runner.run_for(script, idempotency_key, &args).await?;
        claim_outcome(answer, claimer, id.unwrap_or_default())
    }

    /// Makes a task of a job that another program put into the queue; returns the id of the task.
    async fn adopt(&self, queue: &str, taken: &TakenJob) -> Result<String, Error> {
        let written_data = self.queues.written_data(queue, taken.job_id()).await?;
        let foreign = taken.foreign(&written_data);
        let trace_context = foreign.trace_context.unwrap_or_else(TraceContext::new_root);
        let max_attempts = foreign.max_attempts.unwrap_or(FOREIGN_ATTEMPTS);
        let args = AdoptArgs {
            queue,
            job: taken.job_id(),
            id: TaskId::new().to_string(),
            spec: rows::stored(&foreign.task, trace_context),
            priority: foreign.priority.min(100),
            max_attempts: max_attempts.clamp(1, 20),
            backoff_ms: millis(FOREIGN_BACKOFF),
        };
        let answer = self.runner.run(&self.scripts.adopt, &args).await?;
        let (_, adopted) = answer.unrefused::<AdoptAnswer>()?;
        Ok(adopted.id)
    }
}

/// Puts a job back that was taken for nothing, before all of its priority; if that fails the supervisor finds it.
async fn put_back(taken: &TakenJob) {
    if let Err(error) = taken.put_back().await {
        tracing::debug!(%error, job = taken.job_id(), "a job waits for the supervisor");
    }
}

fn claim_outcome(
    mut answer: ScriptAnswer,
    claimer: &Claimer,
    id: &str,
) -> Result<ClaimOutcome, Error> {
    match answer.status() {
        "OK" => {
            let (_, claim) = answer.decision::<ClaimAnswer>()?;
            let claimed = claim.into_claimed()?;
            metrics::count_claim(claimer.kind, &claimed.task);
            Ok(ClaimOutcome::Claimed(claimed))
        }
        "AGAIN" => {
            let claim: ClaimAnswer = answer.fields()?;
            claim.into_claimed().map(ClaimOutcome::Repeated)
        }
        "UNKNOWN" => Ok(ClaimOutcome::Unknown),
        "TAKEN" => Ok(ClaimOutcome::AlreadyTaken),
        "OVER" | "WAITS" => Ok(ClaimOutcome::Misplaced),
        "STALE" => Err(Error::StaleWorker {
            worker: claimer.worker_id.to_string(),
            epoch: claimer.epoch.0,
            what: "gone: what it had was given to others".to_owned(),
        }),
        "NO_ROOM" => Err(Error::NoRoom(claimer.worker_id.to_string())),
        _ => Err(refusal(&mut answer, id)?),
    }
}
