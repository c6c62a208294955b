//! Publish: tells everyone who listens to a channel now.

use shim_proto::coordination::v1::{PublishRequest, PublishResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, MAX_ACTOR_BYTES};

/// The longest name of a channel, and the longest pattern.
pub(super) const MAX_CHANNEL_BYTES: usize = 128;
const MAX_PAYLOAD_BYTES: usize = 256 << 10;
/// What the services tell: nobody else may, or watchers could be misled.
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
        fields.free_form("payload", payload, MAX_PAYLOAD_BYTES);
    }
    fields.text("publisher", &request.publisher, MAX_ACTOR_BYTES);
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
