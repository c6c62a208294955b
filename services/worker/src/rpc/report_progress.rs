//! ReportProgress: records how far a task is, and from which checkpoint another worker would go on.

use shim_proto::worker::v1::{ReportProgressRequest, ReportProgressResponse};
use shim_runtime::ids::{CheckpointId, TaskId};
use shim_store::tasks::ProgressReport;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::spans;

pub(super) async fn handle(
    api: &Api,
    request: ReportProgressRequest,
) -> Result<ReportProgressResponse, Status> {
    let mut fields = Fields::default();
    let task_id: TaskId = fields.id("task_id", &request.task_id);
    let lease = fields.lease(request.lease);
    fields.fraction("progress", request.progress);
    fields.note(&request.note);
    let checkpoint_id: Option<CheckpointId> =
        fields.optional_id("checkpoint_id", &request.checkpoint_id);
    let usage = fields.usage(request.usage.as_ref());
    fields.finish()?;

    let report = ProgressReport {
        progress: request.progress,
        note: request.note,
        checkpoint_id: checkpoint_id.map(String::from).unwrap_or_default(),
        usage,
    };
    let task_id = task_id.to_string();
    let reporting = api.store.tasks.report(&task_id, lease, &report);
    let task = spans::settling(reporting).await?;
    Ok(ReportProgressResponse { task: Some(task) })
}
