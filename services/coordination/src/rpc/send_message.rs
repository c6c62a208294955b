//! SendMessage: puts a message into the inbox of a session or worker, or of every living worker with a capability.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::{Message, SendMessageRequest, SendMessageResponse};
use shim_proto::limits::coordination::{
    MAX_ACTOR_BYTES, MAX_MESSAGE_DATA_BYTES, MAX_MESSAGE_TEXT_BYTES, OWN_SENDER,
};
use shim_runtime::ids::SessionId;
use shim_runtime::server::current_caller;
use shim_store::inbox::InboxId;
use shim_store::registry::Recipients;
use shim_store::{Error, IdempotencyKey};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

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

/// Where a message goes: to the inbox of a session, or to the workers that the registry finds.
enum Target {
    Inbox(InboxId),
    Workers(Recipients),
}

fn check(request: &SendMessageRequest) -> Result<Target, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let target = match &request.recipient {
        Some(Recipient::SessionId(id)) => {
            Target::Inbox(fields.id::<SessionId>("session_id", id).into())
        }
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
    fields.line("sender", &request.sender, MAX_ACTOR_BYTES);
    if request.sender.trim().eq_ignore_ascii_case(OWN_SENDER) {
        fields.refuse(
            "sender",
            format!("{OWN_SENDER} is the name of SHIM's own messages; use a session's or worker's id, or another name"),
        );
    }
    fields.required("text", &request.text, MAX_MESSAGE_TEXT_BYTES);
    if let Some(data) = &request.data {
        fields.free_form("data", data, MAX_MESSAGE_DATA_BYTES);
    }
    fields.finish()?;
    Ok(target)
}

/// The inboxes of a target. A worker that is the window of a session reads its messages in that session's inbox. A
/// repeated request gets the same inboxes.
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

/// Returns how many inboxes took the message; a full inbox among others is skipped. Every inbox remembers the request, so a
/// repetition reaches the inboxes that a failure left out and writes to no inbox twice.
async fn deliver(
    api: &Api,
    idempotency_key: &IdempotencyKey,
    inboxes: &BTreeSet<InboxId>,
    message: &Message,
) -> Result<u32, Error> {
    let (store, caller) = (&api.store.inboxes, current_caller());
    let sends = inboxes
        .iter()
        .map(|inbox| store.send(idempotency_key, *inbox, message, &caller))
        .collect::<Vec<_>>();
    let mut outcomes = stream::iter(sends).buffer_unordered(MAX_CONCURRENT_SENDS);
    let (mut taken, mut full) = (0, None);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(()) => taken += 1,
            Err(error @ (Error::InboxFull { .. } | Error::TooManyPlaces { .. })) => {
                full = Some(error);
            }
            // The store is away: the other sends would fail too, each after its own timeout.
            Err(error) => return Err(error),
        }
    }
    match full {
        Some(error) if taken == 0 => {
            // A refusal leaves nothing behind.
            api.store
                .registry
                .forget_recipients(idempotency_key)
                .await?;
            Err(error)
        }
        _ => Ok(taken),
    }
}
