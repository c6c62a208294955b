//! Inboxes: messages to a session or worker, kept until they are acknowledged.
//!
//! No sender and no caller can fill an inbox alone, and all together leave room for SHIM's own messages.
//!
//! An inbox is a stream with one consumer group, so an operator sees it with `XINFO` and `XPENDING`. Beside it, a sorted set
//! holds when each message that is out is given out again: each read sets that time for its messages.

use std::time::Duration;

use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Map;
use shim_proto::coordination::v1::Message;
use shim_proto::limits::coordination::{
    MAX_CALLER_MESSAGES, MAX_INBOX_BYTES, MAX_INBOX_MESSAGES, MAX_SENDER_MESSAGES,
    OWN_INBOX_MESSAGES,
};

pub use super::inbox_ids::{InboxBound, InboxId, MessageId};

use super::bus::envelope;
use super::clock::{millis, timestamp};
use super::connection::RedisConnection;
use super::idempotency::{IdempotencyKey, REQUEST_ID_TTL, refusal};
use super::keys::{Keys, Slot};
use super::places::{PlaceKind, Places};
use super::publication::Publication;
use super::pubsub::{Subscriber, Topic, TopicSubscription};
use super::reply::NoFields;
use super::script::{Call, Effect, Script};
use super::script_values::as_text;
use crate::error::Error;
use crate::metrics;

/// The bus channel of every message, published with its inbox and without its text.
const SENT: &str = "message:sent";
/// How long an inbox is kept after its last message came.
const INBOX_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Bytes of the messages given out at once: below the 4 MiB that clients decode by default.
const MAX_BATCH_BYTES: usize = 3 << 20;
/// More bytes than the largest encoded message has: its text, its data, its sender.
const MAX_STORED_MESSAGE_BYTES: usize = 84 << 10;

/// The messages that one read gave out.
#[derive(Debug)]
pub struct ReceivedMessages {
    /// Oldest first; fewer than asked for if they are large.
    pub messages: Vec<Message>,
    /// Messages in the inbox beside these, given out or not.
    pub remaining: u64,
    /// How long until a message that is out is given out again; `None` if none is out.
    pub next_due: Option<Duration>,
}

/// All inboxes.
pub struct Inboxes {
    connection: RedisConnection,
    pubsub: Subscriber,
    keys: Keys,
    places: Places,
    send: Script,
    receive: Script,
    acknowledge: Script,
}

#[derive(Serialize)]
struct SendArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    is_own: bool,
    sender: &'a str,
    caller: &'a str,
    max_messages: usize,
    max_foreign: usize,
    max_foreign_bytes: usize,
    max_of_sender: usize,
    max_of_caller: usize,
    inbox_ttl_ms: u64,
    channel: String,
    envelope: String,
    message: ByteBuf,
}

#[derive(Deserialize)]
struct FullFields {
    held: u64,
    max: u64,
    bound: InboxBound,
}

#[derive(Serialize)]
struct ReceiveArgs {
    peek: bool,
    acknowledged: Vec<String>,
    max: u32,
    visibility_ms: u64,
    max_bytes: usize,
    max_message_bytes: usize,
}

#[derive(Deserialize)]
struct ReceivedFields {
    remaining: u64,
    /// Negative if a due message found no room.
    #[serde(default)]
    next_due_ms: Option<i64>,
    messages: Vec<MessageFields>,
}

#[derive(Deserialize)]
struct MessageFields {
    #[serde(with = "as_text")]
    id: MessageId,
    stored: ByteBuf,
    deliveries: u32,
}

#[derive(Serialize)]
struct AcknowledgeArgs {
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct AcknowledgedFields {
    acknowledged: u32,
}

impl Inboxes {
    pub(super) fn new(
        connection: RedisConnection,
        pubsub: Subscriber,
        keys: Keys,
        places: Places,
    ) -> Self {
        let script = |effect, body: &str| {
            let shared = include_str!("lua/inbox.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            pubsub,
            keys,
            places,
            send: script(Effect::Writes, include_str!("lua/send_message.lua")),
            // A full Redis must let its readers empty it.
            receive: script(Effect::Frees, include_str!("lua/receive_messages.lua")),
            acknowledge: script(Effect::Frees, include_str!("lua/ack_messages.lua")),
        }
    }

    /// Puts a message into an inbox. `caller` is whose call it is.
    ///
    /// # Errors
    /// `InboxFull`, `TooManyPlaces`, `RequestIdReused`, or as the store fails.
    pub async fn send(
        &self,
        idempotency_key: &IdempotencyKey,
        inbox: InboxId,
        message: &Message,
        caller: &str,
    ) -> Result<(), Error> {
        let places = &self.places;
        let place = places
            .admit(PlaceKind::Inbox, &inbox.to_string(), caller)
            .await?;
        self.put(idempotency_key, inbox, message, Some(caller))
            .await?;
        place.note().await;
        Ok(())
    }

    /// Puts a message of SHIM's own into an inbox, for which room is kept.
    ///
    /// # Errors
    /// As [`Inboxes::send`].
    pub(crate) async fn send_own(
        &self,
        idempotency_key: &IdempotencyKey,
        inbox: InboxId,
        message: &Message,
    ) -> Result<(), Error> {
        self.put(idempotency_key, inbox, message, None).await
    }

    async fn put(
        &self,
        idempotency_key: &IdempotencyKey,
        inbox: InboxId,
        message: &Message,
        caller: Option<&str>,
    ) -> Result<(), Error> {
        let slot = self.keys.inbox(&inbox.to_string());
        let call = keys_of(self.send.call(), &slot)
            .key(slot.request_key(&idempotency_key.request_id))
            .args(&self.send_args(idempotency_key, inbox, message, caller));
        let mut reply = self.connection.call(&call).await?;
        let _: NoFields = reply.accept(|status, reply| match status {
            "INBOX_FULL" => {
                let full: FullFields = reply.fields()?;
                Ok(Error::InboxFull {
                    inbox: inbox.to_string(),
                    held: full.held,
                    max: full.max,
                    bound: full.bound,
                })
            }
            other => refusal(other, reply, None),
        })?;
        if !reply.is_repeated() {
            metrics::count_message();
        }
        Ok(())
    }

    /// What the script is told of a message and of the bounds of an inbox.
    fn send_args<'a>(
        &self,
        idempotency_key: &'a IdempotencyKey,
        inbox: InboxId,
        message: &'a Message,
        caller: Option<&'a str>,
    ) -> SendArgs<'a> {
        let publication = Map::from_iter([("inbox".to_owned(), inbox.to_string().into())]);
        SendArgs {
            fingerprint: &idempotency_key.fingerprint,
            keep_ms: millis(REQUEST_ID_TTL),
            is_own: caller.is_none(),
            sender: &message.sender,
            caller: caller.unwrap_or_default(),
            max_messages: MAX_INBOX_MESSAGES,
            max_foreign: MAX_INBOX_MESSAGES - OWN_INBOX_MESSAGES,
            max_foreign_bytes: MAX_INBOX_BYTES,
            max_of_sender: MAX_SENDER_MESSAGES,
            max_of_caller: MAX_CALLER_MESSAGES,
            inbox_ttl_ms: millis(INBOX_TTL),
            channel: self.keys.channel(SENT),
            envelope: envelope(&message.sender, publication),
            message: ByteBuf::from(message.encode_to_vec()),
        }
    }

