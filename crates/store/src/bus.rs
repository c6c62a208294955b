//! The bus: publications for the present subscribers. Nothing is kept; a subscriber that missed some gets a gap instead.
//!
//! A publication is JSON, `{"from": publisher, "at": unix ms, "data": {...}}`, on a channel of Redis below the bus's prefix,
//! so that any program may subscribe or publish.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use prost_types::Struct;
use serde::Serialize;
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
use super::reply::NoFields;
use super::script::{Effect, Script};
use crate::domain::topics::{ChannelFilter, Topics};
use crate::error::Error;

/// A lost connection makes a gap in each topic within this time; the subscriber gets one gap.
const GAP_MERGE_WINDOW: Duration = Duration::from_millis(50);

/// Publishes and subscribes.
pub struct Bus {
    connection: RedisConnection,
    pubsub: Subscriber,
    keys: Keys,
    publish: Script,
}

#[derive(Serialize)]
struct PublishArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    channel: String,
    envelope: String,
}

impl Bus {
    pub(super) fn new(connection: RedisConnection, pubsub: Subscriber, keys: Keys) -> Self {
        Self {
            connection,
            pubsub,
            keys,
            publish: Script::named(Effect::Writes, include_str!("lua/publish.lua")),
        }
    }

    /// Publishes to the present subscribers of a channel.
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
            .args(&PublishArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                channel: self.keys.channel(channel),
                envelope: envelope(publisher, free_form::to_json(payload)),
            });
        let mut reply = self.connection.call(&call).await?;
        let _: NoFields = reply.accept(|status, reply| refusal(status, reply, None))?;
        Ok(())
    }

    /// Subscribes; every publication after the return arrives.
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

/// What a subscriber gets.
#[derive(Debug)]
pub enum BusDelivery {
    /// A publication.
    Event(BusEvent),
    /// Publications were missed: this many, 0 if the number is not known.
    Missed(u64),
}

/// One subscriber's topics. Dropping it ends them.
pub struct Subscription {
    keys: Keys,
    topics: Topics,
    /// The topics' events, each with the index of its filter.
    events: SelectAll<BoxStream<'static, (usize, PubSubEvent)>>,
    /// A publication that came while gaps were merged; it follows the gap.
    pending: Option<BusEvent>,
}

impl Subscription {
    /// The next publication or gap.
    pub async fn next(&mut self) -> BusDelivery {
        if let Some(event) = self.pending.take() {
            return BusDelivery::Event(event);
        }
        match self.receive().await {
            BusDelivery::Missed(count) => BusDelivery::Missed(self.merge_gaps(count).await),
            publication => publication,
        }
    }

    /// The next gap of a topic, or the next publication that no earlier filter delivered.
    async fn receive(&mut self) -> BusDelivery {
        loop {
            match self.events.next().await {
                Some((_, PubSubEvent::Gap(count))) => return BusDelivery::Missed(count),
                Some((index, PubSubEvent::Publication(publication))) => {
                    if let Some(event) = self.event(index, &publication) {
                        return BusDelivery::Event(event);
                    }
                }
                // There is always a topic, and subscriptions do not end.
                None => std::future::pending().await,
            }
        }
    }

    /// Merges the gaps of one lost connection; returns how many publications were missed.
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

/// The envelope that every publication of SHIM has.
pub(super) fn envelope(publisher: &str, data: Map<String, Value>) -> String {
    let envelope = Map::from_iter([
        ("from".to_owned(), Value::from(publisher)),
        ("at".to_owned(), Value::from(unix_ms())),
        ("data".to_owned(), Value::Object(data)),
    ]);
    Value::Object(envelope).to_string()
}
