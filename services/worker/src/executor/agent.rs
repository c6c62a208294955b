//! `agent`: a headless agent such as `claude -p`. It reads a prompt, writes what it does as stream-json, and its last
//! message is the result.

use shim_exec::{ExitCause, RunOutput, clipped};
use shim_proto::coordination::v1::TaskResult;
use shim_proto::reasons::task::EXECUTOR_FAILED;
use shim_runtime::{free_form, redact};
use shim_work::{AttemptFailure, AttemptOutcome};

use super::program::{Program, ProgramRun};
use super::program_executor::ProgramKind;
use super::prompt;
use super::run_error::{RunError, failed, timed_out};
use super::stream_json::AgentResult;
use super::transcript::Transcript;

/// The arguments that make `claude` write stream-json, unless others are configured.
const USUAL_ARGS: [&str; 4] = ["-p", "--output-format", "stream-json", "--verbose"];

/// The kind `agent`.
pub(super) struct Agent {
    program: Program,
}

impl Agent {
    pub(super) fn new(mut program: Program) -> Self {
        if program.config.args.is_empty() {
            program.config.args = USUAL_ARGS.map(str::to_owned).to_vec();
        }
        Self { program }
    }

    /// The agent's own verdict counts; how its program ended counts only where it contradicts.
    async fn outcome_of(
        &self,
        mut ended: RunOutput,
        agent_result: Option<AgentResult>,
    ) -> Result<AttemptOutcome, AttemptFailure> {
        if ended.end == ExitCause::Stopped {
            return Ok(AttemptOutcome::Stopped);
        }
        let failed_result = agent_result.as_ref().filter(|result| !result.is_success());
        if let Some(agent_result) = failed_result {
            return Err(AttemptFailure {
                is_final: agent_result.is_final(),
                ..AttemptFailure::new(EXECUTOR_FAILED, &agent_result.error_message())
            });
        }
        match (ended.end, agent_result) {
            (ExitCause::TimedOut, None) => Err(timed_out(&mut ended)),
            (ExitCause::Exited(status), _) if !status.success() => Err(failed(&mut ended, status)),
            (ExitCause::Exited(status), Some(agent_result)) => {
                Ok(self.result(&mut ended, agent_result, status.code()).await)
            }
            // The last message is the result, though the program had to be ended.
            (_, Some(agent_result)) => Ok(self.result(&mut ended, agent_result, None).await),
            (_, None) => Err(AttemptFailure::crash(&format!(
                "it ended without a result\n{}",
                ended.stderr.text().0
            ))),
        }
    }

    async fn result(
        &self,
        ended: &mut RunOutput,
        agent_result: AgentResult,
        exit_code: Option<i32>,
    ) -> AttemptOutcome {
        let result = redact::text(&agent_result.result);
        let (text, truncated) = clipped(&result, self.program.max_output());
        let artifact = ended.stdout.artifact().await;
        let artifacts = artifact.map(|path| path.display().to_string());
        let data = agent_result.structured_output.as_object();
        AttemptOutcome::Completed(TaskResult {
            text,
            data: data.map(free_form::from_foreign_json),
            artifacts: artifacts.into_iter().collect(),
            truncated,
            exit_code,
        })
    }
}

impl ProgramKind for Agent {
    fn program(&self) -> &Program {
        &self.program
    }

    async fn attempt<'a>(&'a self, run: ProgramRun<'a>) -> Result<AttemptOutcome, RunError> {
        let args = self.program.config.args.iter().cloned();
        let input = prompt::as_text(run.claim).into_bytes();
        let mut transcript = Transcript::default();
        let on_line = |line: &[u8]| {
            run.progress.update(transcript.push(line));
            transcript.is_over()
        };
        let ended = run.execute(args, input, on_line).await?;
        Ok(self.outcome_of(ended, transcript.into_result()).await?)
    }
}
