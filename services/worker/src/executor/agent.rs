//! `agent`: a headless agent such as `claude -p`. It reads a prompt, writes what it does as stream-json, and its last
//! message is the result.

use std::time::SystemTime;

use serde_json::{Map, Value};
use shim_exec::{ExitCause, RunOutput, clipped};
use shim_proto::coordination::v1::{Task, TaskResult};
use shim_proto::limits::task::{MAX_REMARK_BYTES, MAX_RESULT_DATA_BYTES};
use shim_proto::reasons::task::{BUDGET_EXHAUSTED, NOT_ALLOWED};
use shim_runtime::{free_form, redact};
use shim_work::{AttemptFailure, AttemptOutcome, ClaimedTask};
use uuid::Uuid;

use super::claude_args::{self, Conversation, Freedom, budget_args};
use super::conversations::Kept;
use super::program::{Program, ProgramRun};
use super::program_executor::ProgramKind;
use super::prompt;
use super::run_error::RunError;
use super::transcript::Transcript;
use super::verdict::{Completed, Ending, ProgramEnd, Verdict, verdict};

/// The arguments that make `claude` write stream-json, unless others are configured.
const USUAL_ARGS: [&str; 4] = ["-p", "--output-format", "stream-json", "--verbose"];

/// A part of the words in the place of what is left out of a text.
const LEFT_OUT: &str = " bytes left out ...]";

/// US dollars below which nothing can be done.
const NOTHING: f64 = 1e-6;

/// The kind `agent`.
pub(super) struct Agent {
    program: Program,
    freedom: Freedom,
}

/// How an attempt is made.
struct Plan {
    /// The conversation, where the worker decides about it.
    conversation: Option<Conversation>,
    /// US dollars that are left for it.
    budget: Option<f64>,
}

/// What a run of the program left.
struct Ended {
    transcript: Transcript,
    output: RunOutput,
    /// It was ended because the API will not answer.
    gave_up: bool,
}

impl Agent {
    pub(super) fn new(mut program: Program) -> Self {
        if program.config.args.is_empty() {
            program.config.args = USUAL_ARGS.map(str::to_owned).to_vec();
        }
        let freedom = Freedom::of(&program.config.args);
        if freedom.is_claude() {
            program.variables.push(claude_args::MAX_RETRIES);
        }
        Self { program, freedom }
    }

    async fn plan(&self, claim: &ClaimedTask) -> Result<Plan, AttemptFailure> {
        let budget = self.budget(&claim.task)?;
        let conversation = match self.program.config.resume && self.freedom.takes_conversation() {
            true => Some(self.conversation(claim).await?),
            false => None,
        };
        Ok(Plan {
            conversation,
            budget,
        })
    }

    /// US dollars that a task may still cost; `None` for no bound.
    fn budget(&self, task: &Task) -> Result<Option<f64>, AttemptFailure> {
        let Some(budget) = task.max_budget else {
            return Ok(None);
        };
        if !self.freedom.takes_budget() {
            // Not final: another worker may keep it.
            let message = "max_budget: this agent cannot be told of it, since its args are not those of claude -p --output-format \
                           stream-json, or name a budget of their own";
            return Err(AttemptFailure::new(NOT_ALLOWED, message));
        }
        let spent = task.usage.map_or(0.0, |usage| usage.cost_usd);
        match budget - spent {
            left if left > NOTHING => Ok(Some(left)),
            _ => {
                let message = format!(
                    "max_budget: {spent:.2} of {budget:.2} US$ are spent; submit the rest of the work as a task of its own"
                );
                Err(AttemptFailure {
                    is_final: true,
                    ..AttemptFailure::new(BUDGET_EXHAUSTED, &message)
                })
            }
        }
    }

    /// The conversation of an earlier attempt here, or a new one.
    async fn conversation(&self, claim: &ClaimedTask) -> Result<Conversation, AttemptFailure> {
        let folder = self.program.folder(&claim.task)?;
        let (name, task) = (&self.program.config.name, claim.claim_ref.task_id);
        let conversations = &self.program.context.conversations;
        Ok(match conversations.find(name, task, &folder).await {
            Some(earlier) => Conversation::Earlier(earlier),
            None => {
                let kept = Kept {
                    conversation: Uuid::new_v4(),
                    folder,
                };
                conversations.keep(name, task, &kept).await;
                Conversation::New(kept.conversation)
            }
        })
    }

    async fn forget(&self, claim: &ClaimedTask) {
        let (name, task) = (&self.program.config.name, claim.claim_ref.task_id);
        self.program.context.conversations.forget(name, task).await;
    }

