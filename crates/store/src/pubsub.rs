//! Receiving publications: one connection for all subscriptions of the process.
//!
//! Publish/subscribe may lose publications. A subscription reports each possible loss as a `Gap`: after the connection broke,
//! or when its reader was too slow. The reader then reads the state itself. Nothing durable depends on a publication; it
//! only makes waiting short.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use redis::Msg;
use redis::aio::PubSubSink;
use serde_json::{Map, Value};
use shim_runtime::background::BackgroundTasks;
use shim_runtime::backoff::Backoff;
use tokio::sync::{Mutex, Notify, broadcast, mpsc, oneshot};

use super::connection::{ANSWER_WITHIN, Address, CONNECT_WITHIN, PubSubConnection, SubscriberPool};
use super::publication::{Backlog, BufferedPublication, Publication};
use crate::error::Error;

/// Publications of a topic that may wait for a slow subscription; later ones push out the oldest. The bytes of all topics
/// together are bounded by [`Backlog`].
const BACKLOG: usize = 128;
const COMMAND_QUEUE: usize = 256;
const PING_EVERY: Duration = Duration::from_secs(1);
/// The same over a local socket, whose end the system tells.
const LOCAL_PING_EVERY: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LONGEST_RETRY: Duration = Duration::from_millis(500);

/// What to subscribe to, by Redis's names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One channel.
    Channel(String),
    /// All channels that match a pattern (in Redis's own syntax).
    Pattern(String),
}

/// What a subscription receives.
#[derive(Debug)]
pub(crate) enum PubSubEvent {
    Publication(Arc<Publication>),
    /// Publications may have been lost: so many, 0 if the number is not known.
    Gap(u64),
}

