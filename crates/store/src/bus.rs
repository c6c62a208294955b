//! The bus: news for whoever listens now. Nothing is kept; what a listener missed, it is told that it missed.
//!
//! A publication is JSON, `{"from": who, "at": unix ms, "data": {...}}`, on a channel of Redis below the bus's prefix,
//! so that any program may listen or tell.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use prost_types::Struct;
use serde_json::{Map, Value};
use shim_proto::coordination::v1::BusEvent;
use shim_runtime::free_form;

use super::clock::{millis, timestamp, unix_ms};
use super::connection::RedisConnection;
use super::idempotency::{IdempotencyKey, REQUEST_ID_TTL, refusal};
use super::json;
use super::keys::Keys;
use super::publication::Publication;
use super::pubsub::{PubSubEvent, Subscriber, Topic};
use super::script::{Effect, Script};
use crate::domain::topics::{ChannelFilter, Topics};
use crate::error::Error;

/// A lost connection is heard once for each topic within this time, and told once.
const GAP_MERGE_WINDOW: Duration = Duration::from_millis(50);

/// Publishes and listens.
pub struct Bus {
    connection: RedisConnection,
    pubsub: Subscriber,
    keys: Keys,
    publish: Script,
}

impl Bus {
    pub(super) fn new(connection: RedisConnection, pubsub: Subscriber, keys: Keys) -> Self {
        Self {
            connection,
            pubsub,
            keys,
            publish: Script::new(Effect::Writes, include_str!("lua/publish.lua")),
        }
    }

    /// Tells everyone who listens to a channel now.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn publish(
        &self,
        idempotency_key: &IdempotencyKey,
        channel: &str,
        publisher: &str,
        payload: &Struct,
    ) -> Result<(), Error> {
        let call = self
            .publish
            .call()
            .key(self.keys.publish_request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(self.keys.channel(channel))
            .arg(envelope(publisher, free_form::to_json(payload)));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => Ok(()),
            other => Err(refusal(other, &mut reply, None)?),
        }
    }

    /// Listens; what is published after this returned is heard.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn subscribe(&self, topics: Topics) -> Result<Subscription, Error> {
        let mut events = SelectAll::new();
        for (index, filter) in topics.filters().iter().enumerate() {
            let topic = match filter {
                ChannelFilter::Channel(name) => Topic::Channel(self.keys.channel(name)),
                ChannelFilter::Pattern(pattern) => Topic::Pattern(self.keys.channel(pattern)),
            };
            let subscription = self.pubsub.subscribe(topic).await?;
            let topic_events = stream::unfold(subscription, move |mut subscription| async move {
                Some(((index, subscription.next().await), subscription))
            });
            events.push(topic_events.boxed());
        }
        Ok(Subscription {
            keys: self.keys.clone(),
            topics,
            events,
            pending: None,
        })
    }
}

/// What a subscriber is told.
#[derive(Debug)]
pub enum BusDelivery {
    /// A publication.
    Event(BusEvent),
    /// Some news was lost: this much, 0 if that is not known.
    Missed(u64),
}

/// One subscriber's topics. Dropping it ends them.
pub struct Subscription {
    keys: Keys,
    topics: Topics,
    /// What is heard, with the index of its wish.
    events: SelectAll<BoxStream<'static, (usize, PubSubEvent)>>,
    /// Publications that came while a gap settled, to be told after it.
    pending: Option<BusEvent>,
}

impl Subscription {
    /// What is to be told next.
    pub async fn next(&mut self) -> BusDelivery {
        if let Some(event) = self.pending.take() {
            return BusDelivery::Event(event);
        }
        match self.receive().await {
            BusDelivery::Missed(count) => BusDelivery::Missed(self.merge_gaps(count).await),
            publication => publication,
        }
    }

    /// The next gap, or the next news that nobody told yet.
    async fn receive(&mut self) -> BusDelivery {
        loop {
            match self.events.next().await {
                Some((_, PubSubEvent::Gap(count))) => return BusDelivery::Missed(count),
                Some((index, PubSubEvent::Publication(publication))) => {
                    if let Some(event) = self.event(index, &publication) {
                        return BusDelivery::Event(event);
                    }
                }
                // There is always a topic, and listeners do not end.
                None => std::future::pending().await,
            }
        }
    }

    /// Gathers the gaps that belong together; returns how much was lost.
    async fn merge_gaps(&mut self, first: u64) -> u64 {
        let mut gaps = vec![first];
        let window = tokio::time::sleep(GAP_MERGE_WINDOW);
        tokio::pin!(window);
        loop {
            tokio::select! {
                () = &mut window => break,
                delivery = self.receive() => match delivery {
                    BusDelivery::Missed(count) => gaps.push(count),
                    BusDelivery::Event(event) => {
                        self.pending = Some(event);
                        break;
                    }
                }
            }
        }
        let is_known = self.topics.are_disjoint() && !gaps.contains(&0);
        if is_known { gaps.iter().sum() } else { 0 }
    }

    fn event(&self, index: usize, publication: &Publication) -> Option<BusEvent> {
        let channel = self.keys.channel_name(&publication.channel)?;
        self.topics
            .is_first_match(index, channel)
            .then(|| BusEvent {
                channel: channel.to_owned(),
                payload: Some(json::to_struct(&publication.data)),
                publisher: publication.publisher.clone(),
                published_at: Some(timestamp(publication.at_ms)),
            })
    }
}

/// A publication as all of ours are.
pub(super) fn envelope(publisher: &str, data: Map<String, Value>) -> String {
    let envelope = Map::from_iter([
        ("from".to_owned(), Value::from(publisher)),
        ("at".to_owned(), Value::from(unix_ms())),
        ("data".to_owned(), Value::Object(data)),
    ]);
    Value::Object(envelope).to_string()
}
