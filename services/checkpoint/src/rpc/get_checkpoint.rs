//! GetCheckpoint: by id, by number, or the newest intact one.

use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetCheckpointResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::store::CheckpointRef;

pub(super) async fn handle(
    api: &Api,
    request: GetCheckpointRequest,
) -> Result<GetCheckpointResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.optional_id("checkpoint_id", &request.checkpoint_id);
    let wanted = match id {
        Some(id) => CheckpointRef::Id(id),
        None => {
            let session = fields.id("session_id", &request.session_id);
            match request.number {
                0 => CheckpointRef::Newest(session),
                number => CheckpointRef::Number(session, number),
            }
        }
    };
    fields.finish()?;

    let (checkpoint, state, damaged_numbers) = api.store.get_checkpoint(wanted).await?;
    Ok(GetCheckpointResponse {
        checkpoint: Some(checkpoint),
        state: Some(state),
        damaged_numbers,
    })
}
