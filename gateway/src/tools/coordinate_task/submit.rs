//! `action=submit`: a job with its parts, or one that SHIM splits by itself.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde_json::json;
use shim_proto::coordination::v1::{
    FileHint, ListWorkersRequest, Requirements, SubmitTaskRequest, SubmitTaskResponse, Subtask,
    Task, TaskState, WorkerKind,
};
use shim_runtime::fault::BAD_REQUEST;
use shim_runtime::free_form;

use super::super::{Answer, Call};
use super::{incomplete, refused, without_task};
use crate::arguments::Arguments;
use crate::board;
use crate::evidence;
use crate::facts;
use crate::problem::Problem;
use crate::roster::Names;
use crate::services::request_id;
use crate::wording;
use crate::workspaces::Place;

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    let here = &call.gateway.surroundings.project.name;
    let files = Files::locate(call, here).await?;
    let wanted = call.arguments.text("session_id");
    let owned = call
        .gateway
        .sessions
        .claim(wanted, here, &call.client)
        .await?;
    let session_id = owned.session_id;
    let mut request = request(&call.arguments, files);
    request.submitted_by.clone_from(&session_id);
    let (submitted, workers) = tokio::join!(
        call.gateway.services.submit_task(request),
        are_there_workers(call)
    );
    let submitted = submitted.map_err(|status| {
        let problem = refused(status).about(session_id.as_str());
        renamed(problem)
    })?;
    Ok(answer(&submitted, workers)?.of_session(session_id))
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
        split: wording::split(arguments.text("split")).into(),
        requirements: requirements(arguments),
        payload: arguments.object("payload").and_then(free_form::from_json),
        priority: whole(arguments, "priority"),
        delay: span(arguments, "delay_seconds"),
        schedule: arguments.text_or_empty("schedule"),
        deadline: deadline(arguments),
        max_attempts: whole(arguments, "max_attempts"),
        backoff: None,
        timeout: span(arguments, "timeout_seconds"),
        on_failure: wording::failure_policy(arguments.text("on_failure")).into(),
        merge: wording::merge(arguments.text("merge")).into(),
        strategy: wording::strategy(arguments.text("strategy")).into(),
        approval: wording::approval(arguments.text("approval")),
        workspace: files.workspace,
        submitted_by: String::new(),
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
        priority: whole(part, "priority"),
        weight: part.number("weight").unwrap_or_default(),
        timeout: span(part, "timeout_seconds"),
        approval: wording::approval(part.text("approval")),
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

