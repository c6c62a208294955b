//! `agent`: a headless agent such as `claude -p`. It reads a prompt, says what it does as stream-json, and its last
//! message is the result.

use futures::TryFutureExt;
use futures::future::BoxFuture;
use shim_proto::coordination::v1::TaskResult;
use shim_runtime::{free_form, redact};
use tokio_util::sync::CancellationToken;

use super::child::{End, Ended, Halt, Run};
use super::command::{failed, shown, timed_out};
use super::program::Program;
use super::stream_json::Verdict;
use super::transcript::Transcript;
use super::{Claim, EXECUTOR_FAILED, Executor, Failure, Outcome, Pulse, output, prompt};

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

    async fn attempt(&self, run: Run<'_>) -> Result<Outcome, Halt> {
        let args = self.program.config.args.iter().cloned();
        let input = prompt::as_text(run.claim).into_bytes();
        let mut transcript = Transcript::default();
        let hear = |line: &[u8]| {
            run.pulse.tell(transcript.hear(line));
            transcript.is_over()
        };
        let ended = run.go(args, input, hear).await?;
        Ok(self.judge(ended, transcript.into_verdict()).await?)
    }

    /// The verdict is what counts; how the program ended counts only where it contradicts.
    async fn judge(&self, mut ended: Ended, verdict: Option<Verdict>) -> Result<Outcome, Failure> {
        if ended.end == End::Stopped {
            return Ok(Outcome::Stopped);
        }
        if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.is_success()) {
            return Err(Failure {
                is_final: verdict.is_final(),
                ..Failure::new(EXECUTOR_FAILED, &verdict.complaint())
            });
        }
        match (ended.end, verdict) {
            (End::TimedOut, None) => Err(timed_out(&mut ended)),
            (End::Exited(status), _) if !status.success() => Err(failed(&mut ended, status)),
            (End::Exited(status), Some(verdict)) => {
                Ok(self.result(&mut ended, verdict, status.code()).await)
            }
            // Its last words are the result, though it had to be helped to go.
            (_, Some(verdict)) => Ok(self.result(&mut ended, verdict, None).await),
            (_, None) => Err(Failure::crash(&format!(
                "it ended without a result\n{}",
                ended.stderr.text().0
            ))),
        }
    }

    async fn result(&self, ended: &mut Ended, verdict: Verdict, exit_code: Option<i32>) -> Outcome {
        let result = redact::text(&verdict.result);
        let (text, truncated) = output::clipped(&result, self.program.max_output());
        let data = verdict.structured_output.as_object();
        Outcome::Completed(TaskResult {
            text,
            data: data.and_then(free_form::from_json),
            artifacts: ended
                .stdout
                .artifact()
                .await
                .map(shown)
                .into_iter()
                .collect(),
            truncated,
            exit_code,
        })
    }
}

impl Executor for Agent {
    fn fitness(&self) -> Result<(), String> {
        self.program.find().map(drop)
    }

    fn run<'a>(
        &'a self,
        claim: &'a Claim,
        pulse: &'a Pulse,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Outcome> {
        let run = Run {
            program: &self.program,
            claim,
            pulse,
            stop,
        };
        Box::pin(self.attempt(run).unwrap_or_else(Outcome::from))
    }
}