    /// Acknowledges messages, then gives out at most `max` messages, none of which is given out again before `visibility`
    /// has passed. It never waits.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn receive(
        &self,
        inbox: InboxId,
        max: u32,
        visibility: Duration,
        acknowledged: &[MessageId],
    ) -> Result<ReceivedMessages, Error> {
        let args = ReceiveArgs {
            peek: false,
            acknowledged: acknowledged.iter().map(MessageId::to_string).collect(),
            max,
            visibility_ms: millis(visibility),
            max_bytes: MAX_BATCH_BYTES,
            max_message_bytes: MAX_STORED_MESSAGE_BYTES,
        };
        self.call_receive(inbox, &args).await
    }

    /// The oldest messages as they are, given out or not; nothing changes.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn peek(&self, inbox: InboxId, max: u32) -> Result<ReceivedMessages, Error> {
        let args = ReceiveArgs {
            peek: true,
            acknowledged: Vec::new(),
            max,
            visibility_ms: 0,
            max_bytes: MAX_BATCH_BYTES,
            max_message_bytes: MAX_STORED_MESSAGE_BYTES,
        };
        self.call_receive(inbox, &args).await
    }

    async fn call_receive(
        &self,
        inbox: InboxId,
        args: &ReceiveArgs,
    ) -> Result<ReceivedMessages, Error> {
        let slot = self.keys.inbox(&inbox.to_string());
        let call = keys_of(self.receive.call(), &slot).args(args);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let received: ReceivedFields = reply.fields()?;
        let next_due_ms = received.next_due_ms.and_then(|ms| u64::try_from(ms).ok());
        let mut messages = received.messages;
        messages.sort_by_key(|message| message.id);
        Ok(ReceivedMessages {
            messages: messages.iter().map(read).collect::<Result<_, _>>()?,
            remaining: received.remaining,
            next_due: next_due_ms.map(Duration::from_millis),
        })
    }

    /// Deletes messages for good; returns how many were there.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn acknowledge(&self, inbox: InboxId, ids: &[MessageId]) -> Result<u32, Error> {
        let slot = self.keys.inbox(&inbox.to_string());
        let ids = ids.iter().map(MessageId::to_string).collect();
        let call = keys_of(self.acknowledge.call(), &slot).args(&AcknowledgeArgs { ids });
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let deleted: AcknowledgedFields = reply.fields()?;
        Ok(deleted.acknowledged)
    }

    /// Subscribes to the messages that come from now on.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn subscribe(&self, inbox: InboxId) -> Result<InboxSubscription, Error> {
        let topic = Topic::Channel(self.keys.channel(SENT));
        Ok(InboxSubscription {
            subscription: self.pubsub.subscribe(topic).await?,
            inbox: inbox.to_string(),
        })
    }
}

/// The publications of messages that come into one inbox.
#[derive(Debug)]
pub struct InboxSubscription {
    subscription: TopicSubscription,
    inbox: String,
}

impl InboxSubscription {
    /// Waits until a message came, or until one may have been missed.
    pub async fn next(&mut self) {
        let inbox = &self.inbox;
        let concerns = |publication: &Publication| {
            publication
                .data
                .get("inbox")
                .and_then(|inbox| inbox.as_str())
                == Some(inbox.as_str())
        };
        self.subscription.wait_for(concerns).await;
    }
}

fn keys_of<'a>(call: Call<'a>, slot: &Slot) -> Call<'a> {
    call.key(slot.key("messages"))
        .key(slot.key("deadlines"))
        .key(slot.key("senders"))
}

fn read(received: &MessageFields) -> Result<Message, Error> {
    let (id, stored) = (received.id, received.stored.as_slice());
    let mut message = Message::decode(stored).map_err(|_| {
        tracing::error!(%id, "a message cannot be read");
        Error::Defect
    })?;
    message.message_id = id.to_string();
    message.sent_at = Some(timestamp(i64::try_from(id.unix_ms).unwrap_or(i64::MAX)));
    message.deliveries = received.deliveries;
    Ok(message)
}
