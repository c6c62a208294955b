//! The session that holds a task's checkpoints: it lives as long as the task is at work in this process.
//!
//! It is held by a stream, as every session is: when the process is killed, the checkpoint service knows at once.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, ClientInfo, EndSessionRequest, Heartbeat, OpenSessionRequest,
    SessionOutcome,
};
use shim_runtime::client::Channel;
use shim_runtime::process;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at, sleep};
use tonic::{Code, Status};
use uuid::Uuid;

/// Under this name workers own sessions.
pub(super) const CLIENT: &str = "shim worker";
const HEARTBEAT_EVERY: Duration = Duration::from_secs(4);
/// A broken stream is opened again after this.
const ATTACH_BACKOFF: Duration = Duration::from_secs(1);

type Client = CheckpointServiceClient<Channel>;

/// A session that is held. Dropped without having ended it is interrupted.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) epoch: u64,
    attachment: JoinHandle<()>,
}

impl Session {
    pub(super) async fn open(
        mut client: Client,
        project: &str,
        title: &str,
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
        let attach = Attach {
            session_id: session.id.clone(),
            epoch: session.epoch,
            client: Some(owner),
        };
        Ok(Self {
            id: session.id,
            epoch: session.epoch,
            attachment: tokio::spawn(stay_attached(client, attach)),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.attachment.abort();
    }
}

/// Ends a session, so that it is proposed to nobody.
pub(super) async fn end(mut client: Client, id: &str, epoch: u64) -> Result<(), Status> {
    let request = EndSessionRequest {
        request_id: Uuid::now_v7().to_string(),
        session_id: id.to_owned(),
        epoch,
        outcome: SessionOutcome::Completed.into(),
    };
    client.end_session(request).await.map(drop)
}

/// Holds a session until it ended, is another's, or nobody wants to hold it any more.
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
