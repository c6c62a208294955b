//! `shim tasks prune`: forgets jobs that ended long ago, and removes the files of output of that age in this data folder.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use shim_exec::Artifacts;
use shim_proto::coordination::v1::{PruneTasksRequest, PruneTasksResponse};
use shim_render::figures::{bytes, count};

use crate::config::Config;
use crate::connection::{self, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::say;
use crate::output::time::proto_duration;

/// What to forget.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Jobs that have not ended stay. Ended ones go by themselves after tasks.keep; those that hold dead letters \
    stay\nuntil they are retried, unless --dead-letters is given."
)]
pub(crate) struct Args {
    /// Forget jobs that ended longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Forget those, too, that hold dead letters
    #[arg(long)]
    dead_letters: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Print canonical proto JSON (a PruneTasksResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let pruned = jobs(args, config).await?;
    let code = emit(args.json, &pruned, out, |out| print(args, &pruned, out))?;
    let folder = &config.worker.artifacts;
    let files = Artifacts::of_age(folder, args.older_than, !args.dry_run);
    if files.number > 0 {
        let verb = if args.dry_run {
            "would remove"
        } else {
            "removed"
        };
        say::line(format_args!(
            "{verb} {} of output ({}) in {}",
            count(files.number, "file"),
            bytes(files.bytes),
            folder.display()
        ));
    }
    Ok(code)
}

/// All of them, step by step. A step that only counts is no step further, so its sum is the least.
async fn jobs(args: &Args, config: &Config) -> Result<PruneTasksResponse, CliError> {
    let mut service = connection::coordination(config).await?;
    let mut sum = PruneTasksResponse::default();
    loop {
        let step = PruneTasksRequest {
            request_id: request_id(),
            older_than: Some(proto_duration(args.older_than)?),
            dead_letters: args.dead_letters,
            dry_run: args.dry_run,
        };
        let step = call(service.tasks.prune_tasks(request(step))).await?;
        sum.jobs += step.jobs;
        sum.tasks += step.tasks;
        sum.dead_letters += step.dead_letters;
        sum.has_more = step.has_more;
        if args.dry_run || !step.has_more {
            return Ok(sum);
        }
    }
}

fn print(args: &Args, pruned: &PruneTasksResponse, out: &mut dyn Write) -> io::Result<()> {
    let verb = match (args.dry_run, pruned.has_more) {
        (true, true) => "would forget at least",
        (true, false) => "would forget",
        (false, _) => "forgot",
    };
    let jobs = count(pruned.jobs, "job");
    let tasks = count(pruned.tasks, "task");
    let letters = match pruned.dead_letters {
        0 => String::new(),
        letters => format!(", {} among them", count(letters, "dead letter")),
    };
    writeln!(out, "{verb} {jobs} of {tasks}{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::printed;

    #[test]
    fn what_went_is_told_apart_from_what_would_go() {
        let mut args = Args {
            older_than: Duration::ZERO,
            dead_letters: true,
            dry_run: false,
            json: false,
        };
        let mut pruned = PruneTasksResponse {
            jobs: 2,
            tasks: 9,
            dead_letters: 1,
            has_more: false,
        };
        let text =
            |args: &Args, pruned: &PruneTasksResponse| printed(|out| print(args, pruned, out));
        assert_eq!(
            text(&args, &pruned),
            "forgot 2 jobs of 9 tasks, 1 dead letter among them\n"
        );
        (args.dry_run, pruned.has_more, pruned.dead_letters) = (true, true, 0);
        assert_eq!(
            text(&args, &pruned),
            "would forget at least 2 jobs of 9 tasks\n"
        );
    }
}
