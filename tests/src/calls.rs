//! Requests as the stories need them, with everything unimportant filled in.

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, CheckpointTrigger, ClientInfo, GetCheckpointRequest,
    ListCheckpointsRequest, OpenSessionRequest, SaveCheckpointRequest, Session,
};
use shim_runtime::client::Channel;
use shim_runtime::process;
use tonic::Status;
use uuid::Uuid;

/// The largest page a list RPC gives.
pub const MAX_PAGE: i32 = 1000;

/// A fresh idempotency key.
#[must_use]
pub fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// This very process as a client.
#[must_use]
pub fn client_info() -> ClientInfo {
    ClientInfo {
        name: "shim-tests".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        hostname: process::hostname(),
        boot_id: process::boot_id(),
        client_process: process::parent(),
        gateway_process: Some(process::own()),
        conversation: String::new(),
    }
}

/// Opens a session of `project`.
///
/// # Errors
/// As the service says.
pub async fn open(
    client: &mut CheckpointServiceClient<Channel>,
    project: &str,
) -> Result<Session, Status> {
    let request = OpenSessionRequest {
        request_id: request_id(),
        project: project.into(),
        title: "a story".into(),
        client: Some(client_info()),
    };
    let answer = client.open_session(request).await?.into_inner();
    answer
        .session
        .ok_or_else(|| Status::data_loss("OpenSession answered without a session"))
}

/// A save of `state` by the owner of `session`.
#[must_use]
pub fn save_request(session: &Session, state: CheckpointState) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        state: Some(state),
        trigger: CheckpointTrigger::Manual.into(),
        ..SaveCheckpointRequest::default()
    }
}

/// Saves `state` and returns the checkpoint's header.
///
/// # Errors
/// As the service says.
pub async fn save(
    client: &mut CheckpointServiceClient<Channel>,
    session: &Session,
    state: CheckpointState,
) -> Result<Checkpoint, Status> {
    let answer = client
        .save_checkpoint(save_request(session, state))
        .await?
        .into_inner();
    answer
        .checkpoint
        .ok_or_else(|| Status::data_loss("SaveCheckpoint answered without a checkpoint"))
}

/// The content of a checkpoint.
///
/// # Errors
/// As the service says.
pub async fn content(
    client: &mut CheckpointServiceClient<Channel>,
    checkpoint_id: &str,
) -> Result<CheckpointState, Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.into(),
        ..Default::default()
    };
    let answer = client.get_checkpoint(request).await?.into_inner();
    answer
        .state
        .ok_or_else(|| Status::data_loss("GetCheckpoint answered without a state"))
}

/// What a session holds.
#[derive(Debug, Default)]
pub struct History {
    /// The headers, newest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Numbers the service left out as damaged.
    pub damaged_numbers: Vec<u64>,
}

/// The checkpoints of a session above number `after`, all pages.
///
/// # Errors
/// As the service says.
pub async fn history(
    client: &mut CheckpointServiceClient<Channel>,
    session_id: &str,
    after: u64,
) -> Result<History, Status> {
    let mut history = History::default();
    let mut page_token = String::new();
    loop {
        let request = ListCheckpointsRequest {
            session_id: session_id.into(),
            page_size: MAX_PAGE,
            page_token,
        };
        let page = client.list_checkpoints(request).await?.into_inner();
        history.damaged_numbers.extend(
            page.damaged_numbers
                .iter()
                .filter(|number| **number > after),
        );
        let reached = page
            .checkpoints
            .last()
            .is_some_and(|checkpoint| checkpoint.number <= after);
        history.checkpoints.extend(
            page.checkpoints
                .into_iter()
                .filter(|checkpoint| checkpoint.number > after),
        );
        if page.next_page_token.is_empty() || reached {
            return Ok(history);
        }
        page_token = page.next_page_token;
    }
}
