//! Inboxes: messages to a session or worker, kept until they are acknowledged.
//!
//! An inbox is a stream with one consumer group, so `XINFO` and `XPENDING` show it to people. Beside it, a sorted set
//! holds when each message that is out is given out again: every reader says that for itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use prost::Message as _;
use serde_json::Map;
use shim_proto::coordination::v1::Message;

use super::bus::envelope;
use super::clock::{millis, timestamp};
use super::connection::RedisConnection;
use super::idempotency::{IdempotencyKey, REQUEST_ID_TTL, refusal};
use super::keys::{Keys, Slot};
use super::publication::Publication;
use super::pubsub::{Subscriber, Topic, TopicSubscription};
use super::script::{Call, Effect, Script};
use crate::error::Error;
use crate::metrics;

/// The bus channel of every message, told with its inbox and without its text.
const SENT: &str = "message:sent";
/// Messages in one inbox.
const MAX_MESSAGES: usize = 1_000;
/// How long an inbox is kept after the last message came.
const INBOX_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Messages given out at once, in bytes: what is below the 4 MiB that clients decode by default.
const MAX_BATCH_BYTES: usize = 3 << 20;
/// More than the largest message has, encoded: its text, its data, its sender.
const MAX_STORED_MESSAGE_BYTES: usize = 84 << 10;

/// Names a message within its inbox: when it came by the store's clock, and a number among those of that moment.
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

/// What a reader got.
#[derive(Debug)]
pub struct ReceivedMessages {
    /// Oldest first; fewer than asked for if they are large.
    pub messages: Vec<Message>,
    /// What else is in the inbox, given out or not.
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

impl Inboxes {
    pub(super) fn new(connection: RedisConnection, pubsub: Subscriber, keys: Keys) -> Self {
        let script = |effect, body: &str| {
            Script::new(
                effect,
                &format!("{}\n{body}", include_str!("lua/inbox.lua")),
            )
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
        inbox: &str,
        message: &Message,
    ) -> Result<(), Error> {
        let slot = self.keys.inbox(inbox);
        let publication = Map::from_iter([("inbox".to_owned(), inbox.into())]);
        let call = self.send.call();
        let call = keys_of(call, &slot)
            .key(slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(MAX_MESSAGES)
            .arg(millis(INBOX_TTL))
            .arg(self.keys.channel(SENT))
            .arg(envelope(&message.sender, publication))
            .arg(message.encode_to_vec());
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                if !reply.is_repeated() {
                    metrics::count_message();
                }
                Ok(())
            }
            "INBOX_FULL" => Err(Error::InboxFull(inbox.to_owned())),
            other => Err(refusal(other, &mut reply, None)?),
        }
    }

    /// Acknowledges, then gives out at most `max` messages, none of which is given out again before `visibility` has
    /// passed. It never waits.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn receive(
        &self,
        inbox: &str,
        max: u32,
        visibility: Duration,
        acknowledged: &[MessageId],
    ) -> Result<ReceivedMessages, Error> {
        let slot = self.keys.inbox(inbox);
        let mut call = keys_of(self.receive.call(), &slot)
            .arg(max)
            .arg(millis(visibility))
            .arg(MAX_BATCH_BYTES)
            .arg(MAX_STORED_MESSAGE_BYTES);
        for id in acknowledged {
            call = call.arg(id.to_string());
        }
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let remaining = reply.take()?;
        let wait: i64 = reply.take()?;
        let mut messages = reply
            .rest::<(String, Vec<u8>, u32)>()?
            .into_iter()
            .map(|(id, stored, deliveries)| read(&id, &stored, deliveries))
            .collect::<Result<Vec<_>, _>>()?;
        messages.sort_by_key(|(id, _)| *id);
        Ok(ReceivedMessages {
            messages: messages.into_iter().map(|(_, message)| message).collect(),
            remaining,
            next_due: u64::try_from(wait).ok().map(Duration::from_millis),
        })
    }

    /// Takes messages out for good; tells how many were there.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn acknowledge(&self, inbox: &str, ids: &[MessageId]) -> Result<u32, Error> {
        let slot = self.keys.inbox(inbox);
        let mut call = keys_of(self.acknowledge.call(), &slot);
        for id in ids {
            call = call.arg(id.to_string());
        }
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        reply.take()
    }

    /// Hears of messages that come from now on.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn subscribe(&self, inbox: &str) -> Result<InboxSubscription, Error> {
        let topic = Topic::Channel(self.keys.channel(SENT));
        Ok(InboxSubscription {
            subscription: self.pubsub.subscribe(topic).await?,
            inbox: inbox.to_owned(),
        })
    }
}

/// Publications of messages that came into one inbox.
#[derive(Debug)]
pub struct InboxSubscription {
    subscription: TopicSubscription,
    inbox: String,
}

impl InboxSubscription {
    /// Waits until one came, or may have come unheard.
    pub async fn next(&mut self) {
        let inbox = &self.inbox;
        let concerns = |publication: &Publication| {
            publication
                .data
                .get("inbox")
                .and_then(|inbox| inbox.as_str())
                == Some(inbox)
        };
        self.subscription.wait_for(concerns).await;
    }
}

fn keys_of<'a>(call: Call<'a>, slot: &Slot) -> Call<'a> {
    call.key(slot.key("messages")).key(slot.key("deadlines"))
}

fn read(id: &str, stored: &[u8], deliveries: u32) -> Result<(MessageId, Message), Error> {
    let defect = || {
        tracing::error!(id, "a message cannot be read");
        Error::Defect
    };
    let key: MessageId = id.parse().map_err(|()| defect())?;
    let mut message = Message::decode(stored).map_err(|_| defect())?;
    id.clone_into(&mut message.message_id);
    message.sent_at = Some(timestamp(i64::try_from(key.unix_ms).unwrap_or(i64::MAX)));
    message.deliveries = deliveries;
    Ok((key, message))
}
