//! The end of a worker's processes: the worker is dead, whenever it was heard last.

use std::time::Duration;

use serde::Serialize;
use shim_proto::coordination::v1::Worker;

use super::membership::GONE_TTL;
use super::processes;
use super::store::{Registry, SharedArgs};
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency;
use crate::metrics;

#[derive(Serialize)]
struct EndArgs<'a> {
    worker_id: &'a str,
    epoch: String,
    processes: String,
    detail: &'a str,
    keep_gone_ms: u64,
    #[serde(flatten)]
    shared: SharedArgs<'a>,
}

impl Registry {
    /// Declares a worker dead whose processes were seen to end; `false` if the worker went already, or registered anew: then
    /// its present incarnation is untouched.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn declare_dead(&self, worker: &Worker, detail: &str) -> Result<bool, Error> {
        let call = self.changing(&self.end_processes).args(&EndArgs {
            worker_id: &worker.worker_id,
            epoch: worker.epoch.to_string(),
            processes: processes::stored(worker.processes.as_ref()),
            detail,
            keep_gone_ms: millis(GONE_TTL),
            shared: self.shared_args(),
        });
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                metrics::record_worker_death(Duration::ZERO);
                Ok(true)
            }
            "OTHER" => Ok(false),
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }
}
