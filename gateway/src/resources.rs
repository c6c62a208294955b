//! Sessions, checkpoints, tasks and workers as resources, read from the service as they are now, as JSON.
//!
//! Listing never fails and never calls a service: Claude Desktop lists at every start, with or without a stack.

use rmcp::model::{
    CacheScope, ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetSessionRequest, ListCheckpointsRequest};
use shim_proto::coordination::v1::{GetTaskRequest, ListWorkersRequest};
use shim_render::text::{json as shown_json, line, name};
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

use crate::arguments::Named;
use crate::gateway::Gateway;
use crate::render::json;
use crate::short_ids;

const JSON: &str = "application/json";
const SCHEME: &str = "shim://";
const WORKERS: &str = "shim://workers";
/// Checkpoints shown with a session.
const HISTORY: i32 = 20;
const MAX_WORKERS: i32 = 200;

/// The sessions this process holds, and the workers if there can be any: what is listed can be read.
pub(crate) fn list(gateway: &Gateway) -> Vec<Resource> {
    let leased = gateway.sessions.leased_ids().into_iter();
    let sessions = leased.map(|id| {
        Resource::new(format!("shim://sessions/{id}"), format!("session {id}"))
            .with_title("A session of this client")
            .with_description("Its status and newest checkpoints.")
            .with_mime_type(JSON)
    });
    let workers = gateway.services.has_coordination().then(|| {
        Resource::new(WORKERS, "workers")
            .with_title("The living workers")
            .with_description("Who can work now: capabilities, load, state and health.")
            .with_mime_type(JSON)
    });
    sessions.chain(workers).collect()
}

/// The forms a resource's address can have.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    [
        (
            "shim://sessions/{id}",
            "session",
            "A session: status, owner, risk and its newest checkpoints.",
        ),
        (
            "shim://checkpoints/{id}",
            "checkpoint",
            "A checkpoint with all it holds, verified against its hash.",
        ),
        (
            "shim://tasks/{id}",
            "task",
            "A shared task: state, progress, result, and its parts.",
        ),
    ]
    .into_iter()
    .map(|(uri, name, about)| {
        ResourceTemplate::new(uri, name)
            .with_description(about)
            .with_mime_type(JSON)
    })
    .collect()
}

/// Reads one resource.
pub(crate) async fn read(gateway: &Gateway, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let path = uri.strip_prefix(SCHEME).unwrap_or_default();
    let value = match path.split_once('/') {
        Some(("sessions", id)) => {
            session(gateway, whole(gateway, Named::Session, uri, id).await?).await
        }
        Some(("checkpoints", id)) => {
            checkpoint(gateway, whole(gateway, Named::Checkpoint, uri, id).await?).await
        }
        Some(("tasks", id)) => task(gateway, whole(gateway, Named::Task, uri, id).await?).await,
        None if uri == WORKERS => workers(gateway).await,
        _ => {
            return Err(not_found(
                uri,
                "there is no such kind of resource; see resources/templates/list",
            ));
        }
    };
    let value = value.map_err(|status| failure(uri, &status))?;
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    let contents = ResourceContents::text(shown_json(&text).into_owned(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private))
}

async fn session(gateway: &Gateway, id: String) -> Result<Value, Status> {
    let history = ListCheckpointsRequest {
        session_id: id.clone(),
        page_size: HISTORY,
        page_token: String::new(),
    };
    let (session, history) = tokio::try_join!(
        gateway
            .services
            .get_session(GetSessionRequest { session_id: id }),
        gateway.services.list_checkpoints(history),
    )?;
    Ok(json!({
        "session": session.session.as_ref().map(json::session),
        "checkpoints": history.checkpoints.iter().map(json::checkpoint).collect::<Vec<_>>(),
    }))
}

async fn checkpoint(gateway: &Gateway, id: String) -> Result<Value, Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: id,
        ..Default::default()
    };
    let found = gateway.services.get_checkpoint(request).await?;
    Ok(json!({
        "checkpoint": found.checkpoint.as_ref().map(json::checkpoint),
        "state": found.state.as_ref().map(json::state),
    }))
}

async fn task(gateway: &Gateway, id: String) -> Result<Value, Status> {
    let request = GetTaskRequest {
        task_id: id,
        with_subtasks: true,
    };
    let found = gateway.services.get_task(request).await?;
    Ok(json!({
        "task": found.task.as_ref().map(json::task),
        "subtasks": found.subtasks.iter().map(json::subtask).collect::<Vec<_>>(),
    }))
}

async fn workers(gateway: &Gateway) -> Result<Value, Status> {
    let request = ListWorkersRequest {
        page_size: MAX_WORKERS,
        ..ListWorkersRequest::default()
    };
    let page = gateway.services.list_workers(request).await?;
    Ok(json!({
        "workers": page.workers.iter().map(json::worker).collect::<Vec<_>>(),
        "has_more": !page.next_page_token.is_empty(),
    }))
}

/// The whole id of what the end of an address names.
async fn whole(gateway: &Gateway, of: Named, uri: &str, id: &str) -> Result<String, ErrorData> {
    let found = short_ids::in_words(gateway, of, id).await;
    found.map_err(|why| not_found(uri, &why))
}

fn not_found(uri: &str, why: &str) -> ErrorData {
    let shown = name(uri, 200);
    ErrorData::resource_not_found(
        format!("no resource {shown}: {}", line(why)),
        Some(json!({"uri": shown})),
    )
}

fn failure(uri: &str, status: &Status) -> ErrorData {
    let decoded = decode(status);
    match status.code() {
        // Without a coordination service there is nothing at that address.
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => {
            not_found(uri, &decoded.explanation())
        }
        _ => {
            ErrorData::internal_error(decoded.to_string(), Some(json!({"reason": decoded.reason})))
        }
    }
}
