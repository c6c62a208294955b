//! `agent`: a headless agent such as `claude -p`. It reads a prompt, says what it does as stream-json, and its last
//! message is the result.

use futures::TryFutureExt;
use futures::future::BoxFuture;
use shim_proto::coordination::v1::TaskResult;
use shim_runtime::{free_form, redact};
use tokio_util::sync::CancellationToken;

use super::child::{ExitCause, Run, RunError, RunOutput};
use super::command::{display_path, failed, timed_out};
use super::program::Program;
use super::stream_json::AgentResult;
use super::transcript::Transcript;
use super::{
    AttemptFailure, AttemptOutcome, ClaimedTask, EXECUTOR_FAILED, Executor, ProgressHandle, output,
    prompt,
};

/// What makes the usual program speak the format, unless other arguments are configured.
const USUAL_ARGS: [&str; 4] = ["-p", "--output-format", "stream-json", "--verbose"];

/// The executor.
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

    async fn attempt(&self, run: Run<'_>) -> Result<AttemptOutcome, RunError> {
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

    /// The verdict is what counts; how the program ended counts only where it contradicts.
    async fn outcome_of(
        &self,
        mut ended: RunOutput,
        agent_result: Option<AgentResult>,
    ) -> Result<AttemptOutcome, AttemptFailure> {
        if ended.end == ExitCause::Stopped {
            return Ok(AttemptOutcome::Stopped);
        }
        if let Some(agent_result) = agent_result
            .as_ref()
            .filter(|agent_result| !agent_result.is_success())
        {
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
            // Its last words are the result, though it had to be helped to go.
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
        let (text, truncated) = output::clipped(&result, self.program.max_output());
        let data = agent_result.structured_output.as_object();
        AttemptOutcome::Completed(TaskResult {
            text,
            data: data.and_then(free_form::from_json),
            artifacts: ended
                .stdout
                .artifact()
                .await
                .map(display_path)
                .into_iter()
                .collect(),
            truncated,
            exit_code,
        })
    }
}

impl Executor for Agent {
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