/// What the loop sends to all subscriptions of a topic.
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
    /// The next event.
    pub(crate) async fn next(&mut self) -> PubSubEvent {
        match self.0.recv().await {
            Ok(Broadcast::Publication(buffered)) => buffered
                .get()
                .map_or(PubSubEvent::Gap(1), PubSubEvent::Publication),
            Ok(Broadcast::Gap) => PubSubEvent::Gap(0),
            Err(broadcast::error::RecvError::Lagged(missed)) => PubSubEvent::Gap(missed),
            // The loop ends with the process.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// The next publication; `None` for a gap, which may have hidden some.
    pub async fn next_publication(&mut self) -> Option<Arc<Publication>> {
        match self.next().await {
            PubSubEvent::Publication(publication) => Some(publication),
            PubSubEvent::Gap(_) => None,
        }
    }

    /// Waits for a publication that concerns the caller, or for a gap, which may have hidden one.
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
    /// Starts the loop, which ends with the shutdown. Without an address every subscription is refused with `NoRedis`.
    /// The loss of the connection is told to `on_loss`.
    pub(crate) fn open(
        address: Option<Address>,
        on_loss: Arc<Notify>,
        background: &BackgroundTasks,
    ) -> Self {
        let commands = address.map(|address| {
            let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
            let pubsub_loop = Arc::new(Mutex::new(PubSubLoop {
                ping_every: if address.is_local_socket() {
                    LOCAL_PING_EVERY
                } else {
                    PING_EVERY
                },
                address,
                on_loss,
                commands: receiver,
                topics: HashMap::new(),
                backlog: Backlog::default(),
            }));
            let shutdown = background.shutdown().clone();
            background.spawn_restarting("redis_subscriber", move || {
                let (pubsub_loop, shutdown) = (pubsub_loop.clone(), shutdown.clone());
                async move {
                    tokio::select! {
                        () = async { pubsub_loop.lock().await.run().await } => {}
                        () = shutdown.wait() => {}
                    }
                }
            });
            commands
        });
        Self { commands }
    }

    /// Subscribes: what is published after this call returned is received, or reported as a gap.
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
        // The loop answers no command while it connects.
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
    ping_every: Duration,
    on_loss: Arc<Notify>,
}

impl PubSubLoop {
    async fn run(&mut self) {
        let pool = match SubscriberPool::open(self.address.clone()) {
            Ok(pool) => pool,
            Err(why) => return tracing::error!(%why, "there are no subscriptions"),
        };
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            match self.connect(&pool).await {
                Ok(connection) => {
                    backoff.reset();
                    self.receive(connection).await;
                    self.on_loss.notify_one();
                    tracing::debug!("the subscriptions lost Redis");
                }
                Err(why) => tracing::debug!(%why, "the subscriptions cannot reach Redis"),
            }
            self.refuse_for(backoff.next_delay()).await;
        }
    }

    /// Waits, and refuses all commands meanwhile.
    async fn refuse_for(&mut self, delay: Duration) {
        let end = tokio::time::sleep(delay);
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

    /// Connects, subscribes to the topics in use, and reports a gap to all their subscriptions.
    async fn connect(&mut self, pool: &SubscriberPool) -> Result<PubSubConnection, String> {
        self.topics
            .retain(|_, subscriptions| subscriptions.receiver_count() > 0);
        let mut connection = pool.check_out().await?;
        let (sink, _) = &mut *connection;
        for (topic, subscriptions) in &self.topics {
            subscribe(sink, topic)
                .await
                .map_err(|error| error.to_string())?;
            let _ = subscriptions.send(Broadcast::Gap);
        }
        Ok(connection)
    }

    /// Returns when the connection is lost.
    async fn receive(&mut self, mut connection: PubSubConnection) {
        let (sink, stream) = &mut *connection;
        let mut ping = tokio::time::interval(self.ping_every);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.deliver(&message),
                    None => return,
                },
                Some(command) = self.commands.recv() => {
                    if !self.reply(sink, command).await {
                        return;
                    }
                }
                _ = ping.tick() => {
                    let pong = tokio::time::timeout(CONNECT_WITHIN, sink.ping::<redis::Value>()).await;
                    if !matches!(pong, Ok(Ok(_))) || !self.unsubscribe_idle(sink).await {
                        return;
                    }
                }
            }
        }
    }

    /// Answers a command. `false` if the connection is lost.
    async fn reply(&mut self, sink: &mut PubSubSink, command: SubscribeCommand) -> bool {
        let SubscribeCommand { topic, reply } = command;
        if let Some(subscriptions) = self.topics.get(&topic) {
            let _ = reply.send(Ok(TopicSubscription(subscriptions.subscribe())));
            return true;
        }
        match subscribe(sink, &topic).await {
            Ok(()) => {
                let (subscriptions, first) = broadcast::channel(BACKLOG);
                self.topics.insert(topic, subscriptions);
                let _ = reply.send(Ok(TopicSubscription(first)));
                true
            }
            Err(error) => {
                let _ = reply.send(Err(Error::Unavailable(error.to_string())));
                false
            }
        }
    }

    /// Hands a message to the subscriptions of its topic, if it has any left.
    fn deliver(&mut self, message: &Msg) {
        let topic = match message.get_pattern::<Option<String>>() {
            Ok(Some(pattern)) => Topic::Pattern(pattern),
            _ => Topic::Channel(message.get_channel_name().to_owned()),
        };
        if let Some(subscriptions) = self.topics.get(&topic)
            && subscriptions.receiver_count() > 0
        {
            let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
            let _ = subscriptions.send(Broadcast::Publication(
                self.backlog.buffer(channel, payload),
            ));
        }
    }

    /// Unsubscribes from the topics without subscriptions, so that their number stays small. `false` if the connection is
    /// lost.
    async fn unsubscribe_idle(&mut self, sink: &mut PubSubSink) -> bool {
        let idle = self
            .topics
            .extract_if(|_, subscriptions| subscriptions.receiver_count() == 0);
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

/// The start of a publication's envelope, up to the number of its field `last`: a script appends the number and closes the
/// envelope.
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
