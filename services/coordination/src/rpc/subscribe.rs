//! Subscribe: what is published on channels, from the first event, `subscribed`, until the client closes the stream.

use shim_proto::coordination::v1::subscribe_response::Event;
use shim_proto::coordination::v1::{Missed, SubscribeRequest, SubscribeResponse, Subscribed};
use shim_proto::limits::coordination::{MAX_CHANNEL_BYTES, MAX_TOPICS};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::Error;
use shim_store::bus::{BusDelivery, Subscription};
use shim_store::domain::topics::Topics;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::stream::{self, EventSender};

/// Events that wait for a slow client outside of the subscription's bounded backlog: few, because they are parsed already.
const EVENT_BUFFER: usize = 2;

pub(super) async fn handle(
    api: &Api,
    request: SubscribeRequest,
) -> Result<ResponseStream<SubscribeResponse>, Status> {
    check(&request)?;
    begin_streaming()?;
    let topics = Topics::new(request.channels, request.patterns);
    let subscription = api.store.bus.subscribe(topics).await?;
    Ok(stream::start(
        &api.background,
        "subscribe",
        EVENT_BUFFER,
        |events| forward(subscription, events),
    ))
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
    /// A pattern of channel names: `*` stands for any characters, `?` for one.
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

/// Sends what the subscription receives, until the client closes the stream.
async fn forward(
    mut subscription: Subscription,
    events: EventSender<SubscribeResponse>,
) -> Result<(), Error> {
    let mut event = Event::Subscribed(Subscribed {});
    loop {
        let response = SubscribeResponse { event: Some(event) };
        if events.send(Ok(response)).await.is_err() {
            return Ok(());
        }
        event = match subscription.next().await {
            BusDelivery::Event(publication) => Event::News(publication),
            BusDelivery::Missed(count) => Event::Missed(Missed { count }),
        };
    }
}
