//! `action=submit`: a job with its parts, or one that SHIM splits by itself.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::coordination::v1::{
    ListWorkersRequest, Requirements, SubmitTaskRequest, SubmitTaskResponse, Subtask, Task,
    TaskState, WorkerKind,
};
use shim_proto::reasons::BAD_REQUEST;
use shim_render::tasks::next_runs;
use shim_render::text::cut;
use shim_render::time::rfc3339;
use shim_runtime::free_form;

use super::choices;
use super::files::{Files, tell_unmatched};
use super::parent::{self, ParentTask};
use super::refusals::{missing_task, to_error};
use super::status::parts;
use crate::arguments::Arguments;
use crate::render::brief::{self, Facts, Known};
use crate::render::phrases;
use crate::render::tasks;
use crate::render::workers::WorkerNames;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let here = &call.gateway.client_context.project.name;
    let files = Files::locate(call, here).await?;
    let wanted = call.arguments.text("session_id");
    let owned = call
        .gateway
        .sessions
        .acquire(wanted, here, &call.client)
        .await?;
    let session_id = owned.session_id;
    let unmatched = files.unmatched.clone();
    let mut request = request(&call.arguments, files);
    request.submitted_by.clone_from(&session_id);
    let parent = ParentTask::of(call, &session_id)
        .await
        .map_err(|error| error.about(session_id.as_str()))?;
    let (submitted, workers) =
        tokio::join!(parent::submit(call, request, parent), has_workers(call));
    let submitted = submitted.map_err(|status| {
        let error = to_error(status).about(session_id.as_str());
        rename_fields(error)
    })?;
    let mut answer = answer(&submitted, workers, &session_id)?;
    tell_unmatched(&mut answer, unmatched);
    Ok(answer)
}

fn request(arguments: &Arguments, files: Files) -> SubmitTaskRequest {
    let subtasks = arguments.records("subtasks");
    let subtasks = subtasks.iter().zip(files.of_subtasks);
    SubmitTaskRequest {
        request_id: request_id(),
        goal: arguments.text_or_empty("goal"),
        kind: arguments.text_or_empty("kind"),
        subtasks: subtasks.map(|(part, files)| subtask(part, files)).collect(),
        files: files.of_job,
        steps: arguments.texts("steps"),
        split: choices::split(arguments.text("split")).into(),
        requirements: requirements(arguments),
        payload: arguments.object("payload").and_then(free_form::from_json),
        priority: integer(arguments, "priority"),
        delay: span(arguments, "delay_seconds"),
        schedule: arguments.text_or_empty("schedule"),
        deadline: deadline(arguments),
        max_attempts: integer(arguments, "max_attempts"),
        backoff: None,
        timeout: span(arguments, "timeout_seconds"),
        max_budget: arguments.number("max_budget"),
        on_failure: choices::failure_policy(arguments.text("on_failure")).into(),
        merge: choices::merge(arguments.text("merge")).into(),
        strategy: choices::strategy(arguments.text("strategy")).into(),
        approval: choices::approval(arguments.text("approval")),
        workspace: files.workspace,
        submitted_by: String::new(),
        overlap: choices::overlap(arguments.text("overlap")).into(),
        parent_id: String::new(),
    }
}

fn subtask(part: &Arguments, files: Vec<String>) -> Subtask {
    Subtask {
        key: part.text_or_empty("id"),
        goal: part.text_or_empty("goal"),
        kind: part.text_or_empty("kind"),
        depends_on: part.texts("after"),
        files,
        requirements: requirements(part),
        payload: part.object("payload").and_then(free_form::from_json),
        priority: integer(part, "priority"),
        weight: part.number("weight").unwrap_or_default(),
        timeout: span(part, "timeout_seconds"),
        max_budget: part.number("max_budget"),
        approval: choices::approval(part.text("approval")),
    }
}

fn requirements(arguments: &Arguments) -> Option<Requirements> {
    let executor = match arguments.text("executor") {
        Some("chat") => WorkerKind::Chat,
        Some("agent") => WorkerKind::Agent,
        Some("command") => WorkerKind::Command,
        Some("analysis") => WorkerKind::Analysis,
        _ => WorkerKind::Unspecified,
    };
    let given = arguments.has("executor") || arguments.has("requirements");
    given.then(|| Requirements {
        executor: executor.into(),
        capabilities: arguments.texts("requirements"),
    })
}