    /// One run of the program. It is ended early if the API will not answer.
    async fn once(&self, run: &ProgramRun<'_>, plan: &Plan) -> Result<Ended, RunError> {
        let given = plan.conversation.map(Conversation::args);
        let budget = plan.budget.map(budget_args);
        let configured = self.program.config.args.iter().cloned();
        let args = configured.chain([given, budget].into_iter().flatten().flatten());
        let input = match plan.conversation {
            Some(Conversation::Earlier(_)) => prompt::to_go_on(run.claim),
            _ => prompt::as_text(run.claim),
        };
        let end_early = run.stop.child_token();
        let mut transcript = Transcript::default();
        let on_line = |line: &[u8]| {
            run.progress.update(transcript.push(line));
            if transcript.is_hopeless() {
                end_early.cancel();
            }
            transcript.is_over()
        };
        let stoppable = ProgramRun {
            stop: &end_early,
            ..*run
        };
        let output = stoppable.execute(args, input.into_bytes(), on_line).await?;
        run.progress.update(transcript.unknown_rest());
        Ok(Ended {
            gave_up: output.end == ExitCause::Stopped && !run.stop.is_cancelled(),
            transcript,
            output,
        })
    }

    async fn outcome_of(&self, run: &ProgramRun<'_>, plan: &Plan, ended: Ended) -> AttemptOutcome {
        let Ended {
            transcript,
            output: mut ended,
            gave_up,
        } = ended;
        let stderr = ended.stderr.text().0;
        let ending = Ending {
            program: match gave_up {
                true => ProgramEnd::GaveUp,
                false => self.program_end(run, ended.end),
            },
            stderr: &stderr,
            fail_on_denial: self.program.config.fail_on_denial,
            now: SystemTime::now(),
        };
        match verdict(transcript, &ending) {
            Verdict::Completed(completed) => {
                self.forget(run.claim).await;
                AttemptOutcome::Completed(self.result(run, ended, completed).await)
            }
            Verdict::Failed(mut failure) => {
                if failure.is_final {
                    self.forget(run.claim).await;
                } else if let Some(conversation) = plan.conversation {
                    failure.append(&format!("\nits conversation: {}", conversation.id()));
                }
                if let Some(path) = ended.stdout.artifact().await {
                    failure.append(&format!("\nall that it wrote: {}", path.display()));
                }
                AttemptOutcome::Failed(failure)
            }
            Verdict::Unfit(unfit) => AttemptOutcome::Unfit(unfit),
            Verdict::Stopped => AttemptOutcome::Stopped,
        }
    }

    fn program_end(&self, run: &ProgramRun<'_>, cause: ExitCause) -> ProgramEnd {
        match cause {
            ExitCause::Exited(status) => match status.code() {
                Some(code) => ProgramEnd::Exited(code),
                None => ProgramEnd::Signalled(status.to_string()),
            },
            ExitCause::Lingered => ProgramEnd::Lingered,
            ExitCause::TimedOut => {
                ProgramEnd::TimedOut(self.program.limits(&run.claim.task).timeout)
            }
            ExitCause::Stopped => ProgramEnd::Stopped,
        }
    }

    /// The result within its bound; the whole of a longer text is a file, and so is a long transcript.
    async fn result(
        &self,
        run: &ProgramRun<'_>,
        mut ended: RunOutput,
        completed: Completed,
    ) -> TaskResult {
        let whole = redact::text(&completed.text);
        let (text, truncated) = clipped(&whole, self.program.max_output());
        let mut artifacts = Vec::new();
        // What its line lost already stands in the transcript alone.
        if truncated && !whole.contains(LEFT_OUT) {
            let mut file = self.program.output(run.claim, "result", 0);
            file.push(whole.as_bytes()).await;
            file.end().await;
            artifacts.extend(file.artifact().await.map(|path| path.display().to_string()));
        }
        let transcript = ended.stdout.artifact().await;
        artifacts.extend(transcript.map(|path| path.display().to_string()));
        let line = |line: &String| {
            let mut line = redact::text(line).into_owned();
            line.truncate(line.floor_char_boundary(MAX_REMARK_BYTES));
            line
        };
        let has_data = completed.data.is_some();
        let data = completed.data.filter(fits);
        let data = data.as_ref().map(free_form::from_foreign_json);
        let is_data_lost = has_data && data.is_none();
        TaskResult {
            text,
            data,
            artifacts,
            truncated: truncated || is_data_lost,
            exit_code: match ended.end {
                ExitCause::Exited(status) => status.code(),
                _ => None,
            },
            denials: completed.denials.iter().map(line).collect(),
            remarks: completed.remarks.iter().map(line).collect(),
        }
    }
}

/// Whether data is as small as the contract has it; more of it stands in the transcript alone.
fn fits(data: &Map<String, Value>) -> bool {
    serde_json::to_string(data).is_ok_and(|text| text.len() <= MAX_RESULT_DATA_BYTES)
}

impl ProgramKind for Agent {
    fn program(&self) -> &Program {
        &self.program
    }

    async fn attempt<'a>(&'a self, run: ProgramRun<'a>) -> Result<AttemptOutcome, RunError> {
        let mut plan = self.plan(run.claim).await?;
        let mut ended = self.once(&run, &plan).await?;
        let is_earlier = matches!(plan.conversation, Some(Conversation::Earlier(_)));
        if is_earlier && ended.transcript.has_no_conversation() {
            // It was killed before it wrote anything, or its files were removed.
            self.forget(run.claim).await;
            plan = self.plan(run.claim).await?;
            ended = self.once(&run, &plan).await?;
        }
        Ok(self.outcome_of(&run, &plan, ended).await)
    }
}
