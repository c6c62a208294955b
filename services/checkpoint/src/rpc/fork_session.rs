//! ForkSession: a new session that starts from a checkpoint of another.

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, ForkSessionRequest, ForkSessionResponse, Session, SessionStatus,
};
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use super::open_session::FIRST_EPOCH;
use crate::store::codec::encode_state;
use crate::store::idempotency::IdempotencyKey;
use crate::store::{checkpoints, sessions};

pub(super) async fn handle(
    api: &Api,
    request: ForkSessionRequest,
) -> Result<ForkSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("checkpoint_id", &request.checkpoint_id);
    fields.text("title", &request.title, 500);
    fields.client(request.client.as_ref());
    fields.finish()?;

    let key = IdempotencyKey::new("ForkSession", &request.request_id, &request);
    let client = request.client.clone().unwrap_or_default();
    let level = api.config.zstd_level;
    let forked = api
        .store
        .mutate(key, 0, move |db, now| {
            let row = checkpoints::by_id(db, id)?;
            let (origin, state) = row.decode()?;
            let parent = sessions::by_row(db, row.session)?.session;
            let session = Session {
                id: Uuid::now_v7().to_string(),
                project: parent.project,
                title: if request.title.is_empty() {
                    parent.title
                } else {
                    request.title
                },
                status: SessionStatus::Active.into(),
                epoch: FIRST_EPOCH,
                client: request.client,
                opened_at: Some(now.into()),
                updated_at: Some(now.into()),
                forked_from_checkpoint_id: origin.id,
                ..Default::default()
            };
            let mut stored = sessions::insert(db, session)?;
            let encoded = encode_state(&state, level)?;
            let checkpoint = checkpoints::append(
                db,
                &mut stored,
                CheckpointTrigger::Fork,
                &state,
                &encoded,
                now,
            )?;
            Ok(ForkSessionResponse {
                session: Some(stored.session),
                checkpoint: Some(checkpoint),
            })
        })
        .await?;
    if let Some(id) = forked
        .session
        .as_ref()
        .and_then(|session| Uuid::parse_str(&session.id).ok())
    {
        api.leases.grant(id, FIRST_EPOCH, client);
    }
    Ok(forked)
}
