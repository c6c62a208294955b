//! Who lives and who owns what: clients that die behind a pipe that stays open, machines that sleep, gateways that are
//! started again, and readers who only look.

mod client_death;
mod looking;
mod reconnecting;
mod sleeping;
mod tool_remedies;

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{GetSessionRequest, Session, SessionStatus};
use shim_runtime::client::{Endpoint, connect};
use shim_tests::binary;
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::temp_env::TempEnv;

pub(super) const SAVE: &str = "shim_auto_checkpoint";
const RECOVER: &str = "shim_check_recovery";
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// For what comes a moment later, on a busy machine.
const MAX_POLLS: usize = 600;

pub(super) fn save_arguments(task: &str) -> Value {
    json!({"current_task": task, "progress": 0.5, "next_steps": ["go on"]})
}

/// Saves to the gateway's own session and returns the answer's facts.
pub(super) async fn save(gateway: &mut Gateway, task: &str) -> Value {
    shim_tests::mcp::tool_output(gateway.call(SAVE, save_arguments(task)).await)
}

pub(super) fn session_id(saved: &Value) -> String {
    saved["session_id"].as_str().unwrap().to_owned()
}

/// A session as the stack of the folder knows it.
pub(super) async fn session(temp: &TempEnv, id: &str) -> Session {
    let endpoint = Endpoint::Unix(temp.stack().socket());
    let mut client = CheckpointServiceClient::new(connect(&endpoint, None).unwrap());
    let request = GetSessionRequest {
        session_id: id.into(),
    };
    let answer = client.get_session(request).await.unwrap().into_inner();
    answer.session.unwrap()
}

/// Waits until the session has this status.
pub(super) async fn until(temp: &TempEnv, id: &str, status: SessionStatus) -> Session {
    for _ in 0..MAX_POLLS {
        let session = session(temp, id).await;
        if session.status() == status {
            return session;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!(
        "session {id} is not {status:?}: {:?}",
        session(temp, id).await
    );
}

/// A window of one conversation, as Claude Code names it.
fn conversation(temp: &TempEnv, name: &str) -> GatewayLaunch {
    GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_env("CLAUDE_CODE_SESSION_ID", name)
}

/// Runs `shim` on the stack of the folder.
async fn shim(temp: &TempEnv, words: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(binary::shim());
    command
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(words)
        .current_dir(temp.project())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    ended.expect("the command ends").unwrap()
}
