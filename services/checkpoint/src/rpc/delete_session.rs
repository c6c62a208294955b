//! DeleteSession: explicit and recorded.

use shim_proto::checkpoint::v1::{DeleteSessionRequest, DeleteSessionResponse, SessionStatus};
use tonic::Status;

use super::Api;
use super::attach_session::owned;
use super::fields::Fields;
use crate::store::ledger::Request;
use crate::store::{pruning, sessions};

pub(super) async fn handle(
    api: &Api,
    request: DeleteSessionRequest,
) -> Result<DeleteSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    fields.finish()?;

    let key = Request::new("DeleteSession", &request.request_id, &request);
    let deleted = api
        .store
        .mutate(key, 0, move |db, now| {
            let stored = sessions::find(db, id)?;
            if stored.session.status() == SessionStatus::Active && !request.force {
                return Err(owned(&stored.session));
            }
            let dropped = pruning::delete_session(db, &stored, "request", now)?;
            Ok(DeleteSessionResponse {
                deleted_checkpoints: dropped.checkpoints,
            })
        })
        .await?;
    api.leases.drop_session(id);
    Ok(deleted)
}
