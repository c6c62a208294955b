//! The session that holds a task's checkpoints: it lives as long as this process works on the task.
//!
//! A stream holds the session, as it holds every session: the checkpoint service learns at once that the process was killed.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, ClientInfo, EndSessionRequest, Heartbeat, OpenSessionRequest,
    Session as SessionRecord, SessionOutcome,
};
use shim_runtime::background::BackgroundTasks;
use shim_runtime::client::Channel;
use shim_runtime::ids::{Epoch, SessionId};
use shim_runtime::process;
use tokio::time::{Instant, interval_at, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};
use uuid::Uuid;

/// The name under which workers own sessions.
pub(super) const CLIENT: &str = "shim worker";
const HEARTBEAT_EVERY: Duration = Duration::from_secs(4);
/// A broken stream is opened again after this.
const ATTACH_BACKOFF: Duration = Duration::from_secs(1);

type Client = CheckpointServiceClient<Channel>;

/// The right to write to a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnedSession {
    pub(super) id: SessionId,
    /// Fences the session's owner.
    pub(super) epoch: Epoch,
}

/// A session that this process holds. Dropped before its end, it becomes interrupted.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) owned: OwnedSession,
    _detach_on_drop: DropGuard,
}

impl Session {
    pub(super) async fn open(
        mut client: Client,
        project: &str,
        title: &str,
        background: &BackgroundTasks,
    ) -> Result<Self, Status> {
        let owner = owner();
        let request = OpenSessionRequest {
            request_id: Uuid::now_v7().to_string(),
            project: project.to_owned(),
            title: title.to_owned(),
            client: Some(owner.clone()),
        };
        let opened = client.open_session(request).await?.into_inner();
        let session = opened.session.unwrap_or_default();
        let owned = OwnedSession {
            id: decode_id(&session)?,
            epoch: Epoch(session.epoch),
        };
        let attach = Attach {
            session_id: session.id,
            epoch: session.epoch,
            client: Some(owner),
        };
        let is_dropped = CancellationToken::new();
        let attachment = is_dropped.clone();
        background.spawn_contained("session_attachment", async move {
            let attached = stay_attached(client, attach);
            attachment.run_until_cancelled(attached).await;
        });
        Ok(Self {
            owned,
            _detach_on_drop: is_dropped.drop_guard(),
        })
    }
}

/// The id of a session from the wire.
pub(super) fn decode_id(session: &SessionRecord) -> Result<SessionId, Status> {
    let no_id = |_| Status::internal("the checkpoint service sent a session without an id");
    session.id.parse().map_err(no_id)
}

/// Ends a session, so that no recovery proposes it.
pub(super) async fn end(mut client: Client, session: OwnedSession) -> Result<(), Status> {
    let request = EndSessionRequest {
        request_id: Uuid::now_v7().to_string(),
        session_id: session.id.into(),
        epoch: session.epoch.0,
        outcome: SessionOutcome::Completed.into(),
    };
    client.end_session(request).await.map(drop)
}

/// Holds a session until it has ended or belongs to another owner.
async fn stay_attached(mut client: Client, attach: Attach) {
    loop {
        let ended = match client.attach_session(attach_messages(attach.clone())).await {
            Ok(events) => {
                let mut events = events.into_inner();
                loop {
                    match events.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        match ended.as_ref().map(Status::code) {
            None | Some(Code::Unavailable | Code::Cancelled | Code::Unknown) => {
                sleep(ATTACH_BACKOFF).await;
            }
            Some(code) => return tracing::debug!(?code, "a session is not held any more"),
        }
    }
}

fn attach_messages(attach: Attach) -> impl Stream<Item = AttachSessionRequest> {
    let request = |message| AttachSessionRequest {
        message: Some(message),
    };
    let heartbeats = interval_at(Instant::now() + HEARTBEAT_EVERY, HEARTBEAT_EVERY);
    let heartbeats = stream::unfold(heartbeats, move |mut heartbeats| async move {
        heartbeats.tick().await;
        let heartbeat = request(Message::Heartbeat(Heartbeat::default()));
        Some((heartbeat, heartbeats))
    });
    stream::iter([request(Message::Attach(attach))]).chain(heartbeats)
}

fn owner() -> ClientInfo {
    ClientInfo {
        name: CLIENT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: process::hostname(),
        boot_id: process::boot_id(),
        gateway_process: Some(process::own()),
        ..ClientInfo::default()
    }
}
