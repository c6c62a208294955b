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
use super::{Claim, Failure, Outcome, Pulse};
use crate::spans;

/// How long output may still come after the group is dead: what is left in the pipes comes at once, and only a process
/// that left the group could hold them open.
const LEFT_IN_PIPES: Duration = Duration::from_secs(1);

const CHUNK_BYTES: usize = 16 * 1024;

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It said that it is done but did not go, so it was ended.
    Lingered,
    /// Its time was up.
    TimedOut,
    /// It was told to stop.
    Stopped,
}

impl End {
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
    pub(super) claim: &'a Claim,
    pub(super) pulse: &'a Pulse,
    pub(super) stop: &'a CancellationToken,
}

/// What a run left.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
}

/// Why there is nothing to judge.
pub(super) enum Halt {
    /// The program cannot run now.
    Unfit(String),
    /// The task cannot be done like this.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Halt> for Outcome {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unfit(why) => Self::Unfit(why),
            Halt::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl Run<'_> {
    /// Runs the program with these arguments and this input. Each line of its output is handed to `hear` and counts as
    /// a sign of life; when `hear` returns true the program is done and has a grace to go.
    pub(super) async fn go(
        &self,
        args: impl IntoIterator<Item = String>,
        input: Vec<u8>,
        hear: impl FnMut(&[u8]) -> bool,
    ) -> Result<Ended, Halt> {
        let file = self.program.find().map_err(Halt::Unfit)?;
        let mut command = self.program.command(&file, self.claim)?;
        command.args(args);
        let mut span = spans::program(&file);
        command.env("TRACEPARENT", span.context().to_string());
        let talk = self.talk(command, input, hear);
        let ended = trace::scope(span.context(), talk)
            .await
            .map_err(|why| Halt::Unfit(format!("{}: {why}", file.display())))?;
        ended.end.describe(&mut span);
        Ok(ended)
    }

    async fn talk(
        &self,
        mut command: Command,
        input: Vec<u8>,
        mut hear: impl FnMut(&[u8]) -> bool,
    ) -> std::io::Result<Ended> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or(std::io::ErrorKind::NotFound)?;
        let group = self.program.enter_group(pid, &self.claim.task)?;
        self.pulse.runs_as(pid);
        let mut stdout = self.program.stdout(self.claim);
        let mut stderr = self.program.stderr(self.claim);
        let done = CancellationToken::new();
        let end = {
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let feeding = feed(pipes.0, input);
            let hearing = self.read(pipes.1, &mut stdout, |line| {
                if hear(line) {
                    done.cancel();
                }
            });
            let grumbling = self.read(pipes.2, &mut stderr, |_| {});
            let talk = join3(feeding, hearing, grumbling);
            let end = self.end(&mut child, &group, &done);
            both(talk, end).await?
        };
        stdout.end().await;
        stderr.end().await;
        Ok(Ended {
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
    ) -> std::io::Result<End> {
        let grace = self.program.grace();
        let end = tokio::select! {
            status = child.wait() => End::Exited(status?),
            () = self.stop.cancelled() => End::Stopped,
            () = sleep(self.program.timeout(&self.claim.task)) => End::TimedOut,
            () = done_and(done, grace) => End::Lingered,
        };
        if !matches!(end, End::Exited(_)) {
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
        mut hear: impl FnMut(&[u8]),
    ) {
        let Some(mut pipe) = pipe else {
            return;
        };
        let mut lines = Lines::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        // A pipe that cannot be read is at its end as well.
        while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
            self.pulse.beat();
            output.take(&chunk[..count]).await;
            lines.push(&chunk[..count], &mut hear);
        }
        lines.finish(&mut hear);
    }
}

/// A program that does not read all of its input knows enough.
async fn feed(pipe: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(&[GO, &input].concat()).await;
    }
}

async fn done_and(done: &CancellationToken, grace: Duration) {
    done.cancelled().await;
    sleep(grace).await;
}

/// Talks until the end, and then as long as there is something left to hear.
async fn both<T>(talk: impl Future, end: impl Future<Output = T>) -> T {
    let (mut talk, mut end) = (std::pin::pin!(talk), std::pin::pin!(end));
    tokio::select! {
        end = &mut end => {
            let _ = timeout(LEFT_IN_PIPES, talk).await;
            end
        }
        _ = &mut talk => end.await,
    }
}
