//! The calls of workers themselves: register, beat, deregister.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_proto::limits::worker::MAX_WORKERS;
use shim_runtime::ids::{Epoch, WorkerId};

use super::model::{Heartbeat, stall};
use super::processes;
use super::rows::{self, RegisteredFields, StoredFields};
use super::store::{Registry, SharedArgs, refusal};
use crate::clock::{millis, unix_ms_of};
use crate::error::Error;
use crate::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use crate::script_values::as_text;

/// How long the record of a worker that went is kept.
pub(super) const GONE_TTL: Duration = Duration::from_secs(3_600);

#[derive(Serialize)]
struct RegisterArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    worker_id: &'a str,
    dead_after_ms: u64,
    capabilities: String,
    name: &'a str,
    kind: i32,
    capacity: u32,
    node: &'a str,
    version: &'a str,
    session: &'a str,
    processes: String,
    max_workers: usize,
    #[serde(flatten)]
    shared: SharedArgs<'a>,
}

#[derive(Serialize)]
struct HeartbeatArgs<'a> {
    #[serde(with = "as_text")]
    worker_id: WorkerId,
    #[serde(with = "as_text")]
    epoch: Epoch,
    running: u32,
    state: Option<String>,
    #[serde(with = "as_text")]
    health: i32,
    detail: &'a str,
    unfit_until: String,
    dead_after_ms: u64,
    stall_ms: u64,
    #[serde(flatten)]
    shared: SharedArgs<'a>,
}

#[derive(Deserialize)]
struct TooManyFields {
    held: u64,
}

#[derive(Deserialize)]
struct HeartbeatFields {
    due_ms: i64,
}

#[derive(Serialize)]
struct DeregisterArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    #[serde(with = "as_text")]
    worker_id: WorkerId,
    #[serde(with = "as_text")]
    epoch: Epoch,
    reason: &'a str,
    keep_gone_ms: u64,
    #[serde(flatten)]
    shared: SharedArgs<'a>,
}

#[derive(Deserialize)]
struct DeregisteredFields {
    worker: StoredFields,
}

impl Registry {
    /// Makes a worker known; returns it with its epoch, state and times.
    ///
    /// # Errors
    /// `TooManyWorkers`, `RequestIdReused`, or as the store fails.
    pub async fn register(
        &self,
        idempotency_key: &IdempotencyKey,
        worker: Worker,
        dead_after: Duration,
    ) -> Result<Worker, Error> {
        let call = self
            .changing(&self.register)
            .key(self.slot.request_key(&idempotency_key.request_id))
            .args(&RegisterArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                worker_id: &worker.worker_id,
                dead_after_ms: millis(dead_after),
                capabilities: worker.capabilities.join(" "),
                name: &worker.name,
                kind: worker.kind,
                capacity: worker.capacity,
                node: &worker.node,
                version: &worker.version,
                session: &worker.session_id,
                processes: processes::stored(worker.processes.as_ref()),
                max_workers: MAX_WORKERS,
                shared: self.shared_args(),
            });
        let mut reply = self.connection.call(&call).await?;
        let registered: RegisteredFields = reply.accept(|status, reply| match status {
            "TOO_MANY" => Ok(Error::TooManyWorkers {
                held: reply.fields::<TooManyFields>()?.held,
                max: MAX_WORKERS as u64,
            }),
            other => idempotency::refusal(other, reply, None),
        })?;
        Ok(registered.worker(worker))
    }

    /// Records a worker's beat; returns when the worker is dead unless it beats again, in milliseconds of Unix time.
    ///
    /// # Errors
    /// `WorkerNotFound`, `StaleWorker`, or as the store fails.
    pub async fn heartbeat(&self, beat: &Heartbeat, dead_after: Duration) -> Result<i64, Error> {
        let state = i32::from(beat.state);
        let is_given = beat.state != WorkerState::Unspecified;
        let call = self.changing(&self.heartbeat).key(self.silence_key());
        let call = call.args(&HeartbeatArgs {
            worker_id: beat.worker_id,
            epoch: beat.epoch,
            running: beat.running,
            state: is_given.then(|| state.to_string()),
            health: beat.health.into(),
            detail: &beat.detail,
            unfit_until: beat
                .unfit_until
                .map_or_else(String::new, |until| unix_ms_of(&until).to_string()),
            dead_after_ms: millis(dead_after),
            stall_ms: millis(stall(dead_after)),
            shared: self.shared_args(),
        });
        let mut reply = self.connection.call(&call).await?;
        let heard: HeartbeatFields =
            reply.accept(|status, reply| refusal(status, reply, beat.worker_id, beat.epoch))?;
        Ok(heard.due_ms)
    }

    /// Takes a worker off in good order; returns it as it was left.
    ///
    /// # Errors
    /// `WorkerNotFound`, `StaleWorker`, `RequestIdReused`, or as the store fails.
    pub async fn deregister(
        &self,
        idempotency_key: &IdempotencyKey,
        worker_id: WorkerId,
        epoch: Epoch,
        reason: &str,
    ) -> Result<Worker, Error> {
        let call = self
            .changing(&self.deregister)
            .key(self.slot.request_key(&idempotency_key.request_id))
            .args(&DeregisterArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                worker_id,
                epoch,
                reason,
                keep_gone_ms: millis(GONE_TTL),
                shared: self.shared_args(),
            });
        let mut reply = self.connection.call(&call).await?;
        let left: DeregisteredFields =
            reply.accept(|status, reply| refusal(status, reply, worker_id, epoch))?;
        rows::read(worker_id.to_string(), left.worker)
    }
}
