//! ClaimTask: waits for a task and takes it for a registered worker.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_proto::fitness::is_unfit;
use shim_proto::limits::worker::MAX_CLAIM_WAIT;
use shim_proto::worker::v1::{ClaimTaskRequest, ClaimTaskResponse};
use shim_render::time::rfc3339;
use shim_runtime::ids::{Epoch, WorkerId};
use shim_runtime::server::begin_waiting;
use shim_store::{Error, IdempotencyKey};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::spans;

pub(super) async fn handle(
    api: &Api,
    request: ClaimTaskRequest,
) -> Result<ClaimTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.id("worker_id", &request.worker_id);
    let epoch = fields.epoch(request.epoch);
    let wait = fields.duration(
        "wait",
        request.wait.as_ref(),
        Duration::ZERO,
        Duration::ZERO..=MAX_CLAIM_WAIT,
    );
    fields.finish()?;
    begin_waiting()?;

    let worker = registered(api, worker_id, epoch).await?;
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let claim = api.distributor.claim(&worker, idempotency_key, wait);
    let claimed = spans::receiving(claim).await?;
    Ok(match claimed {
        Some(claimed) => ClaimTaskResponse {
            lease: claimed.lease.0,
            task: Some(claimed.task),
        },
        None => ClaimTaskResponse::default(),
    })
}

/// The worker, if it is alive at this epoch and takes tasks.
async fn registered(api: &Api, worker_id: WorkerId, epoch: Epoch) -> Result<Worker, Error> {
    let worker = api.store.registry.get(worker_id).await?;
    let worker_id = worker_id.to_string();
    let worker = worker.ok_or_else(|| Error::WorkerNotFound(worker_id.clone()))?;
    let stale = |what: String| Error::StaleWorker {
        worker: worker_id.clone(),
        epoch: epoch.0,
        what,
    };
    if Epoch(worker.epoch) != epoch {
        return Err(stale(format!(
            "out of date: it is at epoch {} now",
            worker.epoch
        )));
    }
    match worker.state() {
        WorkerState::Dead => Err(stale("dead: it was silent for too long".to_owned())),
        WorkerState::Stopped => Err(stale("stopped: it was deregistered".to_owned())),
        WorkerState::Draining => Err(stale("draining: it takes nothing new".to_owned())),
        _ if is_unfit(&worker, SystemTime::now().into()) => Err(stale(why_unfit(&worker))),
        _ => Ok(worker),
    }
}

fn why_unfit(worker: &Worker) -> String {
    let until = match rfc3339(worker.unfit_until.as_ref()) {
        until if until.is_empty() => until,
        until => format!(" until {until}"),
    };
    let why = match worker.detail.as_str() {
        "" => "by its own word",
        detail => detail,
    };
    format!("unhealthy{until} and gets nothing new: {why}")
}
