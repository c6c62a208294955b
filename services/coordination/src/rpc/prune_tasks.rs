//! PruneTasks: forgets jobs that ended long ago, or counts them.

use std::time::Duration;

use shim_proto::coordination::v1::{PruneTasksRequest, PruneTasksResponse};
use shim_proto::limits::task::PRUNE_OLDER_THAN;
use shim_store::IdempotencyKey;
use shim_store::tasks::PruneScope;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: PruneTasksRequest,
) -> Result<PruneTasksResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    // Without it everything that ended would go.
    if request.older_than.is_none() {
        fields.refuse(
            "older_than",
            "is required: how long ago the jobs ended, such as \"86400s\"",
        );
    }
    let older_than = fields.duration(
        "older_than",
        request.older_than.as_ref(),
        Duration::ZERO,
        PRUNE_OLDER_THAN,
    );
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let scope = PruneScope {
        older_than,
        dead_letters: request.dead_letters,
        dry_run: request.dry_run,
    };
    let pruned = api.store.tasks.prune(&idempotency_key, scope).await?;
    Ok(PruneTasksResponse {
        jobs: pruned.jobs,
        tasks: pruned.tasks,
        dead_letters: pruned.dead_letters,
        has_more: pruned.has_more,
    })
}
