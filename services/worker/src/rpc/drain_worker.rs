//! DrainWorker: lets a worker finish its tasks and stop.

use std::time::Duration;

use shim_proto::limits::worker::{DEFAULT_DRAIN, MAX_DRAIN};
use shim_proto::worker::v1::{DrainWorkerRequest, DrainWorkerResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DrainWorkerRequest,
) -> Result<DrainWorkerResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.id("worker_id", &request.worker_id);
    let deadline = request.deadline.as_ref();
    let deadline = fields.duration(
        "deadline",
        deadline,
        DEFAULT_DRAIN,
        Duration::ZERO..=MAX_DRAIN,
    );
    fields.finish()?;

    // A repetition changes nothing, so the request's id needs no record.
    let worker = api.pool.drain(worker_id, deadline).await?;
    Ok(DrainWorkerResponse {
        worker: Some(worker),
    })
}