fn whole(arguments: &Arguments, name: &str) -> u32 {
    let number = arguments.whole(name).unwrap_or_default();
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn span(arguments: &Arguments, name: &str) -> Option<prost_types::Duration> {
    let seconds = Duration::from_secs(arguments.whole(name)?);
    seconds.try_into().ok()
}

fn deadline(arguments: &Arguments) -> Option<Timestamp> {
    let seconds = Duration::from_secs(arguments.whole("deadline_seconds")?);
    Some(Timestamp::from(SystemTime::now() + seconds))
}

/// The files of a job and of its parts, as the services know them.
#[derive(Default)]
struct Files {
    workspace: String,
    of_job: Vec<FileHint>,
    of_subtasks: Vec<Vec<String>>,
}

impl Files {
    /// Finds every file's place; all that have none are named at once.
    async fn locate(call: &Call, project: &str) -> Result<Self, Problem> {
        let typed = call.arguments.texts("files");
        let parts = call.arguments.records("subtasks");
        let of_parts: Vec<_> = parts.iter().map(|part| part.texts("files")).collect();
        let all = typed.iter().chain(of_parts.iter().flatten());
        let all: Vec<_> = all.map(String::as_str).collect();
        if all.is_empty() {
            let of_subtasks = of_parts;
            return Ok(Self {
                of_subtasks,
                ..Self::default()
            });
        }
        let Some(place) = Place::of_files(&call.gateway, project, &all).await else {
            let rule =
                "has no place: this client has no project folder, so files need absolute paths"
                    .to_owned();
            return Err(incomplete("submit", vec![("files".to_owned(), rule)]));
        };
        let mut misplaced = Vec::new();
        let mut located = |typed: &[String], field: &str| -> Vec<String> {
            let places = typed.iter().enumerate().map(|(index, path)| {
                place.locate(path).unwrap_or_else(|rule| {
                    misplaced.push((format!("{field}[{index}]"), rule));
                    String::new()
                })
            });
            places.collect()
        };
        let paths = located(&typed, "files");
        let of_subtasks = of_parts
            .iter()
            .enumerate()
            .map(|(part, files)| located(files, &format!("subtasks[{part}].files")))
            .collect();
        if !misplaced.is_empty() {
            return Err(incomplete("submit", misplaced));
        }
        let sizes = evidence::sizes_of_files(place.workspace.root.clone(), paths.clone()).await;
        let hint = |(path, size_bytes)| FileHint { path, size_bytes };
        Ok(Self {
            workspace: place.workspace.name,
            of_job: paths.into_iter().zip(sizes).map(hint).collect(),
            of_subtasks,
        })
    }
}

/// `None` if that cannot be known now.
async fn are_there_workers(call: &Call) -> Option<bool> {
    let request = ListWorkersRequest {
        page_size: 1,
        ..ListWorkersRequest::default()
    };
    let found = call.gateway.services.look_at_workers(request).await.ok()?;
    Some(!found.workers.is_empty())
}

/// The service's names of fields as this tool's arguments have them.
fn renamed(mut problem: Problem) -> Problem {
    for (field, _) in &mut problem.fields {
        *field = field
            .replace("requirements.capabilities", "requirements")
            .replace("requirements.executor", "executor")
            .replace("depends_on", "after")
            .replace(".key", ".id")
            .replace("].path", "]");
        if let Some(name) = ["delay", "deadline", "timeout"]
            .iter()
            .find(|name| field.ends_with(**name))
        {
            *field = field.replace(name, &format!("{name}_seconds"));
        }
    }
    if &*problem.reason == BAD_REQUEST {
        return problem.next_step("correct the arguments named and submit again; nothing was done");
    }
    problem
}

fn answer(submitted: &SubmitTaskResponse, workers: Option<bool>) -> Result<Answer, Problem> {
    let task = submitted.task.as_ref().ok_or_else(without_task)?;
    let names = Names::default();
    let mut text = format!("Submitted: {}", board::task(task, &names));
    if !submitted.reasoning.is_empty() {
        text.push_str(&format!(
            "\n{}",
            wording::quoted(&submitted.reasoning, 2_000)
        ));
    }
    text.push_str(&board::table(&submitted.subtasks, &names));
    let waits = |task: &Task| task.state() == TaskState::AwaitingApproval;
    let is_gated = waits(task) || submitted.subtasks.iter().any(waits);
    text.push_str(match (is_gated, workers) {
        (true, _) => {
            "\nNext: what is awaiting_approval waits for the user; action=approve with its task_id lets it start."
        }
        (_, Some(false)) => {
            "\nNext: no worker lives now, so it waits: other windows become workers with shim_worker_task \
             action=claim, and the user can start headless ones with `shim workers start`. action=wait with the \
             task_id tells what happens."
        }
        _ => {
            "\nNext: action=wait with the task_id tells what happens; action=results gathers the results when it has \
             ended."
        }
    });
    let rows = board::rows(&submitted.subtasks);
    let facts = json!({
        "task": facts::task(task),
        "subtasks": rows.iter().map(|part| facts::subtask(part)).collect::<Vec<_>>(),
        "more_subtasks": submitted.subtasks.len() - rows.len(),
        "reasoning": submitted.reasoning,
    });
    Ok(Answer::new(text, facts))
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
            ("goal", "goal"),
        ];
        let given = fields.map(|(field, _)| (field.to_owned(), "r".to_owned()));
        let problem = Problem::new(BAD_REQUEST, "m").with_fields(given.to_vec());
        let told: Vec<_> = renamed(problem)
            .fields
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(told, fields.map(|(_, name)| name));
    }
}
