//! Hearing what is published: one connection for all subscriptions of the process.
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

use super::link::{ANSWER_WITHIN, Address, CONNECT_WITHIN};
use super::news::{Backlog, Letter, News};
use crate::error::Error;

/// News of a topic that a listener may be behind before it loses some; all topics together are bounded in bytes too.
const BACKLOG: usize = 128;
const ASKS: usize = 256;
const PING_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

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
pub(crate) enum Heard {
    News(Arc<News>),
    /// Something was missed: this much, 0 if that is not known.
    Gap(u64),
}

/// What a topic's listeners are told.
#[derive(Debug, Clone)]
enum Told {
    Letter(Arc<Letter>),
    Gap,
}

/// The subscriptions of a process. Clones share them.
#[derive(Clone)]
pub struct Ear {
    /// `None` if no Redis is configured.
    asks: Option<mpsc::Sender<Ask>>,
}

struct Ask {
    topic: Topic,
    answer: oneshot::Sender<Result<Listener, Error>>,
}

/// One subscription. Dropping it ends it.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Told>);

impl Listener {
    /// The next thing heard.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(Told::Letter(letter)) => letter.open().map_or(Heard::Gap(1), Heard::News),
            Ok(Told::Gap) => Heard::Gap(0),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Gap(missed),
            // The ear ends with the process.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Waits for news that concern the caller, or a gap, which may have hidden some.
    pub async fn until(&mut self, concerns: impl Fn(&News) -> bool) {
        loop {
            match self.next().await {
                Heard::News(news) if !concerns(&news) => {}
                _ => return,
            }
        }
    }
}

impl Ear {
    /// Starts listening, until the shutdown.
    pub(crate) fn open(address: Option<Address>, shutdown: &Shutdown) -> Self {
        let asks = address.map(|address| {
            let (asks, asked) = mpsc::channel(ASKS);
            let shutdown = shutdown.clone();
            let hearing = Hearing {
                address,
                asked,
                topics: HashMap::new(),
                backlog: Backlog::default(),
            };
            tokio::spawn(async move {
                tokio::select! {
                    () = hearing.run() => {}
                    () = shutdown.wait() => {}
                }
            });
            asks
        });
        Self { asks }
    }

    /// Subscribes; what is published after this returned is heard.
    ///
    /// # Errors
    /// `NoRedis`, or `Unavailable` if Redis cannot be reached now.
    pub async fn listen(&self, topic: Topic) -> Result<Listener, Error> {
        let asks = self.asks.as_ref().ok_or(Error::NoRedis)?;
        let asked = async {
            let (answer, answered) = oneshot::channel();
            asks.send(Ask { topic, answer })
                .await
                .map_err(|_| Error::Stopping)?;
            answered.await.map_err(|_| Error::Stopping)?
        };
        // While a connection is made, nobody answers.
        tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("Redis does not answer".to_owned())))
    }
}

struct Hearing {
    address: Address,
    asked: mpsc::Receiver<Ask>,
    topics: HashMap<Topic, broadcast::Sender<Told>>,
    backlog: Backlog,
}

impl Hearing {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok((sink, stream)) => {
                    pause = FIRST_PAUSE;
                    self.hear(sink, stream).await;
                    tracing::debug!("the subscriptions lost Redis");
                }
                Err(why) => tracing::debug!(%why, "the subscriptions cannot reach Redis"),
            }
            let jitter = rand::random_range(0.5..1.0);
            self.refuse_for(pause.mul_f64(jitter)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits, and refuses whoever asks meanwhile.
    async fn refuse_for(&mut self, pause: Duration) {
        let end = tokio::time::sleep(pause);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                Some(ask) = self.asked.recv() => {
                    let away = Error::Unavailable("the subscriptions have no connection".to_owned());
                    let _ = ask.answer.send(Err(away));
                }
            }
        }
    }

    /// Connects, subscribes to what is listened to, and tells all listeners of the gap.
    async fn connect(&mut self) -> Result<(PubSubSink, PubSubStream), String> {
        self.topics.retain(|_, ears| ears.receiver_count() > 0);
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
        for (topic, ears) in &self.topics {
            subscribe(&mut sink, topic)
                .await
                .map_err(|error| error.to_string())?;
            let _ = ears.send(Told::Gap);
        }
        Ok((sink, stream))
    }

    /// Returns when the connection is lost.
    async fn hear(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) {
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.tell(&message),
                    None => return,
                },
                Some(ask) = self.asked.recv() => {
                    if !self.answer(&mut sink, ask).await {
                        return;
                    }
                }
                _ = ping.tick() => {
                    let pong = tokio::time::timeout(CONNECT_WITHIN, sink.ping::<redis::Value>()).await;
                    if !matches!(pong, Ok(Ok(_))) || !self.leave_unheard(&mut sink).await {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(&mut self, sink: &mut PubSubSink, ask: Ask) -> bool {
        let Ask { topic, answer } = ask;
        if let Some(ears) = self.topics.get(&topic) {
            let _ = answer.send(Ok(Listener(ears.subscribe())));
            return true;
        }
        match subscribe(sink, &topic).await {
            Ok(()) => {
                let (ears, first) = broadcast::channel(BACKLOG);
                self.topics.insert(topic, ears);
                let _ = answer.send(Ok(Listener(first)));
                true
            }
            Err(error) => {
                let _ = answer.send(Err(Error::Unavailable(error.to_string())));
                false
            }
        }
    }

    /// Hands a message to its topic's listeners, if there are any left.
    fn tell(&mut self, message: &Msg) {
        let topic = match message.get_pattern::<Option<String>>() {
            Ok(Some(pattern)) => Topic::Pattern(pattern),
            _ => Topic::Channel(message.get_channel_name().to_owned()),
        };
        if let Some(ears) = self.topics.get(&topic)
            && ears.receiver_count() > 0
        {
            let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
            let _ = ears.send(Told::Letter(self.backlog.letter(channel, payload)));
        }
    }

    /// Leaves the topics without listeners, so that there are never many more than are listened to; `false` if the
    /// connection is lost.
    async fn leave_unheard(&mut self, sink: &mut PubSubSink) -> bool {
        let unheard = self.topics.extract_if(|_, ears| ears.receiver_count() == 0);
        let (mut channels, mut patterns) = (Vec::new(), Vec::new());
        for (topic, _) in unheard {
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
