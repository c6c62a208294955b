//! What Claude Code's hooks tell, through the real program: `shim hook` with the client's JSON against a real stack, without
//! one, and where nothing is as it should be.

mod observed;
mod trouble;
mod worker_windows;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::{
    GetObservationRequest, ListSessionsRequest, ObservedState, Session,
};
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::stack::StackState;
use shim_tests::binary;
use shim_tests::temp_env::TempEnv;

/// A machine under load is slow, but not this slow.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// The client's own id of the conversation.
const CONVERSATION: &str = "6f1d2c3b-0000-4000-8000-00000000c0de";

/// The program as the client starts it for a hook.
fn command(temp: &TempEnv) -> Command {
    let mut command = Command::new(binary::shim());
    command
        .arg("hook")
        .env("SHIM_DATA_DIR", temp.data_dir())
        .env("CLAUDE_PID", std::process::id().to_string())
        .env_remove("SHIM_CONFIG")
        .current_dir(temp.project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The JSON of a hook, as the client writes it.
fn input(temp: &TempEnv, hook: &str, more: &Value) -> Vec<u8> {
    let mut fields = json!({
        "session_id": CONVERSATION, "transcript_path": "/nowhere/transcript.jsonl", "cwd": temp.project(),
        "hook_event_name": hook, "prompt_id": "p1", "permission_mode": "default",
    });
    fields
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fields.to_string().into_bytes()
}

/// Runs the program with this input to its end.
fn run(command: &mut Command, input: &[u8]) -> Output {
    use std::io::Write;
    let mut child = command.spawn().unwrap();
    // It may end without reading all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs a hook, which must end well and say nothing to a person; returns what it says to the client.
fn hook(temp: &TempEnv, name: &str, more: &Value) -> Option<Value> {
    hook_of(&mut command(temp), temp, name, more)
}

fn hook_of(command: &mut Command, temp: &TempEnv, name: &str, more: &Value) -> Option<Value> {
    let output = run(command, &input(temp, name, more));
    said(name, &output)
}

fn said(what: &str, output: &Output) -> Option<Value> {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.is_empty(),
        "{what}: {output:?}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())
}

/// Starts the stack and waits until it serves.
fn up(temp: &TempEnv) {
    let mut up = Command::new(binary::shim());
    up.arg("--data-dir")
        .arg(temp.data_dir())
        .args(["up", "--detach"]);
    // Nobody sends the heartbeats of a window here.
    up.env("SHIM_REGISTRY_DEAD_AFTER", "5m");
    let up = up.output().unwrap();
    assert!(up.status.success(), "{up:?}");
}

fn channel(temp: &TempEnv) -> Channel {
    connect(&Endpoint::Unix(temp.stack().socket()), None).unwrap()
}

/// Tries again and again until there is an answer.
async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(POLL).await;
    }
}

fn is_running(temp: &TempEnv) -> bool {
    matches!(temp.stack().state(), StackState::Running(_))
}

/// The only session, and what was observed of it; `None` while there is none.
async fn observed(temp: &TempEnv) -> Option<(Session, ObservedState)> {
    let listed = CheckpointServiceClient::new(channel(temp))
        .list_sessions(ListSessionsRequest::default())
        .await
        .ok()?
        .into_inner();
    let session = listed.sessions.into_iter().next()?;
    let asked = GetObservationRequest {
        session_id: session.id.clone(),
        event_count: 0,
    };
    let answer = ObservationServiceClient::new(channel(temp))
        .get_observation(asked)
        .await;
    Some((session, answer.ok()?.into_inner().state?))
}

/// What the spool holds, in bytes.
fn spooled(temp: &TempEnv) -> u64 {
    let entries = std::fs::read_dir(temp.data_dir().join("hook-spool"));
    let files = entries.into_iter().flatten().flatten();
    files
        .map(|file| file.metadata().map_or(0, |meta| meta.len()))
        .sum()
}

fn journal(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("hook.log")).unwrap_or_default()
}
