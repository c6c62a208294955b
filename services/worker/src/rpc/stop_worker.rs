//! StopWorker: stops a worker now; its tasks go to others.

use shim_proto::worker::v1::{StopWorkerRequest, StopWorkerResponse};
use shim_runtime::server::begin_waiting;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: StopWorkerRequest,
) -> Result<StopWorkerResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.id("worker_id", &request.worker_id);
    fields.finish()?;

    begin_waiting()?;
    let worker = api.pool.stop(worker_id).await?;
    Ok(StopWorkerResponse {
        worker: Some(worker),
    })
}
