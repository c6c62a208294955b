//! GetSession.

use shim_proto::checkpoint::v1::{GetSessionRequest, GetSessionResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::store::sessions;

pub(super) async fn handle(
    api: &Api,
    request: GetSessionRequest,
) -> Result<GetSessionResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.uuid("session_id", &request.session_id);
    fields.finish()?;
    let stored = api.store.read(move |db| sessions::find(db, id)).await?;
    Ok(GetSessionResponse {
        session: Some(api.with_attached(stored.session)),
    })
}
