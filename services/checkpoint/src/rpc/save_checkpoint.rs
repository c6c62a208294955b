//! SaveCheckpoint: when it answers, the checkpoint is on the disk.

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, SaveCheckpointRequest, SaveCheckpointResponse,
};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::store::Owner;

pub(super) async fn handle(
    api: &Api,
    request: SaveCheckpointRequest,
) -> Result<SaveCheckpointResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    fields.epoch(request.epoch);
    fields.state(request.state.as_ref());
    let trigger = CheckpointTrigger::try_from(request.trigger).unwrap_or_else(|_| {
        fields.refuse(
            "trigger",
            format!("{} is no CheckpointTrigger", request.trigger),
        );
        CheckpointTrigger::Manual
    });
    fields.finish()?;

    let trigger = if trigger == CheckpointTrigger::Unspecified {
        CheckpointTrigger::Manual
    } else {
        trigger
    };
    let owner = Owner::new(id, request.epoch);
    let saved = api.store.save_checkpoint(owner, trigger, request).await?;
    api.leases.renew_or_grant(owner);
    Ok(saved)
}
