//! `action=register`: the session becomes a worker, or says anew what it can do.

use shim_proto::checkpoint::v1::ClientInfo;
use shim_proto::coordination::v1::{RegisterWorkerRequest, Worker, WorkerKind, WorkerProcesses};

use shim_proto::limits::worker::{MAX_NAME_BYTES, MAX_VERSION_BYTES};

use shim_render::page::Page;
use shim_render::text::name as name_of;
use shim_runtime::worker_processes;

use crate::config::clipped;
use crate::render::brief::{self, Facts};
use crate::services::request_id;
use crate::sessions::OwnedSession;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    call.gateway.services.require_coordination()?;
    let owned = session(call).await?;
    let worker = register(call, &owned, call.arguments.texts("capabilities")).await?;
    let facts = Facts::new().set("worker", brief::worker(&worker));
    let answer = ToolOutput::new(render(&worker), facts, "action=claim waits for a task");
    Ok(answer.with_session(owned.session_id))
}

/// The session that works, opened or adopted if need be.
pub(super) async fn session(call: &ToolCall) -> Result<OwnedSession, ToolError> {
    let here = &call.gateway.client_context.project.name;
    let wanted = call.arguments.text("session_id");
    call.gateway
        .sessions
        .acquire(wanted, here, &call.client)
        .await
}

/// Makes the session a worker that takes one task at a time.
pub(super) async fn register(
    call: &ToolCall,
    owned: &OwnedSession,
    capabilities: Vec<String>,
) -> Result<Worker, ToolError> {
    let here = &call.gateway.client_context.project.name;
    let request = RegisterWorkerRequest {
        request_id: request_id(),
        worker_id: owned.session_id.clone(),
        name: name(&call.client, owned.project.as_ref().unwrap_or(here)),
        kind: WorkerKind::Chat.into(),
        capabilities,
        capacity: 1,
        node: call.client.hostname.clone(),
        version: clipped(&call.client.version, MAX_VERSION_BYTES),
        session_id: owned.session_id.clone(),
        processes: processes(&call.client),
    };
    let registered = call.gateway.workers.register(request).await;
    registered.map_err(|status| ToolError::from(status).about(owned.session_id.as_str()))
}

/// The processes that the worker lives in. Another gateway of a client that names its conversation can go on with the session,
/// so the worker of such a client ends with the client, too; any other ends with this gateway.
fn processes(client: &ClientInfo) -> Option<WorkerProcesses> {
    let is_continued = !client.conversation.is_empty();
    let window = client.client_process.filter(|_| is_continued);
    worker_processes::of(client.gateway_process.into_iter().chain(window))
}

/// What people call it: the client and the project's folder.
fn name(client: &ClientInfo, project: &str) -> String {
    let folder = project.rsplit('/').next().unwrap_or_default();
    let client = match client.name.as_str() {
        "" => "a client",
        name => name,
    };
    clipped(&format!("{client} in {folder}"), MAX_NAME_BYTES)
}

fn render(worker: &Worker) -> Page {
    let capabilities = match worker.capabilities.as_slice() {
        [] => "no capabilities".to_owned(),
        some => some.join(", "),
    };
    Page::of(format!(
        "Registered as worker {} with {capabilities}. Its worker_id is the session_id. It counts as alive while this process runs \
         and holds the session. Messages to it or to its capabilities come as notices of the next calls.",
        name_of(&worker.name, MAX_NAME_BYTES),
    ))
}

#[cfg(test)]
mod tests {
    use shim_runtime::process;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_worker_outlives_its_gateway_only_in_a_client_that_names_its_conversation() {
        let mut client = ClientInfo {
            gateway_process: Some(process::own()),
            client_process: process::parent(),
            ..ClientInfo::default()
        };
        let count = |client: &ClientInfo| processes(client).map(|told| told.processes.len());
        assert_eq!(count(&client), Some(1));
        client.conversation = "a conversation".to_owned();
        assert_eq!(count(&client), Some(2));
        client.client_process = None;
        assert_eq!(count(&client), Some(1));
        client.gateway_process = None;
        assert_eq!(count(&client), None);
    }
}
