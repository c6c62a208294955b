//! SHIM's own history of a project, read through the RPCs of the other services. What cannot be read is left out: the
//! analysis of the code does not depend on it.

use std::time::Duration;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_proto::checkpoint::v1::{
    GetCheckpointRequest, ListSessionsRequest, ListSignalHistoryRequest, Session,
};
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::{ListTasksRequest, Task, TaskState};
use shim_proto::evolution::v1::WorkHistory;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_render::{wording, words};
use shim_runtime::client::Channel;
use tonic::{Request, Status};

use crate::domain::work_history::{Death, PastSession, PastTask, work_history};
use crate::peers::Peers;

/// Pages of tasks that are read, 500 each.
const TASK_PAGES: usize = 10;
/// Sessions that are looked at, the newest.
const SESSIONS: i32 = 50;
/// Checkpoints of each that are looked at, the newest.
const CHECKPOINTS: u64 = 5;
/// A service that hangs does not hold up an analysis.
const CALL_WITHIN: Duration = Duration::from_secs(5);

/// The history of the project with this root.
pub(crate) async fn read(peers: &Peers, root: &str) -> WorkHistory {
    let tasks = match &peers.coordination {
        Some(channel) => known("tasks", tasks(channel, root).await),
        None => Vec::new(),
    };
    let sessions = match &peers.checkpoint {
        Some(channel) => known("sessions", sessions(channel, root).await),
        None => Vec::new(),
    };
    work_history(&tasks, &sessions, wording::normalised)
}

fn known<T>(what: &'static str, read: Result<Vec<T>, Status>) -> Vec<T> {
    read.unwrap_or_else(|status| {
        tracing::warn!(what, %status, "SHIM's own history cannot be read");
        Vec::new()
    })
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_WITHIN);
    request
}

async fn tasks(channel: &Channel, root: &str) -> Result<Vec<PastTask>, Status> {
    let client = TaskServiceClient::new(channel.clone());
    let mut client = client.max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for _ in 0..TASK_PAGES {
        let asked = ListTasksRequest {
            page_size: 500,
            page_token,
            ..ListTasksRequest::default()
        };
        let page = client.list_tasks(request(asked)).await?.into_inner();
        found.extend(
            page.tasks
                .iter()
                .filter(|task| task.workspace == root)
                .map(past_task),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn past_task(task: &Task) -> PastTask {
    let failure = (task.state() == TaskState::Failed).then(|| {
        task.error
            .as_ref()
            .map(|error| error.reason.clone())
            .unwrap_or_default()
    });
    PastTask {
        kind: task.kind.clone(),
        is_completed: task.state() == TaskState::Completed,
        failure,
        attempts: task.attempts,
    }
}

async fn sessions(channel: &Channel, root: &str) -> Result<Vec<PastSession>, Status> {
    let client = CheckpointServiceClient::new(channel.clone());
    let mut client = client.max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut signals = SignalServiceClient::new(channel.clone());
    let asked = ListSessionsRequest {
        project: root.to_owned(),
        page_size: SESSIONS,
        ..ListSessionsRequest::default()
    };
    let listed = client.list_sessions(request(asked)).await?.into_inner();
    let mut found = Vec::with_capacity(listed.sessions.len());
    for session in listed.sessions {
        let mut past = PastSession::default();
        let newest = session.head_number;
        for number in newest.saturating_sub(CHECKPOINTS) + 1..=newest {
            let asked = GetCheckpointRequest {
                session_id: session.id.clone(),
                number,
                ..GetCheckpointRequest::default()
            };
            // One that was thinned or is damaged says nothing.
            if let Ok(answer) = client.get_checkpoint(request(asked)).await {
                let state = answer.into_inner().state.unwrap_or_default();
                past.next_steps.extend(state.next_steps);
            }
        }
        past.death = death(&session, &mut signals).await;
        found.push(past);
    }
    Ok(found)
}

async fn death(session: &Session, signals: &mut SignalServiceClient<Channel>) -> Option<Death> {
    let interruption = session.interruption.as_ref()?;
    let asked = ListSignalHistoryRequest {
        session_id: session.id.clone(),
        page_size: 1,
        ..ListSignalHistoryRequest::default()
    };
    let newest = signals.list_signal_history(request(asked)).await.ok();
    let newest = newest.and_then(|answer| answer.into_inner().records.pop());
    let tokens = newest
        .and_then(|record| record.signals?.estimated_tokens)
        .unwrap_or(0);
    Some(Death {
        cause: words::interruption_cause(interruption.cause()).to_owned(),
        tokens,
        task: session.current_task.clone(),
    })
}
