//! One run of a program: fed, listened to, and ended with its whole process group when its time is up.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::future::join3;
use shim_runtime::trace::{self, KeyValue, Span};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::groups::Group;
use super::lines::Lines;
use super::output::Output;
use super::program::{GO, Program};
use super::{AttemptFailure, AttemptOutcome, ClaimedTask, ProgressHandle};
use crate::spans;

/// How long output may still come after the group is dead: what is left in the pipes comes at once, and only a process
/// that left the group could hold them open.
const PIPE_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

const CHUNK_BYTES: usize = 16 * 1024;

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitCause {
    /// By itself.
    Exited(ExitStatus),
    /// It said that it is done but did not go, so it was ended.
    Lingered,
    /// Its time was up.
    TimedOut,
    /// It was told to stop.
    Stopped,
}

impl ExitCause {
    fn describe(self, span: &mut Span) {
        match self {
            Self::Exited(status) => {
                if let Some(code) = status.code() {
                    span.describe(|| [KeyValue::new("process.exit.code", i64::from(code))]);
                }
                if !status.success() {
                    span.fail("EXIT_STATUS");
                }
            }
            Self::Lingered => {}
            Self::TimedOut => span.fail("TIMED_OUT"),
            Self::Stopped => span.fail("STOPPED"),
        }
    }
}

/// A run to be.
pub(super) struct Run<'a> {
    pub(super) program: &'a Program,
    pub(super) claim: &'a ClaimedTask,
    pub(super) progress: &'a ProgressHandle,
    pub(super) stop: &'a CancellationToken,
}

/// What a run left.
pub(super) struct RunOutput {
    pub(super) end: ExitCause,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
}

/// Why there is nothing to judge.
pub(super) enum RunError {
    /// The program cannot run now.
    NotRunnable(String),
    /// The task cannot be done like this.
    Failed(AttemptFailure),
}

impl From<AttemptFailure> for RunError {
    fn from(failure: AttemptFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RunError> for AttemptOutcome {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotRunnable(why) => Self::NotRunnable(why),
            RunError::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl Run<'_> {
    /// Runs the program with these arguments and this input. Each line of its output is handed to `on_line` and counts as
    /// a sign of life; when `on_line` returns true the program is done and has a grace to go.
    pub(super) async fn execute(
        &self,
        args: impl IntoIterator<Item = String>,
        input: Vec<u8>,
        on_line: impl FnMut(&[u8]) -> bool,
    ) -> Result<RunOutput, RunError> {
        let file = self.program.find().map_err(RunError::NotRunnable)?;
        let mut command = self.program.command(&file, self.claim)?;
        command.args(args);
        let mut span = spans::program(&file);
        command.env("TRACEPARENT", span.context().to_string());
        let exchange = self.exchange(command, input, on_line);
        let ended = trace::scope(span.context(), exchange)
            .await
            .map_err(|why| RunError::NotRunnable(format!("{}: {why}", file.display())))?;
        ended.end.describe(&mut span);
        Ok(ended)
    }

    async fn exchange(
        &self,
        mut command: Command,
        input: Vec<u8>,
        mut on_line: impl FnMut(&[u8]) -> bool,
    ) -> std::io::Result<RunOutput> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or(std::io::ErrorKind::NotFound)?;
        let group = self.program.adopt_group(pid, &self.claim.task)?;
        self.progress.set_pid(pid);
        let mut stdout = self.program.stdout(self.claim);
        let mut stderr = self.program.stderr(self.claim);
        let done = CancellationToken::new();
        let end = {
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let writing_stdin = write_stdin(pipes.0, input);
            let reading_stdout = self.read(pipes.1, &mut stdout, |line| {
                if on_line(line) {
                    done.cancel();
                }
            });
            let reading_stderr = self.read(pipes.2, &mut stderr, |_| {});
            let exchange = join3(writing_stdin, reading_stdout, reading_stderr);
            let end = self.end(&mut child, &group, &done);
            exchange_until(exchange, end).await?
        };
        stdout.end().await;
        stderr.end().await;
        Ok(RunOutput {
            end,
            stdout,
            stderr,
        })
    }

    /// Waits until the program ends or must, and sees to it that none of its group is left.
    async fn end(
        &self,
        child: &mut Child,
        group: &Group,
        done: &CancellationToken,
    ) -> std::io::Result<ExitCause> {
        let grace = self.program.grace();
        let end = tokio::select! {
            status = child.wait() => ExitCause::Exited(status?),
            () = self.stop.cancelled() => ExitCause::Stopped,
            () = sleep(self.program.timeout(&self.claim.task)) => ExitCause::TimedOut,
            () = grace_after(done, grace) => ExitCause::Lingered,
        };
        if !matches!(end, ExitCause::Exited(_)) {
            group.terminate();
            let _ = timeout(grace, child.wait()).await;
        }
        group.kill();
        child.wait().await?;
        Ok(end)
    }

    async fn read(
        &self,
        pipe: Option<impl AsyncRead + Unpin>,
        output: &mut Output,
        mut on_line: impl FnMut(&[u8]),
    ) {
        let Some(mut pipe) = pipe else {
            return;
        };
        let mut lines = Lines::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        // A pipe that cannot be read is at its end as well.
        while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
            self.progress.touch();
            output.push(&chunk[..count]).await;
            lines.push(&chunk[..count], &mut on_line);
        }
        lines.finish(&mut on_line);
    }
}

/// A program that does not read all of its input knows enough.
async fn write_stdin(pipe: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(&[GO, &input].concat()).await;
    }
}

async fn grace_after(done: &CancellationToken, grace: Duration) {
    done.cancelled().await;
    sleep(grace).await;
}

/// Talks until the end, and then as long as there is something left to hear.
async fn exchange_until<T>(exchange: impl Future, end: impl Future<Output = T>) -> T {
    let (mut exchange, mut end) = (std::pin::pin!(exchange), std::pin::pin!(end));
    tokio::select! {
        end = &mut end => {
            let _ = timeout(PIPE_DRAIN_TIMEOUT, exchange).await;
            end
        }
        _ = &mut exchange => end.await,
    }
}
