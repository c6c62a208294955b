//! `shim tasks pause`: nobody gets a task of these queues until `shim tasks resume`.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::PauseQueuesRequest;

use super::queue_changes;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// What to pause.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queues, by their names in `shim tasks health` [default: all there are]
    queues: Vec<String>,
    /// Print canonical proto JSON (a PauseQueuesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let pause = PauseQueuesRequest {
        request_id: request_id(),
        queues: args.queues.clone(),
    };
    let answer = call(service.tasks.pause_queues(request(pause))).await?;
    emit(args.json, &answer, out, |out| {
        queue_changes::print(
            &answer.queues,
            &answer.changed,
            ["paused", "paused before"],
            out,
        )?;
        writeln!(
            out,
            "what runs goes on; `shim tasks resume` lets the queues go on"
        )
    })
}
