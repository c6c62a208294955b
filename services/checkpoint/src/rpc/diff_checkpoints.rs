//! DiffCheckpoints.

use shim_proto::checkpoint::v1::{DiffCheckpointsRequest, DiffCheckpointsResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DiffCheckpointsRequest,
) -> Result<DiffCheckpointsResponse, Status> {
    let mut fields = Fields::default();
    let from = fields.id("from_checkpoint_id", &request.from_checkpoint_id);
    let to = fields.id("to_checkpoint_id", &request.to_checkpoint_id);
    fields.finish()?;

    let changes = api.store.diff_checkpoints(from, to).await?;
    Ok(DiffCheckpointsResponse { changes })
}