fn integer(arguments: &Arguments, name: &str) -> u32 {
    let number = arguments.integer(name).unwrap_or_default();
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn span(arguments: &Arguments, name: &str) -> Option<prost_types::Duration> {
    let seconds = Duration::from_secs(arguments.integer(name)?);
    seconds.try_into().ok()
}

fn deadline(arguments: &Arguments) -> Option<Timestamp> {
    let seconds = Duration::from_secs(arguments.integer("deadline_seconds")?);
    Some(Timestamp::from(SystemTime::now() + seconds))
}

/// Whether any worker lives; `None` if that cannot be known now.
async fn has_workers(call: &ToolCall) -> Option<bool> {
    let request = ListWorkersRequest {
        page_size: 1,
        ..ListWorkersRequest::default()
    };
    let found = call.gateway.services.try_list_workers(request).await.ok()?;
    Some(!found.workers.is_empty())
}

/// The service's names of fields as this tool's arguments have them.
fn rename_fields(mut error: ToolError) -> ToolError {
    for (field, _) in &mut error.fields {
        *field = field
            .replace("requirements.capabilities", "requirements")
            .replace("requirements.executor", "executor")
            .replace("depends_on", "after")
            .replace(".key", ".id")
            .replace("parent_id", "parent_task_id")
            .replace("].path", "]");
        if let Some(name) = ["delay", "deadline", "timeout"]
            .iter()
            .find(|name| field.ends_with(**name))
        {
            *field = field.replace(name, &format!("{name}_seconds"));
        }
    }
    if &*error.reason == BAD_REQUEST {
        return error.next_step("correct the arguments named and submit again; nothing was done");
    }
    error
}

fn answer(
    submitted: &SubmitTaskResponse,
    workers: Option<bool>,
    session_id: &str,
) -> Result<ToolOutput, ToolError> {
    let task = submitted.task.as_ref().ok_or_else(missing_task)?;
    let names = WorkerNames::default();
    let mut text = tasks::task("Submitted: ", task, &names);
    if !submitted.reasoning.is_empty() {
        text.quote(&cut(&submitted.reasoning, 2_000));
    }
    if !submitted.next_runs.is_empty() {
        text.line(format!("Next runs: {}", next_runs(&submitted.next_runs)));
    }
    for note in &submitted.notes {
        phrases::write_field(&mut text, "Note", note, 2_000);
    }
    text.append(&tasks::table(&submitted.subtasks, &names));
    let waits = |task: &Task| task.state() == TaskState::AwaitingApproval;
    let is_gated = waits(task) || submitted.subtasks.iter().any(waits);
    let facts = facts(submitted, brief::task(task, &Known { session_id }), &names);
    let answer = ToolOutput::new(text, facts, next_step(is_gated, workers));
    Ok(answer.with_session(session_id))
}

fn next_step(is_gated: bool, workers: Option<bool>) -> &'static str {
    match (is_gated, workers) {
        (true, _) => {
            "what is awaiting_approval waits for the user; action=approve with its task_id lets it start"
        }
        (_, Some(false)) => {
            "no worker lives now, so it waits: other windows become workers with shim_worker_task \
             action=claim, and the user can start headless ones (`shim workers start --help` tells how). \
             action=wait with the task_id tells what happens"
        }
        _ => {
            "action=wait with the task_id tells what happens; action=results gathers the results when it has ended"
        }
    }
}

fn facts(submitted: &SubmitTaskResponse, task: Value, names: &WorkerNames) -> Facts {
    let runs = submitted.next_runs.iter();
    let runs: Vec<String> = runs.map(|run| rfc3339(Some(run))).collect();
    parts(Facts::new().set("task", task), &submitted.subtasks, names)
        .set_some("reasoning", submitted.reasoning.as_str())
        .set_some("next_runs", runs)
        .set_some("notes", submitted.notes.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_refuses_is_named_as_it_was_given() {
        let fields = [
            ("subtasks[2].depends_on[0]", "subtasks[2].after[0]"),
            ("subtasks[0].key", "subtasks[0].id"),
            ("subtasks[1].timeout", "subtasks[1].timeout_seconds"),
            ("requirements.capabilities[3]", "requirements[3]"),
            ("files[4].path", "files[4]"),
            ("delay", "delay_seconds"),
            ("parent_id", "parent_task_id"),
            ("goal", "goal"),
        ];
        let given = fields.map(|(field, _)| (field.to_owned(), "r".to_owned()));
        let error = ToolError::new(BAD_REQUEST, "m").with_fields(given.to_vec());
        let names: Vec<_> = rename_fields(error)
            .fields
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(names, fields.map(|(_, name)| name));
    }
}
