//! The task behind a hold: keeps the `AttachSession` stream open, beats every five seconds, attaches again when the
//! service was away or our token was replaced, and ends when the session is lost or left.
//!
//! It never starts the local stack: a user who stopped it meant it, and the next call starts it anyway.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, AttachSessionResponse, ClientInfo, Detach, Heartbeat,
};
use shim_runtime::fault::explain;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::evidence::MemoryGauge;
use crate::problem::Problem;
use crate::services::Services;
use crate::sessions::hold::{Hold, Loss};

const HEARTBEAT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A window that dies in such a pause is found by its lease alone, so it is short.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long the service may take to close the stream after a detach.
const FAREWELL: Duration = Duration::from_millis(800);

/// What a keeper needs.
pub(super) struct Keeper {
    pub(super) hold: Arc<Hold>,
    pub(super) services: Arc<Services>,
    pub(super) memory: Arc<MemoryGauge>,
    pub(super) client: ClientInfo,
}

/// How one stream ended.
enum Ending {
    /// The transport failed or the service is stopping: attach again.
    Interrupted,
    /// For good.
    Over,
}

impl Keeper {
    /// Keeps the hold until it is lost or left.
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut is_warned = false;
        while !self.hold.is_lost() {
            match self.attach().await {
                Ok(Ending::Over) => return,
                Ok(Ending::Interrupted) => (pause, is_warned) = (FIRST_PAUSE, false),
                Err(status) => {
                    if let Some(loss) = self.final_loss(&status) {
                        return self.hold.lose(loss);
                    }
                    tracing::debug!(session = self.hold.session_id, code = ?status.code(), "attaching failed");
                    if is_about_our_token(&status) && !is_warned {
                        is_warned = true;
                        tracing::warn!(
                            session = self.hold.session_id,
                            "not attached until the service takes our token: {}",
                            status.message()
                        );
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.hold.left() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Opens a stream and follows it to its end.
    async fn attach(&self) -> Result<Ending, Status> {
        let (say, said) = mpsc::channel(4);
        let attach = Attach {
            session_id: self.hold.session_id.clone(),
            epoch: self.hold.epoch(),
            client: Some(self.client.clone()),
        };
        // The channel was made one line above and has room.
        let _ = say.try_send(request(Message::Attach(attach)));
        let mut checkpoints = self.services.clients().checkpoints;
        let events = checkpoints
            .attach_session(ReceiverStream::new(said))
            .await?
            .into_inner();
        self.follow(events, say).await
    }

    async fn follow(
        &self,
        mut events: Streaming<AttachSessionResponse>,
        say: mpsc::Sender<AttachSessionRequest>,
    ) -> Result<Ending, Status> {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_attached = false;
        loop {
            tokio::select! {
                event = events.message() => match event {
                    Ok(Some(event)) => {
                        is_attached |= matches!(event.event, Some(Event::Lease(_)));
                        if self.heard(event) { return Ok(Ending::Over) }
                    }
                    Ok(None) => return Ok(Ending::Interrupted),
                    Err(status) if is_attached && self.final_loss(&status).is_none() => {
                        return Ok(Ending::Interrupted);
                    }
                    Err(status) => return Err(status),
                },
                _ = beat.tick() => {
                    // A full channel means the service reads nothing: its lease check will speak for itself.
                    let memory = self.memory.read().await;
                    let _ = say.try_send(request(Message::Heartbeat(Heartbeat { memory })));
                }
                reason = self.hold.left() => {
                    farewell(events, say, reason).await;
                    return Ok(Ending::Over);
                }
            }
        }
    }

    /// Whether the event ends the hold.
    fn heard(&self, event: AttachSessionResponse) -> bool {
        match event.event {
            Some(Event::Lease(lease)) => self.hold.granted(lease.epoch),
            Some(Event::Notice(notice)) => self.hold.notify(notice),
            Some(Event::OwnershipLost(lost)) => {
                self.hold.taken(lost);
                return true;
            }
            None => {}
        }
        false
    }

    /// What an attach that was refused means; `None` if it is worth another try.
    fn final_loss(&self, status: &Status) -> Option<Loss> {
        let refused = || Some(Loss::Refused(Problem::from(status.clone())));
        match explain(status).reason.as_str() {
            "STALE_OWNER" => Some(Loss::Elsewhere { owner: None }),
            "SESSION_ENDED" | "SESSION_NOT_FOUND" => refused(),
            // An owner that reconnects may still meet its own old stream; only an adoption is refused by it.
            "SESSION_OWNED" if self.hold.epoch() != 0 => None,
            // The next try shows what the token file holds by then. Until one is let in, the calls of an owner are told
            // by the service what is wrong.
            _ if is_about_our_token(status) && self.hold.epoch() != 0 => None,
            _ => match status.code() {
                Code::FailedPrecondition
                | Code::InvalidArgument
                | Code::NotFound
                | Code::PermissionDenied
                | Code::Unauthenticated => refused(),
                _ => None,
            },
        }
    }
}

/// Whether another token would do: ours is not taken, or its role is too weak.
fn is_about_our_token(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied
    )
}

fn request(message: Message) -> AttachSessionRequest {
    AttachSessionRequest {
        message: Some(message),
    }
}

/// Detaches and waits for the service to close the stream, so the detach is known to have arrived.
async fn farewell(
    mut events: Streaming<AttachSessionResponse>,
    say: mpsc::Sender<AttachSessionRequest>,
    reason: String,
) {
    let goodbye = async {
        let _ = say.send(request(Message::Detach(Detach { reason }))).await;
        drop(say);
        while let Ok(Some(_)) = events.message().await {}
    };
    if tokio::time::timeout(FAREWELL, goodbye).await.is_err() {
        tracing::debug!("the service did not close the stream after the detach");
    }
}
