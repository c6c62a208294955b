//! Receiving what is published: one connection for all subscriptions of the process.
//!
//! Publish/subscribe may miss, and the ear says so: whoever listens gets a `Gap` when the connection broke or it was too
//! slow, and looks for itself. Nothing durable rides on it; it only makes waiting short.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use redis::Msg;
use redis::aio::{PubSubSink, PubSubStream};
use serde_json::{Map, Value};
use shim_runtime::lifecycle::Shutdown;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::connection::{ANSWER_WITHIN, Address, CONNECT_WITHIN};
use super::publication::{Backlog, BufferedPublication, Publication};
use crate::error::Error;

/// Publications of a topic that a listener may be behind before it loses some; all topics together are bounded in bytes too.
const BACKLOG: usize = 128;
const COMMAND_QUEUE: usize = 256;
const PING_EVERY: Duration = Duration::from_secs(1);
const MIN_BACKOFF: Duration = Duration::from_millis(20);
const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// What to listen to, by Redis's names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One channel.
    Channel(String),
    /// All channels that match a pattern of Redis.
    Pattern(String),
}

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum PubSubEvent {
    Publication(Arc<Publication>),
    /// Something was missed: this much, 0 if that is not known.
    Gap(u64),
}

/// What a topic's listeners are told.
#[derive(Debug, Clone)]
enum Broadcast {
    Publication(Arc<BufferedPublication>),
    Gap,
}

/// The subscriptions of a process. Clones share them.
#[derive(Clone)]
pub struct Subscriber {
    /// `None` if no Redis is configured.
    commands: Option<mpsc::Sender<SubscribeCommand>>,
}

struct SubscribeCommand {
    topic: Topic,
    reply: oneshot::Sender<Result<TopicSubscription, Error>>,
}

/// One subscription. Dropping it ends it.
#[derive(Debug)]
pub struct TopicSubscription(broadcast::Receiver<Broadcast>);

impl TopicSubscription {
    /// The next thing heard.
    pub(crate) async fn next(&mut self) -> PubSubEvent {
        match self.0.recv().await {
            Ok(Broadcast::Publication(buffered)) => buffered
                .get()
                .map_or(PubSubEvent::Gap(1), PubSubEvent::Publication),
            Ok(Broadcast::Gap) => PubSubEvent::Gap(0),
            Err(broadcast::error::RecvError::Lagged(missed)) => PubSubEvent::Gap(missed),
            // The ear ends with the process.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Waits for news that concern the caller, or a gap, which may have hidden some.
    pub async fn wait_for(&mut self, concerns: impl Fn(&Publication) -> bool) {
        loop {
            match self.next().await {
                PubSubEvent::Publication(publication) if !concerns(&publication) => {}
                _ => return,
            }
        }
    }
}

impl Subscriber {
    /// Starts listening, until the shutdown.
    pub(crate) fn open(address: Option<Address>, shutdown: &Shutdown) -> Self {
        let commands = address.map(|address| {
            let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
            let shutdown = shutdown.clone();
            let pubsub_loop = PubSubLoop {
                address,
                commands: receiver,
                topics: HashMap::new(),
                backlog: Backlog::default(),
            };
            tokio::spawn(async move {
                tokio::select! {
                    () = pubsub_loop.run() => {}
                    () = shutdown.wait() => {}
                }
            });
            commands
        });
        Self { commands }
    }

    /// Subscribes; what is published after this returned is heard.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn subscribe(&self, topic: Topic) -> Result<TopicSubscription, Error> {
        let commands = self.commands.as_ref().ok_or(Error::NoRedis)?;
        let asked = async {
            let (reply, replied) = oneshot::channel();
            commands
                .send(SubscribeCommand { topic, reply })
                .await
                .map_err(|_| Error::Stopping)?;
            replied.await.map_err(|_| Error::Stopping)?
        };
        // While a connection is made, nobody answers.
        tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("Redis does not answer".to_owned())))
    }
}

struct PubSubLoop {
    address: Address,
    commands: mpsc::Receiver<SubscribeCommand>,
    topics: HashMap<Topic, broadcast::Sender<Broadcast>>,
    backlog: Backlog,
}

impl PubSubLoop {
    async fn run(mut self) {
        let mut backoff = MIN_BACKOFF;
        loop {
            match self.connect().await {
                Ok((sink, stream)) => {
                    backoff = MIN_BACKOFF;
                    self.receive(sink, stream).await;
                    tracing::debug!("the subscriptions lost Redis");
                }
                Err(why) => tracing::debug!(%why, "the subscriptions cannot reach Redis"),
            }
            let jitter = rand::random_range(0.5..1.0);
            self.refuse_for(backoff.mul_f64(jitter)).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Waits, and refuses whoever asks meanwhile.
    async fn refuse_for(&mut self, backoff: Duration) {
        let end = tokio::time::sleep(backoff);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                Some(command) = self.commands.recv() => {
                    let away = Error::Unavailable("the subscriptions have no connection".to_owned());
                    let _ = command.reply.send(Err(away));
                }
            }
        }
    }

