//! `shim tasks resume`: paused queues go on, whichever program paused them.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::ResumeQueuesRequest;

use super::queue_changes;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// What to let go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queues, by their names in `shim tasks health` [default: all there are]
    queues: Vec<String>,
    /// Print canonical proto JSON (a ResumeQueuesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let resume = ResumeQueuesRequest {
        request_id: request_id(),
        queues: args.queues.clone(),
    };
    let answer = call(service.tasks.resume_queues(request(resume))).await?;
    emit(args.json, &answer, out, |out| {
        queue_changes::print(
            &answer.queues,
            &answer.changed,
            ["resumed", "not paused"],
            out,
        )
    })
}
