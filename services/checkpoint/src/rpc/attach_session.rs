//! AttachSession: the stream whose life is the owner's lease.

use std::future::pending;
use std::ops::ControlFlow;

use prost_types::Duration as ProtoDuration;
use shim_proto::checkpoint::v1::attach_session_request::Message as RequestMessage;
use shim_proto::checkpoint::v1::attach_session_response::Event as ResponseEvent;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, AttachSessionResponse, ClientInfo, LeaseGranted,
};
use shim_sqlite::SqliteError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Instrument;
use uuid::Uuid;

use super::api::Api;
use super::fields::Fields;
use crate::domain::cause::StreamEnd;
use crate::error::Error;
use crate::lease::{OwnerEvent, Renewal, expiry};
use crate::store::Owner;

/// Answers and events that may wait for a slow owner.
const QUEUE: usize = 32;

type ResponseSender = mpsc::Sender<Result<AttachSessionResponse, Status>>;

pub(super) async fn handle(
    api: &Api,
    mut requests: Streaming<AttachSessionRequest>,
) -> Result<ReceiverStream<Result<AttachSessionResponse, Status>>, Status> {
    let attach = first_message(&mut requests).await?;
    let mut fields = Fields::default();
    let session = fields.id("attach.session_id", &attach.session_id);
    fields.client(attach.client.as_ref());
    fields.finish()?;

    let client = attach.client.clone().unwrap_or_default();
    let attached = api.store.attach_session(session, attach).await?;
    let epoch = attached.epoch;
    let (responses, stream) = mpsc::channel(QUEUE);
    let (events, owner_events) = mpsc::channel(QUEUE);
    let stream_loop = StreamLoop {
        api: api.clone(),
        owner: Owner { session, epoch },
        client,
        id: Uuid::now_v7(),
        events,
        responses: responses.clone(),
    };
    stream_loop.take_lease();
    let span = tracing::debug_span!("attached", %session, epoch = epoch.0);
    let work = stream_loop
        .run(attached.head_number, requests, owner_events)
        .instrument(span);
    api.tasks.spawn_stream("attached_session", responses, work);
    Ok(ReceiverStream::new(stream))
}

/// The message that every stream begins with.
async fn first_message(requests: &mut Streaming<AttachSessionRequest>) -> Result<Attach, Status> {
    let Some(AttachSessionRequest {
        message: Some(RequestMessage::Attach(attach)),
    }) = requests.message().await?
    else {
        let mut fields = Fields::default();
        fields.refuse("attach", "must be the first message of the stream");
        return Err(fields
            .finish()
            .err()
            .unwrap_or_else(|| Status::invalid_argument("attach: missing")));
    };
    Ok(attach)
}

/// A message of an attached owner.
enum OwnerMessage {
    /// A sign of life with the memory in use, if the owner sent it.
    Heartbeat(Option<f64>),
    Detach,
}

fn parse_message(request: AttachSessionRequest) -> Result<OwnerMessage, Status> {
    let mut fields = Fields::default();
    let message = match request.message {
        Some(RequestMessage::Heartbeat(heartbeat)) => {
            fields.memory("heartbeat.memory", heartbeat.memory.as_ref());
            OwnerMessage::Heartbeat(heartbeat.memory.map(|memory| memory.pressure))
        }
        Some(RequestMessage::Detach(detach)) => {
            fields.text("detach.reason", &detach.reason, 500);
            OwnerMessage::Detach
        }
        Some(RequestMessage::Attach(_)) => {
            fields.refuse(
                "attach",
                "must be the first message of the stream and the only one of its kind",
            );
            OwnerMessage::Detach
        }
        None => {
            fields.refuse("message", "is empty; send a heartbeat or detach");
            OwnerMessage::Detach
        }
    };
    fields.finish()?;
    Ok(message)
}

/// The task behind one stream. It ends with the stream, the loss of the session, or the service.
struct StreamLoop {
    api: Api,
    owner: Owner,
    client: ClientInfo,
    id: Uuid,
    /// Where the lease sends what its owner should hear of.
    events: mpsc::Sender<OwnerEvent>,
    responses: ResponseSender,
}

