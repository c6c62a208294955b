//! Subscribe: news of channels, from the moment it says that it listens until the caller hangs up.

use shim_proto::coordination::v1::subscribe_response::Event;
use shim_proto::coordination::v1::{Missed, SubscribeRequest, SubscribeResponse, Subscribed};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::Error;
use shim_store::bus::{BusDelivery, Subscription};
use shim_store::domain::topics::Topics;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::publish::MAX_CHANNEL_BYTES;

/// News that are taken out of the ear's bounded backlog for a slow subscriber: few, since they are parsed already.
const EVENT_BUFFER: usize = 2;
const MAX_TOPICS: usize = 100;

pub(super) async fn handle(
    api: &Api,
    request: SubscribeRequest,
) -> Result<ResponseStream<SubscribeResponse>, Status> {
    check(&request)?;
    begin_streaming()?;
    let topics = Topics::new(request.channels, request.patterns);
    let subscription = api.store.bus.subscribe(topics).await?;
    let (events, stream) = mpsc::channel(EVENT_BUFFER);
    let shutdown = api.background.shutdown().clone();
    let subscriber = events.clone();
    api.background
        .spawn_stream("subscribe", events, async move {
            tokio::select! {
                () = forward(subscription, &subscriber) => {}
                () = shutdown.wait() => {
                    let _ = subscriber.send(Err(Error::Stopping.into())).await;
                }
            }
        });
    Ok(ReceiverStream::new(stream))
}

fn check(request: &SubscribeRequest) -> Result<(), Status> {
    let mut fields = Fields::default();
    if request.channels.is_empty() && request.patterns.is_empty() {
        fields.refuse(
            "channels",
            "is empty, and so is patterns; name at least one",
        );
    }
    if fields.list("channels", request.channels.len(), MAX_TOPICS) {
        for (i, channel) in request.channels.iter().enumerate() {
            fields.name(format!("channels[{i}]"), channel, MAX_CHANNEL_BYTES);
        }
    }
    if fields.list("patterns", request.patterns.len(), MAX_TOPICS) {
        for (i, pattern) in request.patterns.iter().enumerate() {
            fields.pattern(format!("patterns[{i}]"), pattern);
        }
    }
    fields.finish()
}

impl Fields {
    /// A channel's name in which `*` and `?` stand for others.
    fn pattern(&mut self, field: String, pattern: &str) {
        let may_stand = |c: char| c.is_ascii_alphanumeric() || "._:/@-*?".contains(c);
        if !(1..=MAX_CHANNEL_BYTES).contains(&pattern.len()) || !pattern.chars().all(may_stand) {
            self.refuse(
                field,
                format!("must be 1..{MAX_CHANNEL_BYTES} of letters, digits, ._:/@- and the wildcards * and ?"),
            );
        }
    }
}

/// Ends when the subscriber has left.
async fn forward(
    mut subscription: Subscription,
    events: &mpsc::Sender<Result<SubscribeResponse, Status>>,
) {
    let mut event = Event::Subscribed(Subscribed {});
    loop {
        let response = SubscribeResponse { event: Some(event) };
        if events.send(Ok(response)).await.is_err() {
            return;
        }
        event = tokio::select! {
            received = subscription.next() => match received {
                BusDelivery::Event(publication) => Event::News(publication),
                BusDelivery::Missed(count) => Event::Missed(Missed { count }),
            },
            () = events.closed() => return,
        };
    }
}
