//! DeleteSession: explicit and recorded.

use shim_proto::checkpoint::v1::{DeleteSessionRequest, DeleteSessionResponse, SessionStatus};
use tonic::Status;

use super::Api;
use super::attach_session::session_owned_error;
use super::fields::Fields;
use crate::store::idempotency::IdempotencyKey;
use crate::store::{pruning, sessions};

pub(super) async fn handle(
    api: &Api,
    request: DeleteSessionRequest,
) -> Result<DeleteSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    fields.finish()?;

    let key = IdempotencyKey::new("DeleteSession", &request.request_id, &request);
    let deleted = api
        .store
        .mutate(key, 0, move |db, now| {
            let stored = sessions::find(db, id)?;
            if stored.session.status() == SessionStatus::Active && !request.force {
                return Err(session_owned_error(&stored.session));
            }
            let dropped = pruning::delete_session(db, &stored, "request", now)?;
            Ok(DeleteSessionResponse {
                deleted_checkpoints: dropped.checkpoints,
            })
        })
        .await?;
    api.leases.remove(id);
    Ok(deleted)
}
