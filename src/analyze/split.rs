//! `shim analyze --split`: the linters' work as a job of parts over the workers.

use serde_json::{Map, Value, json};
use shim_proto::coordination::v1::{SubmitTaskRequest, WatchTaskResponse};
use shim_proto::evolution::v1::{AnalyzeWorkflowRequest, Progress};
use shim_render::text::name;
use shim_runtime::free_form;

use crate::config::Config;
use crate::connection::{self, request_id};
use crate::error::CliError;
use crate::evolve::progress::ProgressLine;
use crate::tasks::own_job::run_job;

/// Analyzes in parts. The evolution service then knows the answer, if the task that analyzed the whole was done by it.
///
/// # Errors
/// If the job does not complete, or is interrupted.
pub(super) async fn over_workers(
    asked: &AnalyzeWorkflowRequest,
    parts: u32,
    config: &Config,
) -> Result<(), CliError> {
    let mut service = connection::coordination(config).await?;
    let submit = SubmitTaskRequest {
        request_id: request_id(),
        goal: format!("Analyze {}", name(&asked.path, 300)),
        kind: "analyze".to_owned(),
        payload: free_form::from_json(&payload(asked, parts)),
        workspace: asked.path.clone(),
        ..SubmitTaskRequest::default()
    };
    let mut progress = ProgressLine::new();
    let mut tell = |response: &WatchTaskResponse| progress.tell(&told(response));
    run_job(&mut service, submit, &mut tell).await?;
    progress.clear();
    Ok(())
}

fn payload(asked: &AnalyzeWorkflowRequest, parts: u32) -> Map<String, Value> {
    let mut payload = Map::new();
    payload.insert("path".to_owned(), json!(asked.path));
    payload.insert("parts".to_owned(), json!(parts));
    if !asked.include.is_empty() {
        payload.insert("include".to_owned(), json!(asked.include));
    }
    if asked.limit > 0 {
        payload.insert("limit".to_owned(), json!(asked.limit));
    }
    payload
}

/// An event of a job as progress of the analysis.
fn told(response: &WatchTaskResponse) -> Progress {
    let key = response.task.as_ref().map_or("", |task| task.key.as_str());
    let detail = response.event.as_ref().map(|event| event.detail.clone());
    Progress {
        stage: if key.is_empty() { "job" } else { key }.to_owned(),
        text: detail.unwrap_or_default(),
        ..Progress::default()
    }
}
