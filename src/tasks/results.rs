//! `shim tasks results`: the merged result of a job; before its end, of the parts that have completed.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use shim_proto::coordination::v1::{
    AggregateResultsRequest, AggregateResultsResponse, MergeStrategy, MissingResult,
};
use shim_render::text::{name, one_line};

use super::find::find;
use super::labels::{Merging, label, state};
use super::show::print_result;
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::{json, lines, say};

/// Whose results.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The result goes to stdout; what is missing, cut or kept in files is told on stderr.\n\
    At a terminal and in a pipe each line of a result stands behind \"> \", so that none can pass for one of SHIM's;\n\
    in a file, and with --raw, it is as it was given.\n\
    Exit code: 0 if every part is in it, 1 if some are missing."
)]
pub(crate) struct Args {
    /// The task: an id, its last eight digits, or JOB/KEY for a subtask
    task: String,
    /// How the parts become one [default: as submitted]
    #[arg(long, value_enum)]
    merge: Option<Merging>,
    /// Print the text as it was given, unless it goes to a file anyhow
    #[arg(long, conflicts_with = "json")]
    raw: bool,
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
    let face = match args {
        Args { json: true, .. } => Face::Json,
        Args { raw: true, .. } => Face::Raw,
        _ if stdout_is_file() => Face::Raw,
        _ => Face::Lines,
    };
    print(&merged, face, out)?;
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

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// For people: each line of a text is set off.
    Lines,
    /// The text as it is, for a file or a program.
    Raw,
    /// As canonical proto JSON.
    Json,
}

/// Whether the standard output goes to a file, in which no line of ours stands.
fn stdout_is_file() -> bool {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    let metadata = stdout.and_then(|stdout| File::from(stdout).metadata());
    metadata.is_ok_and(|metadata| metadata.is_file())
}

/// Prints the result, and on stderr what belongs to it and is not in it.
pub(super) fn print(
    merged: &AggregateResultsResponse,
    face: Face,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if face == Face::Json {
        return json::write_line(out, merged);
    }
    if let Some(result) = &merged.result {
        match face {
            Face::Raw if !result.text.is_empty() => lines::raw(out, result.text.trim_end())?,
            _ => print_result(result, out)?,
        }
        out.flush()?;
        if result.truncated {
            say::line(format_args!("note: the result was longer and is cut here"));
        }
        for denial in &result.denials {
            say::line(format_args!("denied: {}", one_line(denial, 500)));
        }
        for remark in &result.remarks {
            say::line(format_args!("note: {}", one_line(remark, 1_024)));
        }
        for artifact in &result.artifacts {
            say::line(format_args!("artifact: {}", name(artifact, 4_096)));
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
    let name = one_line(&label(&part.key, &part.task_id), 200);
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
