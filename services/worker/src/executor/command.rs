//! `command`: an allow-listed program. It reads the task as JSON, and what it prints is the result.

use futures::TryFutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use shim_proto::coordination::v1::TaskResult;
use shim_runtime::free_form;
use tokio_util::sync::CancellationToken;

use super::child::{ExitCause, Run, RunError, RunOutput};
use super::program::Program;
use super::progress_lines::ProgressLines;
use super::{
    AttemptFailure, AttemptOutcome, ClaimedTask, EXECUTOR_FAILED, Executor, ProgressHandle,
    ProgressUpdate, TIMED_OUT, prompt,
};

const MAX_ARGS: usize = 100;
const MAX_ARG_BYTES: usize = 8 * 1024;
/// A note is a line for people.
pub(super) const MAX_NOTE_BYTES: usize = 200;

/// The executor.
pub(super) struct Command {
    program: Program,
}

impl Command {
    pub(super) fn new(program: Program) -> Self {
        Self { program }
    }

    async fn attempt(&self, run: Run<'_>) -> Result<AttemptOutcome, RunError> {
        let config = &self.program.config;
        let extras = Extras::of(run.claim, config.allow_args)?;
        let args = config.args.iter().cloned().chain(extras.args);
        let input = extras.stdin.unwrap_or_else(|| prompt::as_json(run.claim));
        let mut progress_lines = ProgressLines::default();
        let on_line = |line: &[u8]| {
            run.progress.update(ProgressUpdate {
                note: progress_lines.push(line),
                ..ProgressUpdate::default()
            });
            false
        };
        let ended = run.execute(args, input.into_bytes(), on_line).await?;
        Ok(outcome_of(ended).await?)
    }
}

impl Executor for Command {
    fn check_runnable(&self) -> Result<(), String> {
        self.program.find().map(drop)
    }

    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        let run = Run {
            program: &self.program,
            claim,
            progress,
            stop,
        };
        Box::pin(self.attempt(run).unwrap_or_else(AttemptOutcome::from))
    }
}

async fn outcome_of(mut ended: RunOutput) -> Result<AttemptOutcome, AttemptFailure> {
    let status = match ended.end {
        ExitCause::Stopped => return Ok(AttemptOutcome::Stopped),
        ExitCause::TimedOut => return Err(timed_out(&mut ended)),
        ExitCause::Exited(status) => Some(status),
        ExitCause::Lingered => None,
    };
    if let Some(status) = status.filter(|status| !status.success()) {
        return Err(failed(&mut ended, status));
    }
    let (text, truncated) = ended.stdout.text();
    let artifacts = ended.stdout.artifact().await;
    let data = serde_json::from_str::<Map<String, Value>>(&text).ok();
    Ok(AttemptOutcome::Completed(TaskResult {
        data: data.as_ref().and_then(free_form::from_json),
        text,
        artifacts: artifacts.map(display_path).into_iter().collect(),
        truncated,
        exit_code: status.and_then(|status| status.code()),
    }))
}

pub(super) fn display_path(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// What a program said last before its time was up tells most.
pub(super) fn timed_out(ended: &mut RunOutput) -> AttemptFailure {
    AttemptFailure::new(TIMED_OUT, &with_output("its time was up", ended))
}

/// A program that was killed broke; one that exits with a code says that it could not do the task.
pub(super) fn failed(ended: &mut RunOutput, status: std::process::ExitStatus) -> AttemptFailure {
    AttemptFailure {
        is_crash: status.code().is_none(),
        ..AttemptFailure::new(EXECUTOR_FAILED, &with_output(&status.to_string(), ended))
    }
}

/// With what it wrote to stderr, or else to stdout.
fn with_output(what: &str, ended: &mut RunOutput) -> String {
    let output = if ended.stderr.is_empty() {
        ended.stdout.text().0
    } else {
        ended.stderr.text().0
    };
    match output.trim() {
        "" => what.to_owned(),
        output => format!("{what}\n{output}"),
    }
}

/// What a payload may bring if the configuration allows it.
#[derive(Default)]
struct Extras {
    args: Vec<String>,
    stdin: Option<String>,
}

impl Extras {
    fn of(claim: &ClaimedTask, is_allowed: bool) -> Result<Self, AttemptFailure> {
        let payload = claim.task.payload.as_ref().map(free_form::to_json);
        let mut payload = payload.unwrap_or_default();
        let (args, stdin) = (payload.remove("args"), payload.remove("stdin"));
        if args.is_none() && stdin.is_none() {
            return Ok(Self::default());
        }
        if !is_allowed {
            let message = "args, stdin: this executor takes none from tasks (allow_args is off)";
            return Err(AttemptFailure::not_allowed(message));
        }
        let stdin = match stdin {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => return Err(AttemptFailure::not_allowed("stdin: must be a text")),
        };
        Ok(Self {
            args: arguments(args)?,
            stdin,
        })
    }
}

fn arguments(given: Option<Value>) -> Result<Vec<String>, AttemptFailure> {
    let is_argument = |arg: &String| arg.len() <= MAX_ARG_BYTES && !arg.contains('\0');
    let args: Option<Vec<String>> = match given {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(given) => serde_json::from_value(given).ok(),
    };
    args.filter(|args| args.len() <= MAX_ARGS && args.iter().all(is_argument))
        .ok_or_else(|| {
            AttemptFailure::not_allowed(&format!(
                "args: must be at most {MAX_ARGS} texts of {MAX_ARG_BYTES} bytes without NUL"
            ))
        })
}
