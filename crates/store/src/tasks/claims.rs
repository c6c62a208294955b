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
use super::held::Taken;
use super::rows::Row;
use super::{Once, REMEMBERED, Tasks, refusal, tally};
use crate::error::Error;

/// What a foreign job gets that says nothing about it.
const FOREIGN_ATTEMPTS: u32 = 3;
const FOREIGN_PAUSE: Duration = Duration::from_secs(2);

/// Jobs taken in vain in one go.
const MOST_TRIED: usize = 100;

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
    pub once: Option<Once>,
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
enum Answer {
    Claimed(Claimed),
    /// The request was answered before, with another job.
    Again(Claimed),
    /// Nobody knows the job: another program made it.
    Unknown,
    /// It is no claim, and the job stays as it is: its worker lives.
    Taken,
    /// Its task needs no worker, or not yet.
    Misplaced,
}

impl Tasks {
    /// The claim that the same request made before, or, without a request, the one whose answer got lost; if it stands.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn claimed_before(&self, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        let Some(once) = &claimer.once else {
            return self.claimed_unheard(claimer).await;
        };
        // Most requests come once, and the script is not needed to see that.
        let look = redis::cmd("EXISTS")
            .arg(self.slot.did(&once.request_id))
            .to_owned();
        if self.link.query::<u8>(&look).await? == 0 {
            return Ok(None);
        }
        match self.claim(claimer, "", "", "").await? {
            Answer::Again(claimed) => Ok(Some(claimed)),
            _ => Ok(None),
        }
    }

    async fn claimed_unheard(&self, claimer: &Claimer) -> Result<Option<Claimed>, Error> {
        while let Some(id) = self.carrier.take_unheard(&claimer.worker_id) {
            let rows = match self.carrier.rows("errors", &[&id]).await {
                Ok(rows) => rows,
                Err(error) => {
                    self.carrier.not_heard(&claimer.worker_id, &id);
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
        if let Some(claimed) = self.claimed_unheard(claimer).await? {
            return Ok(Some(claimed));
        }
        for _ in 0..MOST_TRIED {
            let Some(taken) = self.carrier.take(queue).await? else {
                break;
            };
            if let Some(claimed) = self.settle(queue, claimer, taken).await? {
                return Ok(Some(claimed));
            }
        }
        Ok(None)
    }

    /// Turns a job that BullMQ gave out into a claim, or puts it where it belongs.
    async fn settle(
        &self,
        queue: &str,
        claimer: &Claimer,
        mut taken: Taken,
    ) -> Result<Option<Claimed>, Error> {
        let files = match self.carrier.lease_files(&taken).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                self.carrier.put_aside(taken).await?;
                return Ok(None);
            }
            Err(error) => {
                self.carrier.put_back(taken).await;
                return Err(error);
            }
        };
        let answer = self
            .claim_taken(queue, claimer, &mut taken, files.id())
            .await;
        match answer {
            Ok(Answer::Claimed(claimed)) => {
                self.carrier.hold(taken);
                Ok(Some(claimed))
            }
            // It may be claimed. If not, the supervisor finds the job.
            Err(error @ Error::Unavailable(_)) => {
                if claimer.once.is_none() {
                    let id = &taken.task_id;
                    self.carrier.not_heard(&claimer.worker_id, id);
                }
                Err(error)
            }
            answer => {
                self.carrier.unlease(&taken, files).await;
                self.put_where_it_belongs(queue, taken, answer).await
            }
        }
    }

    /// Claims the task of a job that is at hand; one of another program becomes a task first.
    async fn claim_taken(
        &self,
        queue: &str,
        claimer: &Claimer,
        taken: &mut Taken,
        files: &str,
    ) -> Result<Answer, Error> {
        let workspace = &taken.data.workspace;
        let answer = self.claim(claimer, &taken.task_id, files, workspace);
        let answer = answer.await?;
        if !matches!(answer, Answer::Unknown) || taken.data.task_id.is_some() {
            return Ok(answer);
        }
        taken.task_id = self.adopt(queue, &taken.job).await?;
        self.claim(claimer, &taken.task_id, files, workspace).await
    }

    /// Does with a job what was answered instead of a claim.
    async fn put_where_it_belongs(
        &self,
        queue: &str,
        taken: Taken,
        answer: Result<Answer, Error>,
    ) -> Result<Option<Claimed>, Error> {
        match answer {
            Ok(Answer::Unknown) => self.carrier.discard(queue, taken).await?,
            Ok(Answer::Misplaced) => self.carrier.put_right(taken).await,
            Ok(Answer::Taken) => {}
            Ok(Answer::Again(claimed) | Answer::Claimed(claimed)) => {
                self.carrier.put_back(taken).await;
                return Ok(Some(claimed));
            }
            Err(error) => {
                self.carrier.put_back(taken).await;
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
    ) -> Result<Answer, Error> {
        let (did, fingerprint) = match &claimer.once {
            Some(once) => (self.slot.did(&once.request_id), once.fingerprint.as_str()),
            None => (String::new(), ""),
        };
        let call = self
            .call(&self.scripts.claim)
            .arg(did)
            .arg(fingerprint)
            .arg(millis(REMEMBERED))
            .arg(id)
            .arg(claimer.worker_id.as_str())
            .arg(claimer.epoch)
            .arg(claimer.session_id.as_str())
            .arg(claimer.capacity)
            .arg(files)
            .arg(workspace);
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                self.decided(&mut reply)?;
                let claimed = claimed(&mut reply)?;
                tally::claimed(claimer.kind, &claimed.task);
                Ok(Answer::Claimed(claimed))
            }
            "AGAIN" => claimed(&mut reply).map(Answer::Again),
            "UNKNOWN" => Ok(Answer::Unknown),
            "TAKEN" => Ok(Answer::Taken),
            "OVER" | "WAITS" => Ok(Answer::Misplaced),
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
        let place = super::job::place(job).unwrap_or_else(TraceContext::new_root);
        let options = job.opts();
        let call = self
            .call(&self.scripts.adopt)
            .arg(format!("{queue}:{}", job.id()))
            .arg(Uuid::now_v7().to_string())
            .arg(super::rows::stored(&task, place))
            .arg(queue)
            .arg(job.priority().min(100))
            .arg(options.attempts.unwrap_or(FOREIGN_ATTEMPTS).clamp(1, 20))
            .arg(millis(FOREIGN_PAUSE))
            .arg(job.id());
        let mut reply = self.decide(&call).await?;
        reply.status()?;
        self.decided(&mut reply)?;
        reply.take()
    }
}

fn claimed(reply: &mut Reply) -> Result<Claimed, Error> {
    let _id: String = reply.take()?;
    let lease = reply.take()?;
    let task = reply.take::<Row>()?.task()?;
    Ok(Claimed { task, lease })
}
