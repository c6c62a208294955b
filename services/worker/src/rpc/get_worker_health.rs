//! GetWorkerHealth: how the workers of this process are.

use shim_proto::worker::v1::{GetWorkerHealthRequest, GetWorkerHealthResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetWorkerHealthRequest,
) -> Result<GetWorkerHealthResponse, Status> {
    let mut fields = Fields::default();
    let worker_id = fields.optional_uuid("worker_id", &request.worker_id);
    fields.finish()?;

    let worker_id = worker_id.map(|id| id.to_string());
    Ok(GetWorkerHealthResponse {
        workers: api.pool.reports(worker_id.as_deref())?,
    })
}
