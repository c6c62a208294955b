//! AttachSession: the stream whose life is the owner's lease.

use std::future::pending;

use prost_types::Duration as ProtoDuration;
use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::attach_session_response::Event as Told;
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
use crate::domain::cause::Ending;
use crate::error::Error;
use crate::lease::{Event, keeper};
use crate::store::sessions;

/// Answers and events that may wait for a slow owner.
const QUEUE: usize = 32;

type Answers = mpsc::Sender<Result<AttachSessionResponse, Status>>;

pub(super) async fn handle(
    api: &Api,
    mut said: Streaming<AttachSessionRequest>,
) -> Result<ReceiverStream<Result<AttachSessionResponse, Status>>, Status> {
    let Some(AttachSessionRequest {
        message: Some(Said::Attach(attach)),
    }) = said.message().await?
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
    let epoch = claim(api, session, attach).await?;
    let (answers, stream) = mpsc::channel(QUEUE);
    let (events, heard) = mpsc::channel(QUEUE);
    let id = api.leases.attach(session, epoch, client, events);
    let hold = Hold {
        api: api.clone(),
        session,
        epoch,
        id,
        answers,
    };
    tokio::spawn(
        hold.run(said, heard)
            .instrument(tracing::debug_span!("attached", %session, epoch)),
    );
    Ok(ReceiverStream::new(stream))
}

/// Makes the caller the live owner: at its epoch, or at the next one if it adopts an interrupted session.
async fn claim(api: &Api, session: Uuid, attach: Attach) -> Result<u64, Error> {
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
                        _ => return Err(owned(&stored.session)),
                    }
                    stored
                }
                epoch => sessions::require_owner(db, session, epoch)?,
            };
            sessions::revive(&mut stored.session);
            stored.session.client = attach.client;
            sessions::update(db, &mut stored, now)?;
            Ok(stored.session.epoch)
        })
        .await
}

/// The refusal that names the live owner.
pub(super) fn owned(session: &shim_proto::checkpoint::v1::Session) -> Error {
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
enum Word {
    /// It lives; the memory in use, if it told.
    Beat(Option<f64>),
    Goodbye,
}

fn listen(request: AttachSessionRequest) -> Result<Word, Status> {
    let mut fields = Fields::default();
    let word = match request.message {
        Some(Said::Heartbeat(beat)) => {
            fields.memory("heartbeat.memory", beat.memory.as_ref());
            Word::Beat(beat.memory.map(|memory| memory.pressure))
        }
        Some(Said::Detach(detach)) => {
            fields.text("detach.reason", &detach.reason, 500);
            Word::Goodbye
        }
        Some(Said::Attach(_)) => {
            fields.refuse(
                "attach",
                "must be the first message of the stream and the only one of its kind",
            );
            Word::Goodbye
        }
        None => {
            fields.refuse("message", "is empty; send a heartbeat or detach");
            Word::Goodbye
        }
    };
    fields.finish()?;
    Ok(word)
}

/// The task behind one stream. It ends with the stream, the loss of the session, or the service.
struct Hold {
    api: Api,
    session: Uuid,
    epoch: u64,
    id: Uuid,
    answers: Answers,
}

impl Hold {
    async fn run(
        self,
        mut said: Streaming<AttachSessionRequest>,
        mut heard: mpsc::Receiver<Event>,
    ) {
        self.grant().await;
        let ending = loop {
            tokio::select! {
                // The service stops: the session stays active and its owner comes back to the next start.
                () = self.api.shutdown.wait() => {
                    let _ = self.answers.send(Err(Error::Stopping.into())).await;
                    return;
                }
                event = next(&mut heard) => {
                    let lost = matches!(event, Event::OwnershipLost(_));
                    self.tell(event).await;
                    if lost {
                        return;
                    }
                }
                message = said.message() => match message.map(|message| message.map(listen)) {
                    Ok(Some(Ok(Word::Beat(pressure)))) => {
                        self.api.leases.beat(self.session, self.epoch, pressure);
                        self.grant().await;
                    }
                    Ok(Some(Ok(Word::Goodbye)) | None) => break Ending::Detached,
                    Ok(Some(Err(refused))) => {
                        // The owner lives but talks nonsense: it has its lease to attach again.
                        let _ = self.answers.send(Err(refused)).await;
                        self.api.leases.lose_stream(self.session, self.id);
                        return;
                    }
                    Err(_) => break Ending::StreamLost,
                },
            }
        };
        keeper::stream_ended(
            &self.api.store,
            &self.api.leases,
            self.session,
            self.id,
            ending,
        )
        .await;
    }

    async fn grant(&self) {
        let ttl = ProtoDuration::try_from(self.api.leases.ttl()).ok();
        self.send(Told::Lease(LeaseGranted {
            epoch: self.epoch,
            ttl,
        }))
        .await;
    }

    async fn tell(&self, event: Event) {
        self.send(match event {
            Event::Notice(notice) => Told::Notice(notice),
            Event::OwnershipLost(lost) => Told::OwnershipLost(lost),
        })
        .await;
    }

    /// A receiver that is gone shows on the inbound side too, which ends the loop.
    async fn send(&self, event: Told) {
        let _ = self
            .answers
            .send(Ok(AttachSessionResponse { event: Some(event) }))
            .await;
    }
}

/// The next event; never, once another stream of the owner took this one's place.
async fn next(heard: &mut mpsc::Receiver<Event>) -> Event {
    match heard.recv().await {
        Some(event) => event,
        None => pending().await,
    }
}
