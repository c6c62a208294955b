//! GetWorkerHealth: the state, health and tasks of the workers of this process.

use shim_proto::worker::v1::{GetWorkerHealthRequest, GetWorkerHealthResponse};
use shim_runtime::ids::WorkerId;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetWorkerHealthRequest,
) -> Result<GetWorkerHealthResponse, Status> {
    let mut fields = Fields::default();
    let worker_id: Option<WorkerId> = fields.optional_id("worker_id", &request.worker_id);
    fields.finish()?;

    Ok(GetWorkerHealthResponse {
        workers: api.pool.reports(worker_id)?,
    })
}
