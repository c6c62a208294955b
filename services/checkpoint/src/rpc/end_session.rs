//! EndSession: the owner ends its session on purpose; it is not offered for recovery.

use shim_proto::checkpoint::v1::{
    EndSessionRequest, EndSessionResponse, SessionOutcome, SessionStatus,
};
use tonic::Status;

use super::Api;
use super::attach_session::session_owned_error;
use super::fields::Fields;
use crate::error::Error;
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions;

pub(super) async fn handle(
    api: &Api,
    request: EndSessionRequest,
) -> Result<EndSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    if SessionOutcome::try_from(request.outcome).is_err() {
        fields.refuse(
            "outcome",
            format!("{} is no SessionOutcome", request.outcome),
        );
    }
    fields.finish()?;

    let key = IdempotencyKey::new("EndSession", &request.request_id, &request);
    let ended = api
        .store
        .mutate(key, 0, move |db, now| {
            let mut stored = match request.epoch {
                0 => sessions::find(db, id)?,
                epoch => sessions::require_owner(db, id, epoch)?,
            };
            match stored.session.status() {
                SessionStatus::Ended => return Err(Error::SessionEnded(id.to_string())),
                SessionStatus::Active if request.epoch == 0 => {
                    return Err(session_owned_error(&stored.session));
                }
                _ => {}
            }
            stored.session.status = SessionStatus::Ended.into();
            stored.session.ended_at = Some(now.into());
            sessions::update(db, &mut stored, now)?;
            Ok(EndSessionResponse {
                session: Some(stored.session),
            })
        })
        .await?;
    api.leases.remove(id);
    Ok(ended)
}
