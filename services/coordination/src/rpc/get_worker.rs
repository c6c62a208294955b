//! GetWorker: one worker; a dead or deregistered one is still known for an hour.

use shim_proto::coordination::v1::{GetWorkerRequest, GetWorkerResponse};
use shim_store::Error;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetWorkerRequest,
) -> Result<GetWorkerResponse, Status> {
    let mut fields = Fields::default();
    let worker_id = fields.worker_id(&request.worker_id);
    fields.finish()?;

    match api.store.registry.get(worker_id).await? {
        Some(worker) => Ok(GetWorkerResponse {
            worker: Some(worker),
        }),
        None => Err(Error::WorkerNotFound(worker_id.to_string()).into()),
    }
}