impl StreamLoop {
    async fn run(
        self,
        head_number: u64,
        mut requests: Streaming<AttachSessionRequest>,
        mut owner_events: mpsc::Receiver<OwnerEvent>,
    ) {
        self.send_lease(Some(head_number)).await;
        let stream_end = loop {
            tokio::select! {
                // The service stops: the session stays active and its owner comes back to the next start.
                () = self.api.tasks.shutdown().wait() => {
                    let _ = self.responses.send(Err(Error::from(SqliteError::Stopping).into())).await;
                    return;
                }
                event = next_event(&mut owner_events) => {
                    if self.send_event(event).await {
                        return;
                    }
                }
                message = requests.message() => match self.on_message(message).await {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(Some(stream_end)) => break stream_end,
                    ControlFlow::Break(None) => return,
                },
            }
        };
        expiry::handle_stream_end(
            &self.api.store,
            &self.api.leases,
            self.owner.session,
            self.id,
            stream_end,
        )
        .await;
    }

    /// Handles what came on the inbound side. Breaks with the stream's end, or with `None` if the lease outlives the stream.
    async fn on_message(
        &self,
        message: Result<Option<AttachSessionRequest>, Status>,
    ) -> ControlFlow<Option<StreamEnd>> {
        match message.map(|message| message.map(parse_message)) {
            Ok(Some(Ok(OwnerMessage::Heartbeat(pressure)))) => self.on_heartbeat(pressure).await,
            Ok(Some(Ok(OwnerMessage::Detach)) | None) => {
                ControlFlow::Break(Some(StreamEnd::Detached))
            }
            Ok(Some(Err(refused))) => {
                // The owner lives but its message is refused: it has its lease to attach again.
                let _ = self.responses.send(Err(refused)).await;
                self.api.leases.clear_stream(self.owner.session, self.id);
                ControlFlow::Break(None)
            }
            Err(_) => ControlFlow::Break(Some(StreamEnd::Broken)),
        }
    }

    /// The owner lives. One that was silent for too long, since it slept, gets its session back unless it went to another.
    async fn on_heartbeat(&self, pressure: Option<f64>) -> ControlFlow<Option<StreamEnd>> {
        match self.api.leases.renew(self.owner, pressure) {
            Renewal::Renewed => {}
            Renewal::Unattached => self.take_lease(),
            Renewal::NoLease => {
                if let Err(refused) = self.attach_again().await {
                    let _ = self.responses.send(Err(refused.into())).await;
                    return ControlFlow::Break(None);
                }
            }
        }
        self.send_lease(None).await;
        ControlFlow::Continue(())
    }

    async fn attach_again(&self) -> Result<(), Error> {
        let attach = Attach {
            session_id: self.owner.session.to_string(),
            epoch: self.owner.epoch.0,
            client: Some(self.client.clone()),
        };
        let session = self.owner.session;
        self.api.store.attach_session(session, attach).await?;
        self.take_lease();
        tracing::info!(%session, "an owner that was silent came back");
        Ok(())
    }

    fn take_lease(&self) {
        let (client, events) = (self.client.clone(), self.events.clone());
        self.api.leases.attach(self.owner, client, self.id, events);
    }

    /// Only the answer to the attach knows the session's newest checkpoint.
    async fn send_lease(&self, head_number: Option<u64>) {
        let ttl = ProtoDuration::try_from(self.api.leases.ttl()).ok();
        self.send(ResponseEvent::Lease(LeaseGranted {
            epoch: self.owner.epoch.0,
            ttl,
            head_number,
        }))
        .await;
    }

    /// Sends the owner an event. Answers whether it ends the stream.
    async fn send_event(&self, event: OwnerEvent) -> bool {
        match event {
            OwnerEvent::Notice(notice) => {
                self.send(ResponseEvent::Notice(notice)).await;
                false
            }
            OwnerEvent::OwnershipLost(lost) => {
                self.send(ResponseEvent::OwnershipLost(lost)).await;
                true
            }
            OwnerEvent::ConversationEnded => {
                let ended = Error::SessionEnded(self.owner.session.to_string());
                let _ = self.responses.send(Err(ended.into())).await;
                true
            }
        }
    }

    /// A receiver that is gone shows on the inbound side too, which ends the loop.
    async fn send(&self, event: ResponseEvent) {
        let _ = self
            .responses
            .send(Ok(AttachSessionResponse { event: Some(event) }))
            .await;
    }
}

/// The next event; none comes once another stream of the owner has replaced this one.
async fn next_event(owner_events: &mut mpsc::Receiver<OwnerEvent>) -> OwnerEvent {
    match owner_events.recv().await {
        Some(event) => event,
        None => pending().await,
    }
}
