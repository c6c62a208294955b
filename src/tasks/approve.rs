//! `shim tasks approve`: approves or rejects the start or the result of a task that waits for it.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{ApproveTaskRequest, Task, TaskState};
use shim_render::text::short_id;

use super::find::find;
use super::labels::state;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::remedies::Placeholder;

/// What is decided.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task: an id, its last eight digits, or JOB/KEY for a subtask
    task: String,
    /// Turn it down: a start is called off, a result is failed for good
    #[arg(long)]
    reject: bool,
    /// Why
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Print canonical proto JSON (an ApproveTaskResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let task_id = find(&mut service, &args.task).await?.task_id;
    let approve = ApproveTaskRequest {
        request_id: request_id(),
        task_id: task_id.clone(),
        reject: args.reject,
        reason: args.reason.clone(),
    };
    let answer = call(service.tasks.approve_task(request(approve))).await;
    let answer =
        answer.map_err(|status| CliError::from(status).about(Placeholder::Task, &task_id))?;
    emit(args.json, &answer, out, |out| {
        let decided = if args.reject { "rejected" } else { "approved" };
        let now = state(
            answer
                .task
                .as_ref()
                .map_or(TaskState::Unspecified, Task::state),
        );
        writeln!(out, "{} {decided}, now {now}", short_id(&task_id))
    })
}
