//! `command`: an allow-listed program. It reads the task as JSON, and what it prints is the result.

use std::time::{Duration, Instant};

use serde_json::Value;
use shim_exec::{ExitCause, ProgressLines, RunOutput};
use shim_proto::coordination::v1::TaskResult;
use shim_runtime::free_form;
use shim_runtime::json_text::{LossKind, losses};
use shim_work::{AttemptFailure, AttemptOutcome, ClaimedTask, ProgressUpdate};

use super::not_executed::{End, is_executors_fault};
use super::program::{Program, ProgramRun};
use super::program_executor::ProgramKind;
use super::prompt;
use super::run_error::{RunError, failed, last_output, not_executable, timed_out};

const MAX_ARGS: usize = 100;
const MAX_ARG_BYTES: usize = 8 * 1024;
/// Names that a program's JSON gives twice, as far as they are told.
const MAX_REPEATED: usize = 5;

/// The kind `command`.
pub(super) struct Command {
    program: Program,
}

impl Command {
    pub(super) fn new(program: Program) -> Self {
        Self { program }
    }
}

impl ProgramKind for Command {
    fn program(&self) -> &Program {
        &self.program
    }

    async fn attempt<'a>(&'a self, run: ProgramRun<'a>) -> Result<AttemptOutcome, RunError> {
        let config = &self.program.config;
        let extras = Extras::of(run.claim, config.allow_args)?;
        let brought = extras.texts();
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
        let started = Instant::now();
        let ended = run.execute(args, input.into_bytes(), on_line).await?;
        let limit = self.program.limits(&run.claim.task).timeout;
        Ok(outcome_of(ended, limit, started.elapsed(), &brought).await?)
    }
}

/// How a run ended within its limit. What a task brought with it may be what cannot be executed.
async fn outcome_of(
    mut ended: RunOutput,
    limit: Duration,
    ran_for: Duration,
    brought: &[String],
) -> Result<AttemptOutcome, AttemptFailure> {
    let status = match ended.end {
        ExitCause::Stopped => return Ok(AttemptOutcome::Stopped),
        ExitCause::TimedOut => return Err(timed_out(&mut ended, limit)),
        ExitCause::Exited(status) => Some(status),
        ExitCause::Lingered => None,
    };
    if let Some(status) = status.filter(|status| !status.success()) {
        let end = End {
            code: status.code().unwrap_or_default(),
            ran_for,
            words: &last_output(&mut ended),
            brought,
        };
        if is_executors_fault(end) {
            return Ok(not_executable(&mut ended, status));
        }
        return Err(failed(&mut ended, status));
    }
    let (text, truncated) = ended.stdout.text();
    let artifact = ended.stdout.artifact().await;
    let artifacts = artifact.map(|path| path.display().to_string());
    let data = free_form::from_foreign_text(&text);
    Ok(AttemptOutcome::Completed(TaskResult {
        remarks: data.as_ref().map(|_| repeated(&text)).unwrap_or_default(),
        data,
        text,
        artifacts: artifacts.into_iter().collect(),
        truncated,
        exit_code: status.and_then(|status| status.code()),
        ..TaskResult::default()
    }))
}

/// The names that a program's JSON object gives twice: its data has the last value of each.
fn repeated(text: &str) -> Vec<String> {
    let repeated = losses(text.as_bytes()).into_iter();
    let repeated = repeated.filter(|loss| loss.kind == LossKind::Repeated);
    let remarks = repeated.map(|loss| {
        format!(
            "{} is given twice in its JSON; the last one counts",
            loss.place
        )
    });
    remarks.take(MAX_REPEATED).collect()
}

/// What a payload may add if the configuration allows it.
#[derive(Default)]
struct Extras {
    args: Vec<String>,
    stdin: Option<String>,
}

impl Extras {
    /// All that the task brought.
    fn texts(&self) -> Vec<String> {
        self.args.iter().chain(&self.stdin).cloned().collect()
    }

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
