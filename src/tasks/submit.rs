//! `shim tasks submit`: submits a job; with `--wait`, watches it and prints its result.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{
    MergeStrategy, SubmitTaskRequest, SubmitTaskResponse, Task, TaskState,
};
use shim_proto::reasons;
use shim_render::figures::count;
use shim_render::tasks::next_runs;
use shim_render::text::{one_line, short_id, title};
use shim_runtime::service_error::decode;
use tonic::Status;

use super::find::{find, find_if_any};
use super::job::Job;
use super::labels::{name, state};
use super::submit_args::{Args, Parent};
use super::{results, watch};
use crate::config::Config;
use crate::connection::{self, Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::say;
use crate::sessions;

const LISTED: usize = 20;
const GOAL_WIDTH: usize = 72;

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    // Wrong arguments end the command before it starts a stack.
    let mut submit = args.request(config)?;
    if let Some(typed) = args.notify() {
        let mut checkpoints = connection::checkpoints(config).await?;
        submit.submitted_by = sessions::find_reader(&mut checkpoints, typed).await?.id;
    }
    let patterns = patterns(&submit);
    let mut service = connection::coordination(config).await?;
    let parent = args.parent(|name| std::env::var(name).ok());
    let submitted = submit_below(&mut service, submit, parent).await?;
    emit(args.json, &submitted, out, |out| print(&submitted, out))?;
    args.tell_unmatched(config, &patterns, out)?;
    if !args.wait {
        if !args.json {
            print_parts(&submitted, out)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    out.flush()?;
    wait(&mut service, submitted, args.json, out).await
}

/// The patterns of the files of a job and of its parts.
fn patterns(submit: &SubmitTaskRequest) -> Vec<String> {
    let of_job = submit.files.iter().map(|file| &file.path);
    let of_parts = submit.subtasks.iter().flat_map(|part| &part.files);
    of_job.chain(of_parts).cloned().collect()
}

/// Submits a job on behalf of a task.
async fn submit_below(
    service: &mut Coordination,
    mut submit: SubmitTaskRequest,
    parent: Parent,
) -> Result<SubmitTaskResponse, CliError> {
    match parent {
        Parent::Nobody => {}
        Parent::Typed(typed) => submit.parent_id = find(service, &typed).await?.task_id,
        Parent::OfProgram(typed) => return submit_of_program(service, submit, &typed).await,
    }
    Ok(call(service.tasks.submit_task(request(submit))).await?)
}

/// Submits a job on behalf of the task whose program this is, or on nobody's if it is none of this stack.
async fn submit_of_program(
    service: &mut Coordination,
    mut submit: SubmitTaskRequest,
    typed: &str,
) -> Result<SubmitTaskResponse, CliError> {
    let found = find_if_any(service, typed).await;
    let found = found.map_err(|failure| failure.while_doing("SHIM_TASK_ID"))?;
    if let Some(parent) = found {
        let below = SubmitTaskRequest {
            parent_id: parent.task_id,
            ..submit.clone()
        };
        match call(service.tasks.submit_task(request(below))).await {
            // It was forgotten in between.
            Err(status) if is_unknown_parent(&status) => submit.request_id = request_id(),
            answer => return Ok(answer?),
        }
    }
    say::line(format_args!(
        "note: SHIM_TASK_ID names no task of this stack ({}); submitted on nobody's behalf",
        one_line(typed, 100)
    ));
    Ok(call(service.tasks.submit_task(request(submit))).await?)
}

/// Whether a submission was refused for its parent alone: it is no task here, or no id.
fn is_unknown_parent(status: &Status) -> bool {
    let refused = decode(status);
    let parent_alone =
        matches!(refused.violations.as_slice(), [(field, _)] if field == "parent_id");
    refused.reason == reasons::TASK_NOT_FOUND || parent_alone
}

async fn wait(
    service: &mut Coordination,
    submitted: SubmitTaskResponse,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let job = Job {
        root: submitted.task.unwrap_or_default(),
        subtasks: submitted.subtasks,
    };
    let mode = if as_json {
        watch::OutputMode::Silent
    } else {
        watch::OutputMode::for_stdout()
    };
    let ended = watch::until_end(service, job, mode, "", out).await?;
    if ended.state() != TaskState::Completed && !as_json {
        watch::print_next_step(&ended, out)?;
    }
    let id = ended.task_id.clone();
    let merged = results::merged(service, id, MergeStrategy::Unspecified).await?;
    let face = match as_json {
        true => results::Face::Json,
        false => results::Face::Lines,
    };
    results::print(&merged, face, out)?;
    Ok(watch::exit_code(&ended))
}

pub(super) fn print(submitted: &SubmitTaskResponse, out: &mut dyn Write) -> io::Result<()> {
    let unknown = Task::default();
    let job = submitted.task.as_ref().unwrap_or(&unknown);
    let (id, subtasks) = (short_id(&job.task_id), &submitted.subtasks);
    let parts = match subtasks.len() as u64 {
        0 => String::new(),
        number => format!(", {}", count(number, "subtask")),
    };
    writeln!(out, "job {id} submitted: {}{parts}", state(job.state()))?;
    if !submitted.reasoning.is_empty() {
        writeln!(out, "  > {}", one_line(&submitted.reasoning, 1_000))?;
    }
    if !submitted.next_runs.is_empty() {
        writeln!(out, "  next runs: {}", next_runs(&submitted.next_runs))?;
    }
    for note in &submitted.notes {
        writeln!(out, "  note: {}", one_line(note, 1_000))?;
    }
    if !job.parent_id.is_empty() {
        let parent = short_id(&job.parent_id);
        writeln!(out, "  on behalf of task {parent}, at depth {}", job.depth)?;
    }
    Ok(())
}

/// The subtasks of a new job. With --wait the watch shows them.
pub(super) fn print_parts(submitted: &SubmitTaskResponse, out: &mut dyn Write) -> io::Result<()> {
    let subtasks = &submitted.subtasks;
    for task in subtasks.iter().take(LISTED) {
        let goal = one_line(&task.goal, GOAL_WIDTH);
        let name = title(&name(task), GOAL_WIDTH);
        writeln!(out, "  {name}  {}  {goal}", state(task.state()))?;
    }
    if subtasks.len() > LISTED {
        writeln!(out, "  and {} more", subtasks.len() - LISTED)?;
    }
    let id = submitted.task.as_ref().map_or("", |job| &job.task_id);
    writeln!(out, "watch it with `shim tasks watch {}`", short_id(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_parent_that_is_none_here_is_left_out() {
        let refused = |field: &str| {
            let mut fields = shim_runtime::fields::Fields::default();
            fields.refuse(field, "is wrong");
            fields.finish().err().unwrap_or_else(|| Status::ok(""))
        };
        assert!(is_unknown_parent(&refused("parent_id")));
        assert!(!is_unknown_parent(&refused("goal")));
        assert!(!is_unknown_parent(&Status::unavailable("away")));
    }
}
