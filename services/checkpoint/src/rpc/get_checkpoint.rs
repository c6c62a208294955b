//! GetCheckpoint: by id, by number, or the newest intact one.

use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetCheckpointResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::store::{checkpoints, sessions};

pub(super) async fn handle(
    api: &Api,
    request: GetCheckpointRequest,
) -> Result<GetCheckpointResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.optional_uuid("checkpoint_id", &request.checkpoint_id);
    let session = if id.is_none() {
        Some(fields.uuid("session_id", &request.session_id))
    } else {
        None
    };
    fields.finish()?;

    let (checkpoint, state, damaged_numbers) = api
        .store
        .read(move |db| {
            let by_session = session
                .map(|session| sessions::find(db, session))
                .transpose()?;
            match (id, by_session) {
                (None, Some(stored)) if request.number == 0 => {
                    checkpoints::newest_intact(db, &stored)
                }
                (None, Some(stored)) => {
                    let (checkpoint, state) =
                        checkpoints::by_number(db, &stored, request.number)?.decode()?;
                    Ok((checkpoint, state, Vec::new()))
                }
                (id, _) => {
                    let (checkpoint, state) =
                        checkpoints::by_id(db, id.unwrap_or_default())?.decode()?;
                    Ok((checkpoint, state, Vec::new()))
                }
            }
        })
        .await?;
    Ok(GetCheckpointResponse {
        checkpoint: Some(checkpoint),
        state: Some(state),
        damaged_numbers,
    })
}
