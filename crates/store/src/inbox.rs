//! Inboxes: messages to a session or worker, kept until they are acknowledged.
//!
//! An inbox is a stream with one consumer group, so an operator sees it with `XINFO` and `XPENDING`. Beside it, a sorted set
//! holds when each message that is out is given out again: each read sets that time for its messages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Map;
use shim_proto::coordination::v1::Message;
use shim_runtime::ids::{SessionId, WorkerId};
use uuid::Uuid;

use super::bus::envelope;
use super::clock::{millis, timestamp};
use super::connection::RedisConnection;
use super::idempotency::{IdempotencyKey, REQUEST_ID_TTL, refusal};
use super::keys::{Keys, Slot};
use super::publication::Publication;
use super::pubsub::{Subscriber, Topic, TopicSubscription};
use super::reply::NoFields;
use super::script::{Call, Effect, Script};
use super::script_values::as_text;
use crate::error::Error;
use crate::metrics;

/// The bus channel of every message, published with its inbox and without its text.
const SENT: &str = "message:sent";
/// Messages in one inbox.
const MAX_MESSAGES: usize = 1_000;
/// How long an inbox is kept after its last message came.
const INBOX_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Bytes of the messages given out at once: below the 4 MiB that clients decode by default.
const MAX_BATCH_BYTES: usize = 3 << 20;
/// More bytes than the largest encoded message has: its text, its data, its sender.
const MAX_STORED_MESSAGE_BYTES: usize = 84 << 10;

/// Names an inbox: the id of the session or worker that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId(Uuid);

impl From<Uuid> for InboxId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<SessionId> for InboxId {
    fn from(session_id: SessionId) -> Self {
        Self(session_id.uuid())
    }
}

impl From<WorkerId> for InboxId {
    fn from(worker_id: WorkerId) -> Self {
        Self(worker_id.uuid())
    }
}

impl FromStr for InboxId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a message within its inbox: the time of its arrival by the store's clock, and a number among the messages of that
/// millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    unix_ms: u64,
    number: u64,
}

impl FromStr for MessageId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (unix_ms, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            unix_ms: unix_ms.parse().map_err(drop)?,
            number: number.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.unix_ms, self.number)
    }
}

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
    send: Script,
    receive: Script,
    acknowledge: Script,
}

#[derive(Serialize)]
struct SendArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    max_messages: usize,
    inbox_ttl_ms: u64,
    channel: String,
    envelope: String,
    message: ByteBuf,
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
    pub(super) fn new(connection: RedisConnection, pubsub: Subscriber, keys: Keys) -> Self {
        let script = |effect, body: &str| {
            let shared = include_str!("lua/inbox.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            pubsub,
            keys,
            send: script(Effect::Writes, include_str!("lua/send_message.lua")),
            // A full Redis must let its readers empty it.
            receive: script(Effect::Frees, include_str!("lua/receive_messages.lua")),
            acknowledge: script(Effect::Frees, include_str!("lua/ack_messages.lua")),
        }
    }

    /// Puts a message into an inbox.
    ///
    /// # Errors
    /// `InboxFull`, `RequestIdReused`, or as the store fails.
    pub async fn send(
        &self,
        idempotency_key: &IdempotencyKey,
        inbox: InboxId,
        message: &Message,
    ) -> Result<(), Error> {
        let slot = self.keys.inbox(&inbox.to_string());
        let publication = Map::from_iter([("inbox".to_owned(), inbox.to_string().into())]);
        let call = keys_of(self.send.call(), &slot)
            .key(slot.request_key(&idempotency_key.request_id))
            .args(&SendArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                max_messages: MAX_MESSAGES,
                inbox_ttl_ms: millis(INBOX_TTL),
                channel: self.keys.channel(SENT),
                envelope: envelope(&message.sender, publication),
                message: ByteBuf::from(message.encode_to_vec()),
            });
        let mut reply = self.connection.call(&call).await?;
        let _: NoFields = reply.accept(|status, reply| match status {
            "INBOX_FULL" => Ok(Error::InboxFull(inbox.to_string())),
            other => refusal(other, reply, None),
        })?;
        if !reply.is_repeated() {
            metrics::count_message();
        }
        Ok(())
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
    call.key(slot.key("messages")).key(slot.key("deadlines"))
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
