//! ReceiveMessages: delivers messages of an inbox, and waits for the first one if the request says so.
//!
//! A client that disconnects loses nothing: a delivered message that is not acknowledged is delivered again after its
//! visibility timeout.

use std::ops::RangeInclusive;
use std::time::Duration;

use shim_proto::coordination::v1::{ReceiveMessagesRequest, ReceiveMessagesResponse};
use shim_runtime::server::begin_waiting;
use shim_store::Error;
use shim_store::inbox::{InboxId, MessageId, ReceivedMessages};
use tokio::time::Instant;
use tonic::Status;

use super::ack_messages::message_ids;
use super::api::Api;
use super::fields::Fields;

/// The visibility timeout of a delivered message: until then no other read delivers it.
const VISIBILITY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
/// The visibility timeout when the request does not say.
const DEFAULT_VISIBILITY: Duration = Duration::from_secs(30);
/// Messages of one response when the request names no number.
const DEFAULT_MESSAGES: u32 = 10;
/// Messages of one response.
const MAX_MESSAGES: u32 = 100;
/// How often a waiting call reads the inbox without a publication.
const POLL_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn handle(
    api: &Api,
    request: ReceiveMessagesRequest,
) -> Result<ReceiveMessagesResponse, Status> {
    let mut fields = Fields::default();
    let options = ReceiveOptions {
        inbox: fields.uuid("inbox", &request.inbox).into(),
        max: fields.page_size(
            "max_messages",
            request.max_messages,
            DEFAULT_MESSAGES,
            MAX_MESSAGES,
        ),
        wait: fields.wait(request.wait.as_ref()),
        visibility: fields.duration(
            "visibility",
            request.visibility.as_ref(),
            DEFAULT_VISIBILITY,
            VISIBILITY,
        ),
        acknowledged: message_ids(&mut fields, "ack_ids", &request.ack_ids),
        peek: request.peek,
    };
    if options.peek && !options.acknowledged.is_empty() {
        fields.refuse("ack_ids", "must be empty for a peek, which changes nothing");
    }
    fields.finish()?;

    let taken = if options.wait.is_zero() {
        options.receive(api, &options.acknowledged).await?
    } else {
        begin_waiting()?;
        options.receive_until_deadline(api).await?
    };
    Ok(ReceiveMessagesResponse {
        messages: taken.messages,
        remaining: taken.remaining,
    })
}

struct ReceiveOptions {
    inbox: InboxId,
    max: u32,
    wait: Duration,
    visibility: Duration,
    acknowledged: Vec<MessageId>,
    peek: bool,
}

impl ReceiveOptions {
    async fn receive(
        &self,
        api: &Api,
        acknowledged: &[MessageId],
    ) -> Result<ReceivedMessages, Error> {
        let inboxes = &api.store.inboxes;
        if self.peek {
            return inboxes.peek(self.inbox, self.max).await;
        }
        inboxes
            .receive(self.inbox, self.max, self.visibility, acknowledged)
            .await
    }

    /// Subscribes before the first read, so that no message arrives unnoticed in between.
    async fn receive_until_deadline(&self, api: &Api) -> Result<ReceivedMessages, Error> {
        let deadline = Instant::now() + self.wait;
        let mut arrivals = api.store.inboxes.subscribe(self.inbox).await?;
        let mut taken = self.receive(api, &self.acknowledged).await?;
        while taken.messages.is_empty() && Instant::now() < deadline {
            let poll_after = taken.next_due.unwrap_or(POLL_EVERY).min(POLL_EVERY);
            tokio::select! {
                () = arrivals.next() => {}
                () = tokio::time::sleep_until(deadline.min(Instant::now() + poll_after)) => {}
                () = api.background.shutdown().wait() => return Err(Error::Stopping),
            }
            taken = self.receive(api, &[]).await?;
        }
        Ok(taken)
    }
}
