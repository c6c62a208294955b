//! `shim tasks results`: the merged result of a job; before its end, of the parts that have completed.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{
    AggregateResultsRequest, AggregateResultsResponse, MergeStrategy, MissingResult,
};
use shim_render::text::one_line;

use super::find::find;
use super::labels::{Merging, label, state};
use super::show::result_text;
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::say;

/// Whose results.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The result goes to stdout; what is missing, cut or kept in files is told on stderr.\n\
    Exit code: 0 if every part is in it, 1 if some are missing."
)]
pub(crate) struct Args {
    /// The task: an id, its last eight digits, or JOB/KEY for a subtask
    task: String,
    /// How the parts become one [default: as submitted]
    #[arg(long, value_enum)]
    merge: Option<Merging>,
    /// Print canonical proto JSON (an AggregateResultsResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let task_id = find(&mut service, &args.task).await?.task_id;
    let merge = args.merge.map_or(MergeStrategy::Unspecified, Into::into);
    let merged = merged(&mut service, task_id, merge).await?;
    print(&merged, args.json, out)?;
    Ok(if merged.complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Asks for the merged result of a job.
pub(super) async fn merged(
    service: &mut Coordination,
    task_id: String,
    merge: MergeStrategy,
) -> Result<AggregateResultsResponse, CliError> {
    let asked = AggregateResultsRequest {
        task_id,
        merge: merge.into(),
    };
    Ok(call(service.tasks.aggregate_results(request(asked))).await?)
}

/// Prints the result, and on stderr what belongs to it and is not in it.
pub(super) fn print(
    merged: &AggregateResultsResponse,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if as_json {
        return json::write_line(out, merged);
    }
    if let Some(result) = &merged.result {
        let text = result_text(result);
        if !text.is_empty() {
            writeln!(out, "{}", text.trim_end())?;
        }
        out.flush()?;
        if result.truncated {
            say::line(format_args!("note: the result was longer and is cut here"));
        }
        for denial in &result.denials {
            eprintln!("denied: {}", one_line(denial, 500));
        }
        for remark in &result.remarks {
            eprintln!("note: {}", one_line(remark, 1_024));
        }
        for artifact in &result.artifacts {
            say::line(format_args!("artifact: {}", one_line(artifact, 4_096)));
        }
    }
    for part in &merged.missing {
        say::line(format_args!("{}", missing(part)));
    }
    if !merged.complete && merged.missing.is_empty() {
        let task = merged.task.clone().unwrap_or_default();
        say::line(format_args!(
            "no result yet: the task is {}",
            state(task.state())
        ));
    }
    Ok(())
}

fn missing(part: &MissingResult) -> String {
    let name = label(&part.key, &part.task_id);
    let why = match &part.error {
        Some(error) => format!(
            ": {} ({})",
            one_line(&error.message, 500),
            one_line(&error.reason, 100)
        ),
        None => String::new(),
    };
    format!("missing: {name}, {}{why}", state(part.state()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::coordination::v1::{TaskError, TaskState};

    #[test]
    fn a_missing_part_is_told_with_its_reason() {
        let mut part = MissingResult {
            key: "docs".into(),
            state: TaskState::Failed.into(),
            error: Some(TaskError {
                reason: "TIMED_OUT".into(),
                message: "5 min".into(),
            }),
            ..MissingResult::default()
        };
        assert_eq!(missing(&part), "missing: docs, failed: 5 min (TIMED_OUT)");
        (part.state, part.error) = (TaskState::Running.into(), None);
        assert_eq!(missing(&part), "missing: docs, running");
    }
}
