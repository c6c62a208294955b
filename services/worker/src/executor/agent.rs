//! `agent`: a headless agent such as `claude -p`. It reads a prompt, writes what it does as stream-json, and its last
//! message is the result.

use std::time::SystemTime;

use serde_json::{Map, Value};
use shim_exec::{ExitCause, RunOutput, clipped};
use shim_proto::coordination::v1::TaskResult;
use shim_proto::limits::task::{MAX_REMARK_BYTES, MAX_RESULT_DATA_BYTES};
use shim_runtime::{free_form, redact};
use shim_work::AttemptOutcome;

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

    async fn outcome_of(
        &self,
        run: &ProgramRun<'_>,
        transcript: Transcript,
        mut ended: RunOutput,
    ) -> AttemptOutcome {
        let stderr = ended.stderr.text().0;
        let ending = Ending {
            program: self.program_end(run, ended.end),
            stderr: &stderr,
            fail_on_denial: self.program.config.fail_on_denial,
            now: SystemTime::now(),
        };
        match verdict(transcript, &ending) {
            Verdict::Completed(completed) => {
                AttemptOutcome::Completed(self.result(run, ended, completed).await)
            }
            Verdict::Failed(mut failure) => {
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
        let args = self.program.config.args.iter().cloned();
        let input = prompt::as_text(run.claim).into_bytes();
        let mut transcript = Transcript::default();
        let on_line = |line: &[u8]| {
            run.progress.update(transcript.push(line));
            transcript.is_over()
        };
        let ended = run.execute(args, input, on_line).await?;
        run.progress.update(transcript.unknown_rest());
        Ok(self.outcome_of(&run, transcript, ended).await)
    }
}
