//! SaveCheckpoint: when it answers, the checkpoint is on the disk.

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, SaveCheckpointRequest, SaveCheckpointResponse, StateField,
};
use shim_proto::limits::MAX_LIST;
use shim_proto::limits::checkpoint::{MAX_ITEM_BYTES, MAX_TASK_KEY_BYTES};
use shim_render::wording::name;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::carry_over::Changes;
use crate::store::{Owner, SaveOptions};

pub(super) async fn handle(
    api: &Api,
    mut request: SaveCheckpointRequest,
) -> Result<SaveCheckpointResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    fields.epoch(request.epoch);
    fields.state(request.state.as_ref());
    let trigger = trigger(&mut fields, request.trigger);
    let changes = changes(&mut fields, &request);
    fields.texts("closed_tasks", &request.closed_tasks, MAX_TASK_KEY_BYTES);
    fields.finish()?;

    let owner = Owner::new(id, request.epoch);
    if let Some(state) = request.state.as_mut() {
        state.task_key = name(&state.task_key);
    }
    for key in &mut request.closed_tasks {
        *key = name(key);
    }
    let options = SaveOptions {
        owner,
        trigger,
        changes,
    };
    let saved = api.store.save_checkpoint(options, request).await?;
    api.leases.renew_or_grant(owner);
    Ok(saved)
}

/// What led to the save: the caller itself, if it names nothing.
fn trigger(fields: &mut Fields, number: i32) -> CheckpointTrigger {
    match CheckpointTrigger::try_from(number) {
        Ok(CheckpointTrigger::Unspecified) => CheckpointTrigger::Manual,
        Ok(trigger) => trigger,
        Err(_) => {
            fields.refuse("trigger", format!("{number} is no CheckpointTrigger"));
            CheckpointTrigger::Manual
        }
    }
}

/// What the save changes of what its task knew. Without a state that goes on from another one there is nothing to change.
fn changes(fields: &mut Fields, request: &SaveCheckpointRequest) -> Changes {
    let (retracted, dropped) = (&request.retracted_decisions, &request.dropped_steps);
    fields.texts("retracted_decisions", retracted, MAX_ITEM_BYTES);
    fields.texts("dropped_steps", dropped, MAX_ITEM_BYTES);
    fields.list("cleared", request.cleared.len(), MAX_LIST);
    let mut cleared = Vec::new();
    for (i, number) in request.cleared.iter().enumerate() {
        match StateField::try_from(*number) {
            Ok(field) if field != StateField::Unspecified => cleared.push(field),
            _ => fields.refuse(
                format!("cleared[{i}]"),
                format!("{number} is no StateField that can be cleared"),
            ),
        }
    }
    let uses = [
        ("cleared", request.cleared.is_empty()),
        ("retracted_decisions", retracted.is_empty()),
        ("dropped_steps", dropped.is_empty()),
    ];
    for (field, _) in uses
        .iter()
        .filter(|(_, is_empty)| !is_empty && !request.carry_over)
    {
        fields.refuse(
            *field,
            "changes what the task knew, which needs carry_over; without it the state is kept as it is sent",
        );
    }
    Changes {
        cleared,
        retracted_decisions: retracted.clone(),
        dropped_steps: dropped.clone(),
    }
}
