//! `shim tasks retry`: starts failed and cancelled tasks anew, with all their attempts.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::RetryTaskRequest;
use shim_render::figures::count;
use shim_render::text::short_id;

use super::find::find;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::remedies::Placeholder;

/// What to take up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tasks: a job for all its parts that failed or were called off, or JOB/KEY for one
    #[arg(required = true)]
    tasks: Vec<String>,
    /// Print canonical proto JSON, a line for each (a RetryTaskResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    for typed in &args.tasks {
        let task_id = find(&mut service, typed).await?.task_id;
        let retry = RetryTaskRequest {
            request_id: request_id(),
            task_id: task_id.clone(),
        };
        let answer = call(service.tasks.retry_task(request(retry))).await;
        let answer =
            answer.map_err(|status| CliError::from(status).about(Placeholder::Task, &task_id))?;
        emit(args.json, &answer, out, |out| {
            let (id, tasks) = (short_id(&task_id), count(answer.retried.into(), "task"));
            writeln!(out, "{id} goes on: {tasks} taken up again")
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
