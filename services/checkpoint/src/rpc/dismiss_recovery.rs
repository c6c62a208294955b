//! DismissRecovery: off the list, nothing deleted.

use shim_proto::checkpoint::v1::{DismissRecoveryRequest, DismissRecoveryResponse, SessionStatus};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::error::Error;
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions;

pub(super) async fn handle(
    api: &Api,
    request: DismissRecoveryRequest,
) -> Result<DismissRecoveryResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    fields.finish()?;

    let key = IdempotencyKey::new("DismissRecovery", &request.request_id, &request);
    let dismissed = api
        .store
        .mutate(key, 0, move |db, now| {
            let mut stored = sessions::find(db, id)?;
            if stored.session.status() != SessionStatus::Interrupted {
                return Err(Error::NotInterrupted(id.to_string()));
            }
            stored.session.dismissed_at = Some(now.into());
            sessions::update(db, &mut stored, now)?;
            Ok(DismissRecoveryResponse {
                session: Some(stored.session),
            })
        })
        .await?;
    Ok(dismissed)
}
