//! StopWorker: stops a worker now; its tasks go to others.

use std::time::Duration;

use shim_proto::worker::v1::{StopWorkerRequest, StopWorkerResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: StopWorkerRequest,
) -> Result<StopWorkerResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.id("worker_id", &request.worker_id);
    fields.finish()?;

    let worker = api.crew.drain(&worker_id, Duration::ZERO)?;
    Ok(StopWorkerResponse {
        worker: Some(worker),
    })
}
