//! DiffCheckpoints.

use shim_proto::checkpoint::v1::{DiffCheckpointsRequest, DiffCheckpointsResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::domain::diff::diff;
use crate::store::checkpoints;

pub(super) async fn handle(
    api: &Api,
    request: DiffCheckpointsRequest,
) -> Result<DiffCheckpointsResponse, Status> {
    let mut fields = Fields::default();
    let from = fields.uuid("from_checkpoint_id", &request.from_checkpoint_id);
    let to = fields.uuid("to_checkpoint_id", &request.to_checkpoint_id);
    fields.finish()?;
    let (from, to) = api
        .store
        .read(move |db| {
            Ok((
                checkpoints::by_id(db, from)?.decode()?.1,
                checkpoints::by_id(db, to)?.decode()?.1,
            ))
        })
        .await?;
    Ok(DiffCheckpointsResponse {
        changes: diff(&from, &to),
    })
}
