//! `shim tasks pause` and `shim tasks resume`: nobody gets a task of paused queues, whichever program paused them.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{PauseQueuesRequest, ResumeQueuesRequest};
use shim_render::text::one_line;

use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// A name in BullMQ is shorter.
const NAME_WIDTH: usize = 200;

/// Which queues.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queues, by their names in `shim tasks health` [default: all there are]
    queues: Vec<String>,
    /// Print canonical proto JSON (a PauseQueuesResponse or ResumeQueuesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(
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
        print(
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

pub(super) async fn resume(
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
        print(
            &answer.queues,
            &answer.changed,
            ["resumed", "not paused"],
            out,
        )
    })
}

/// Prints the queues that changed and those that were so before, a line for each kind, with its words before it.
fn print(
    queues: &[String],
    changed: &[String],
    [now, before]: [&str; 2],
    out: &mut dyn Write,
) -> io::Result<()> {
    let (new, old): (Vec<&String>, Vec<&String>) =
        queues.iter().partition(|name| changed.contains(name));
    for (words, names) in [(now, new), (before, old)] {
        if !names.is_empty() {
            let names: Vec<String> = names
                .iter()
                .map(|name| one_line(name, NAME_WIDTH))
                .collect();
            writeln!(out, "{words}: {}", names.join(", "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::printed;

    #[test]
    fn what_changed_is_told_apart_from_what_was_so_before() {
        let queues = ["work", "work.agent"].map(str::to_owned);
        let words = ["paused", "paused before"];
        let text = |changed: &[String]| printed(|out| print(&queues, changed, words, out));
        assert_eq!(
            text(&queues[..1]),
            "paused: work\npaused before: work.agent\n"
        );
        assert_eq!(text(&queues), "paused: work, work.agent\n");
        assert_eq!(text(&[]), "paused before: work, work.agent\n");
    }
}
