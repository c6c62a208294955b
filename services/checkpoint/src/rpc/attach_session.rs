//! AttachSession: the stream whose life is the owner's lease.

use std::future::pending;

use prost_types::Duration as ProtoDuration;
use shim_proto::checkpoint::v1::attach_session_request::Message as RequestMessage;
use shim_proto::checkpoint::v1::attach_session_response::Event as ResponseEvent;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, AttachSessionResponse, LeaseGranted, SessionStatus,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Instrument;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use crate::domain::cause::StreamEnd;
use crate::error::Error;
use crate::lease::{OwnerEvent, expiry};
use crate::store::sessions;

/// Answers and events that may wait for a slow owner.
const QUEUE: usize = 32;

type ResponseSender = mpsc::Sender<Result<AttachSessionResponse, Status>>;

pub(super) async fn handle(
    api: &Api,
    mut requests: Streaming<AttachSessionRequest>,
) -> Result<ReceiverStream<Result<AttachSessionResponse, Status>>, Status> {
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
    let mut fields = Fields::default();
    let session = fields.uuid("attach.session_id", &attach.session_id);
    fields.client(attach.client.as_ref());
    fields.finish()?;

    let client = attach.client.clone().unwrap_or_default();
    let epoch = take_ownership(api, session, attach).await?;
    let (responses, stream) = mpsc::channel(QUEUE);
    let (events, owner_events) = mpsc::channel(QUEUE);
    let id = api.leases.attach(session, epoch, client, events);
    let stream_loop = StreamLoop {
        api: api.clone(),
        session,
        epoch,
        id,
        responses,
    };
    tokio::spawn(
        stream_loop
            .run(requests, owner_events)
            .instrument(tracing::debug_span!("attached", %session, epoch)),
    );
    Ok(ReceiverStream::new(stream))
}

/// Makes the caller the live owner: at its epoch, or at the next one if it adopts an interrupted session.
async fn take_ownership(api: &Api, session: Uuid, attach: Attach) -> Result<u64, Error> {
    api.store
        .write(0, move |db, now| {
            let mut stored = match attach.epoch {
                0 => {
                    let mut stored = sessions::find(db, session)?;
                    match stored.session.status() {
                        SessionStatus::Interrupted => stored.session.epoch += 1,
                        SessionStatus::Ended => {
                            return Err(Error::SessionEnded(session.to_string()));
                        }
                        _ => return Err(session_owned_error(&stored.session)),
                    }
                    stored
                }
                epoch => sessions::require_owner(db, session, epoch)?,
            };
            sessions::reactivate(&mut stored.session);
            stored.session.client = attach.client;
            sessions::update(db, &mut stored, now)?;
            Ok(stored.session.epoch)
        })
        .await
}

/// The refusal that names the live owner.
pub(super) fn session_owned_error(session: &shim_proto::checkpoint::v1::Session) -> Error {
    let client = session.client.clone().unwrap_or_default();
    let name = if client.name.is_empty() {
        "a client".to_owned()
    } else {
        client.name
    };
    let owner = match client.client_process.or(client.gateway_process) {
        Some(process) if process.pid > 0 => {
            format!("{name} (pid {} on {})", process.pid, client.hostname)
        }
        _ => name,
    };
    Error::SessionOwned {
        session: session.id.clone(),
        owner,
    }
}

/// What an attached owner may say.
enum OwnerMessage {
    /// It lives; the memory in use, if it told.
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
    session: Uuid,
    epoch: u64,
    id: Uuid,
    responses: ResponseSender,
}

impl StreamLoop {
    async fn run(
        self,
        mut requests: Streaming<AttachSessionRequest>,
        mut owner_events: mpsc::Receiver<OwnerEvent>,
    ) {
        self.send_lease().await;
        let stream_end = loop {
            tokio::select! {
                // The service stops: the session stays active and its owner comes back to the next start.
                () = self.api.shutdown.wait() => {
                    let _ = self.responses.send(Err(Error::Stopping.into())).await;
                    return;
                }
                event = next_event(&mut owner_events) => {
                    let lost = matches!(event, OwnerEvent::OwnershipLost(_));
                    self.send_event(event).await;
                    if lost {
                        return;
                    }
                }
                message = requests.message() => match message.map(|message| message.map(parse_message)) {
                    Ok(Some(Ok(OwnerMessage::Heartbeat(pressure)))) => {
                        self.api.leases.renew(self.session, self.epoch, pressure);
                        self.send_lease().await;
                    }
                    Ok(Some(Ok(OwnerMessage::Detach)) | None) => break StreamEnd::Detached,
                    Ok(Some(Err(refused))) => {
                        // The owner lives but talks nonsense: it has its lease to attach again.
                        let _ = self.responses.send(Err(refused)).await;
                        self.api.leases.clear_stream(self.session, self.id);
                        return;
                    }
                    Err(_) => break StreamEnd::Broken,
                },
            }
        };
        expiry::handle_stream_end(
            &self.api.store,
            &self.api.leases,
            self.session,
            self.id,
            stream_end,
        )
        .await;
    }

    async fn send_lease(&self) {
        let ttl = ProtoDuration::try_from(self.api.leases.ttl()).ok();
        self.send(ResponseEvent::Lease(LeaseGranted {
            epoch: self.epoch,
            ttl,
        }))
        .await;
    }

    async fn send_event(&self, event: OwnerEvent) {
        self.send(match event {
            OwnerEvent::Notice(notice) => ResponseEvent::Notice(notice),
            OwnerEvent::OwnershipLost(lost) => ResponseEvent::OwnershipLost(lost),
        })
        .await;
    }

    /// A receiver that is gone shows on the inbound side too, which ends the loop.
    async fn send(&self, event: ResponseEvent) {
        let _ = self
            .responses
            .send(Ok(AttachSessionResponse { event: Some(event) }))
            .await;
    }
}

/// The next event; never, once another stream of the owner took this one's place.
async fn next_event(owner_events: &mut mpsc::Receiver<OwnerEvent>) -> OwnerEvent {
    match owner_events.recv().await {
        Some(event) => event,
        None => pending().await,
    }
}
