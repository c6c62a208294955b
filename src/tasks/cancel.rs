//! `shim tasks cancel`: calls off tasks and the tasks that depend on them.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::CancelTaskRequest;
use shim_render::figures::count;
use shim_render::text::short_id;

use super::find::find;
use super::labels::state;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// What to call off.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tasks: a job, JOB/KEY for a subtask, or a schedule
    #[arg(required = true)]
    tasks: Vec<String>,
    /// Why, for those who worked on it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Print canonical proto JSON, a line for each (a CancelTaskResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    for typed in &args.tasks {
        let task = find(&mut service, typed).await?;
        let cancel = CancelTaskRequest {
            request_id: request_id(),
            task_id: task.task_id.clone(),
            reason: args.reason.clone(),
        };
        let answer = call(service.tasks.cancel_task(request(cancel))).await?;
        let id = short_id(&task.task_id);
        emit(args.json, &answer, out, |out| match answer.cancelled {
            0 => {
                let ended = answer.task.as_ref().unwrap_or(&task).state();
                writeln!(out, "{id} had ended before: {}", state(ended))
            }
            number => writeln!(out, "{id} called off: {}", count(number.into(), "task")),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
