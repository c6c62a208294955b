//! OpenSession: a new session owned by the caller, at epoch 1.

use shim_proto::checkpoint::v1::{OpenSessionRequest, OpenSessionResponse, Session, SessionStatus};
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions;

pub(super) const FIRST_EPOCH: u64 = 1;

pub(super) async fn handle(
    api: &Api,
    request: OpenSessionRequest,
) -> Result<OpenSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.required("project", &request.project, 4_096);
    fields.text("title", &request.title, 500);
    fields.client(request.client.as_ref());
    fields.finish()?;

    let key = IdempotencyKey::new("OpenSession", &request.request_id, &request);
    let client = request.client.clone().unwrap_or_default();
    let opened = api
        .store
        .mutate(key, 0, move |db, now| {
            let session = Session {
                id: Uuid::now_v7().to_string(),
                project: request.project,
                title: request.title,
                status: SessionStatus::Active.into(),
                epoch: FIRST_EPOCH,
                client: request.client,
                opened_at: Some(now.into()),
                updated_at: Some(now.into()),
                ..Default::default()
            };
            let stored = sessions::insert(db, session)?;
            Ok(OpenSessionResponse {
                session: Some(stored.session),
            })
        })
        .await?;
    if let Some(id) = opened
        .session
        .as_ref()
        .and_then(|session| Uuid::parse_str(&session.id).ok())
    {
        api.leases.grant(id, FIRST_EPOCH, client);
    }
    Ok(opened)
}
