//! ResumeQueues: paused queues go on, whichever program paused them.

use shim_proto::coordination::v1::{ResumeQueuesRequest, ResumeQueuesResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::queue_names::queue_names;

pub(super) async fn handle(
    api: &Api,
    request: ResumeQueuesRequest,
) -> Result<ResumeQueuesResponse, Status> {
    let queues = queue_names(api, &request.request_id, &request.queues).await?;
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let tasks = &api.store.tasks;
    let changed = tasks.set_paused(&idempotency_key, &queues, false).await?;
    Ok(ResumeQueuesResponse { queues, changed })
}
