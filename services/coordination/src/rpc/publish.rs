//! Publish: sends an event to the present subscribers of a channel.

use shim_proto::coordination::v1::{PublishRequest, PublishResponse};
use shim_proto::limits::coordination::{MAX_ACTOR_BYTES, MAX_CHANNEL_BYTES, MAX_EVENT_BYTES};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

/// Channels on which only the services publish: another publisher could mislead the watches.
const RESERVED: [&str; 6] = ["state:", "lock:", "files:", "worker:", "message:", "task:"];

pub(super) async fn handle(api: &Api, request: PublishRequest) -> Result<PublishResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.name("channel", &request.channel, MAX_CHANNEL_BYTES);
    if let Some(prefix) = RESERVED
        .iter()
        .find(|prefix| request.channel.starts_with(**prefix))
    {
        fields.refuse(
            "channel",
            format!("begins with {prefix}, which only the services tell; choose another name"),
        );
    }
    if let Some(payload) = &request.payload {
        fields.free_form("payload", payload, MAX_EVENT_BYTES);
    }
    fields.line("publisher", &request.publisher, MAX_ACTOR_BYTES);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let payload = request.payload.unwrap_or_default();
    let bus = &api.store.bus;
    bus.publish(
        &idempotency_key,
        &request.channel,
        &request.publisher,
        &payload,
    )
    .await?;
    Ok(PublishResponse {})
}
