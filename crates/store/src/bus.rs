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
use super::ear::{Ear, Heard, Topic};
use super::json;
use super::keys::Keys;
use super::ledger::{Once, REMEMBERED, refusal};
use super::link::Link;
use super::news::News;
use super::script::{Effect, Script};
use crate::domain::topics::{Topics, Wish};
use crate::error::Error;

/// A lost connection is heard once for each topic within this time, and told once.
const SETTLES_WITHIN: Duration = Duration::from_millis(50);

/// Publishes and listens.
pub struct Bus {
    link: Link,
    ear: Ear,
    keys: Keys,
    publish: Script,
}

impl Bus {
    pub(super) fn new(link: Link, ear: Ear, keys: Keys) -> Self {
        Self {
            link,
            ear,
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
        once: &Once,
        channel: &str,
        publisher: &str,
        payload: &Struct,
    ) -> Result<(), Error> {
        let call = self
            .publish
            .call()
            .key(self.keys.publication(&once.request_id))
            .arg(once.fingerprint.as_str())
            .arg(millis(REMEMBERED))
            .arg(self.keys.channel(channel))
            .arg(envelope(publisher, free_form::to_json(payload)));
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => Ok(()),
            other => Err(refusal(other, &mut reply, None)?),
        }
    }

    /// Listens; what is published after this returned is heard.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn listen(&self, topics: Topics) -> Result<Subscription, Error> {
        let mut heard = SelectAll::new();
        for (index, wish) in topics.wishes().iter().enumerate() {
            let topic = match wish {
                Wish::Channel(name) => Topic::Channel(self.keys.channel(name)),
                Wish::Pattern(pattern) => Topic::Pattern(self.keys.channel(pattern)),
            };
            let ear = self.ear.listen(topic).await?;
            let hears = stream::unfold(ear, move |mut ear| async move {
                Some(((index, ear.next().await), ear))
            });
            heard.push(hears.boxed());
        }
        Ok(Subscription {
            keys: self.keys.clone(),
            topics,
            heard,
            set_aside: None,
        })
    }
}

/// What a subscriber is told.
#[derive(Debug)]
pub enum Told {
    /// A publication.
    News(BusEvent),
    /// Some news was lost: this much, 0 if that is not known.
    Missed(u64),
}

/// One subscriber's topics. Dropping it ends them.
pub struct Subscription {
    keys: Keys,
    topics: Topics,
    /// What is heard, with the index of its wish.
    heard: SelectAll<BoxStream<'static, (usize, Heard)>>,
    /// News that came while a gap settled, to be told after it.
    set_aside: Option<BusEvent>,
}

impl Subscription {
    /// What is to be told next.
    pub async fn next(&mut self) -> Told {
        if let Some(event) = self.set_aside.take() {
            return Told::News(event);
        }
        match self.hear().await {
            Told::Missed(count) => Told::Missed(self.settle(count).await),
            news => news,
        }
    }

    /// The next gap, or the next news that nobody told yet.
    async fn hear(&mut self) -> Told {
        loop {
            match self.heard.next().await {
                Some((_, Heard::Gap(count))) => return Told::Missed(count),
                Some((index, Heard::News(news))) => {
                    if let Some(event) = self.event(index, &news) {
                        return Told::News(event);
                    }
                }
                // There is always a topic, and listeners do not end.
                None => std::future::pending().await,
            }
        }
    }

    /// Gathers the gaps that belong together; returns how much was lost.
    async fn settle(&mut self, first: u64) -> u64 {
        let mut gaps = vec![first];
        let settled = tokio::time::sleep(SETTLES_WITHIN);
        tokio::pin!(settled);
        loop {
            tokio::select! {
                () = &mut settled => break,
                heard = self.hear() => match heard {
                    Told::Missed(count) => gaps.push(count),
                    Told::News(event) => {
                        self.set_aside = Some(event);
                        break;
                    }
                }
            }
        }
        let is_known = self.topics.are_apart() && !gaps.contains(&0);
        if is_known { gaps.iter().sum() } else { 0 }
    }

    fn event(&self, index: usize, news: &News) -> Option<BusEvent> {
        let channel = self.keys.channel_name(&news.channel)?;
        self.topics.tells(index, channel).then(|| BusEvent {
            channel: channel.to_owned(),
            payload: Some(json::to_struct(&news.data)),
            publisher: news.publisher.clone(),
            published_at: Some(timestamp(news.at_ms)),
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