    /// Connects, subscribes to what is listened to, and tells all listeners of the gap.
    async fn connect(&mut self) -> Result<(PubSubSink, PubSubStream), String> {
        self.topics
            .retain(|_, listeners| listeners.receiver_count() > 0);
        let connect = async {
            let mut last = None;
            for client in self.address.clients().await? {
                match client.get_async_pubsub().await {
                    Ok(pubsub) => return Ok(pubsub.split()),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| {
                redis::RedisError::from((redis::ErrorKind::Io, "no server is known"))
            }))
        };
        let within = CONNECT_WITHIN * 2;
        let (mut sink, stream) = tokio::time::timeout(within, connect)
            .await
            .map_err(|_| "Redis does not answer".to_owned())?
            .map_err(|error| error.to_string())?;
        for (topic, listeners) in &self.topics {
            subscribe(&mut sink, topic)
                .await
                .map_err(|error| error.to_string())?;
            let _ = listeners.send(Broadcast::Gap);
        }
        Ok((sink, stream))
    }

    /// Returns when the connection is lost.
    async fn receive(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) {
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.deliver(&message),
                    None => return,
                },
                Some(command) = self.commands.recv() => {
                    if !self.reply(&mut sink, command).await {
                        return;
                    }
                }
                _ = ping.tick() => {
                    let pong = tokio::time::timeout(CONNECT_WITHIN, sink.ping::<redis::Value>()).await;
                    if !matches!(pong, Ok(Ok(_))) || !self.unsubscribe_idle(&mut sink).await {
                        return;
                    }
                }
            }
        }
    }

    async fn reply(&mut self, sink: &mut PubSubSink, command: SubscribeCommand) -> bool {
        let SubscribeCommand { topic, reply } = command;
        if let Some(listeners) = self.topics.get(&topic) {
            let _ = reply.send(Ok(TopicSubscription(listeners.subscribe())));
            return true;
        }
        match subscribe(sink, &topic).await {
            Ok(()) => {
                let (listeners, first) = broadcast::channel(BACKLOG);
                self.topics.insert(topic, listeners);
                let _ = reply.send(Ok(TopicSubscription(first)));
                true
            }
            Err(error) => {
                let _ = reply.send(Err(Error::Unavailable(error.to_string())));
                false
            }
        }
    }

    /// Hands a message to its topic's listeners, if there are any left.
    fn deliver(&mut self, message: &Msg) {
        let topic = match message.get_pattern::<Option<String>>() {
            Ok(Some(pattern)) => Topic::Pattern(pattern),
            _ => Topic::Channel(message.get_channel_name().to_owned()),
        };
        if let Some(listeners) = self.topics.get(&topic)
            && listeners.receiver_count() > 0
        {
            let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
            let _ = listeners.send(Broadcast::Publication(
                self.backlog.buffer(channel, payload),
            ));
        }
    }

    /// Leaves the topics without listeners, so that there are never many more than are listened to; `false` if the
    /// connection is lost.
    async fn unsubscribe_idle(&mut self, sink: &mut PubSubSink) -> bool {
        let idle = self
            .topics
            .extract_if(|_, listeners| listeners.receiver_count() == 0);
        let (mut channels, mut patterns) = (Vec::new(), Vec::new());
        for (topic, _) in idle {
            match topic {
                Topic::Channel(name) => channels.push(name),
                Topic::Pattern(pattern) => patterns.push(pattern),
            }
        }
        let left = async {
            if !channels.is_empty() {
                sink.unsubscribe(channels).await?;
            }
            if !patterns.is_empty() {
                sink.punsubscribe(patterns).await?;
            }
            redis::RedisResult::Ok(())
        };
        matches!(tokio::time::timeout(CONNECT_WITHIN, left).await, Ok(Ok(())))
    }
}

async fn subscribe(sink: &mut PubSubSink, topic: &Topic) -> redis::RedisResult<()> {
    let asked = async {
        match topic {
            Topic::Channel(name) => sink.subscribe(name).await,
            Topic::Pattern(pattern) => sink.psubscribe(pattern).await,
        }
    };
    match tokio::time::timeout(CONNECT_WITHIN, asked).await {
        Ok(outcome) => outcome,
        Err(_) => Err(redis::RedisError::from((
            redis::ErrorKind::Io,
            "Redis does not answer",
        ))),
    }
}

/// The envelope up to where its last number goes: a script appends the number and closes it.
pub(crate) fn open_envelope(publisher: &str, data: &[(&str, &str)], last: &str) -> String {
    let data: Map<String, Value> = data
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    let mut data = Value::Object(data).to_string();
    data.pop();
    let comma = if data.len() > 1 { "," } else { "" };
    let from = Value::from(publisher);
    let at = super::clock::unix_ms();
    format!("{{\"from\":{from},\"at\":{at},\"data\":{data}{comma}\"{last}\":")
}
