//! SendMessage: puts a message into the inbox of a session or worker, or of every living worker with a capability.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::{Message, SendMessageRequest, SendMessageResponse};
use shim_store::inbox::InboxId;
use shim_store::registry::Recipients;
use shim_store::{Error, IdempotencyKey};
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, MAX_ACTOR_BYTES};

const MAX_TEXT_BYTES: usize = 16 << 10;
const MAX_DATA_BYTES: usize = 64 << 10;
/// Inboxes written to at a time.
const MAX_CONCURRENT_SENDS: usize = 64;

pub(super) async fn handle(
    api: &Api,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Status> {
    let target = check(&request)?;
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let inboxes = inboxes_of(api, &idempotency_key, target).await?;
    let message = Message {
        sender: request.sender,
        text: request.text,
        data: request.data,
        ..Message::default()
    };
    let recipients = deliver(api, &idempotency_key, &inboxes, &message).await?;
    Ok(SendMessageResponse { recipients })
}

/// Where a message goes: to one inbox, or to those that the registry knows.
enum Target {
    Inbox(InboxId),
    Workers(Recipients),
}

fn check(request: &SendMessageRequest) -> Result<Target, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let target = match &request.recipient {
        Some(Recipient::SessionId(id)) => Target::Inbox(fields.uuid("session_id", id).into()),
        Some(Recipient::WorkerId(id)) => {
            Target::Workers(Recipients::Worker(fields.id("worker_id", id)))
        }
        Some(Recipient::Capability(capability)) => {
            fields.capability("capability", capability);
            Target::Workers(Recipients::Capability(capability.clone()))
        }
        None => {
            fields.refuse("session_id", "or worker_id or capability is required");
            Target::Workers(Recipients::Capability(String::new()))
        }
    };
    fields.text("sender", &request.sender, MAX_ACTOR_BYTES);
    fields.required("text", &request.text, MAX_TEXT_BYTES);
    if let Some(data) = &request.data {
        fields.free_form("data", data, MAX_DATA_BYTES);
    }
    fields.finish()?;
    Ok(target)
}

/// The inboxes of a recipient. A worker that is a session's window reads its messages in that session. A repetition
/// goes to the same ones.
async fn inboxes_of(
    api: &Api,
    idempotency_key: &IdempotencyKey,
    target: Target,
) -> Result<BTreeSet<InboxId>, Error> {
    let workers = match target {
        Target::Inbox(inbox) => return Ok(BTreeSet::from([inbox])),
        Target::Workers(workers) => workers,
    };
    let registry = &api.store.registry;
    let inboxes = registry.recipients(idempotency_key, &workers).await?;
    Ok(inboxes.into_iter().collect())
}

/// Counts the inboxes that took the message; a full one among others is passed over. Each inbox remembers the request
/// by itself, so that a repetition reaches those that a failure left out and no other one twice.
async fn deliver(
    api: &Api,
    idempotency_key: &IdempotencyKey,
    inboxes: &BTreeSet<InboxId>,
    message: &Message,
) -> Result<u32, Error> {
    let store = &api.store.inboxes;
    let sends = inboxes
        .iter()
        .map(|inbox| store.send(idempotency_key, *inbox, message))
        .collect::<Vec<_>>();
    let mut outcomes = stream::iter(sends).buffer_unordered(MAX_CONCURRENT_SENDS);
    let (mut taken, mut full) = (0, None);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(()) => taken += 1,
            Err(error @ Error::InboxFull(_)) => full = Some(error),
            // A store that fails one fails the rest, each after its patience.
            Err(error) => return Err(error),
        }
    }
    match full {
        Some(error) if taken == 0 => Err(error),
        _ => Ok(taken),
    }
}
