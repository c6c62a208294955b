//! One run of a program: its input is written, its output read, and its whole process group ended within a time limit.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join3;
use shim_runtime::trace::{self, KeyValue, Span};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::child::{GroupChild, Launch};
use crate::groups::Groups;
use crate::lines::Lines;
use crate::output::Output;
use crate::spans;

/// How long output is read after the group is dead: what is left in the pipes comes at once, and only a process that left
/// the group could hold them open.
const PIPE_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

const CHUNK_BYTES: usize = 16 * 1024;

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// It exited by itself.
    Exited(ExitStatus),
    /// It said that it is done but did not exit, so it was ended.
    Lingered,
    /// Its time was up.
    TimedOut,
    /// The caller stopped it.
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

/// How long a run may take.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// From the start to SIGTERM.
    pub timeout: Duration,
    /// From SIGTERM to SIGKILL; and how long a program that is done may take to exit.
    pub grace: Duration,
}

/// What happens during a run, besides its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent {
    /// The program started as this process.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The program wrote to one of its streams: a sign of life.
    Output,
}

/// A run, not begun yet. Its execution, dropped, leaves no process behind.
pub struct Run<'a> {
    /// The program.
    pub launch: Launch,
    /// What it reads.
    pub input: Vec<u8>,
    /// How long it may take.
    pub limits: RunLimits,
    /// Ends the run early.
    pub stop: &'a CancellationToken,
    /// Keeps what it writes to its standard output.
    pub stdout: Output,
    /// Keeps what it writes to its standard error.
    pub stderr: Output,
}

/// What a run left.
pub struct RunOutput {
    /// Why the program ended.
    pub end: ExitCause,
    /// What it wrote to its standard output.
    pub stdout: Output,
    /// What it wrote to its standard error.
    pub stderr: Output,
}

impl Run<'_> {
    /// Runs the program. Each line of its standard output goes to `on_line`, without its end; when `on_line` returns
    /// `true`, the program is done and may take the grace to exit. The program finds its trace in `TRACEPARENT`.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub async fn execute(
        mut self,
        groups: &Arc<Groups>,
        on_event: impl Fn(RunEvent),
        on_line: impl FnMut(&[u8]) -> bool,
    ) -> std::io::Result<RunOutput> {
        let mut span = spans::program(&self.launch.file);
        let traceparent = span.context().to_string();
        let env = &mut self.launch.env;
        env.push(("TRACEPARENT".into(), traceparent.into()));
        let exchange = self.exchange(groups, on_event, on_line);
        let ended = trace::scope(span.context(), exchange).await?;
        ended.end.describe(&mut span);
        Ok(ended)
    }

    async fn exchange(
        self,
        groups: &Arc<Groups>,
        on_event: impl Fn(RunEvent),
        mut on_line: impl FnMut(&[u8]) -> bool,
    ) -> std::io::Result<RunOutput> {
        let Self {
            limits,
            stop,
            mut stdout,
            mut stderr,
            ..
        } = self;
        let mut child = GroupChild::spawn(&self.launch, groups).await?;
        on_event(RunEvent::Started { pid: child.pid() });
        let on_output = || on_event(RunEvent::Output);
        let done = CancellationToken::new();
        let end = {
            let writing_stdin = write_stdin(child.stdin.take(), self.input);
            let reading_stdout = read(child.stdout.take(), &mut stdout, &on_output, |line| {
                if on_line(line) {
                    done.cancel();
                }
            });
            let reading_stderr = read(child.stderr.take(), &mut stderr, &on_output, |_| {});
            let exchange = join3(writing_stdin, reading_stdout, reading_stderr);
            let end = end(&mut child, limits, stop, &done);
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
}

/// Waits until the program ends or must, and then kills what is left of its group.
async fn end(
    child: &mut GroupChild,
    limits: RunLimits,
    stop: &CancellationToken,
    done: &CancellationToken,
) -> std::io::Result<ExitCause> {
    let RunLimits { timeout, grace } = limits;
    let end = tokio::select! {
        status = child.wait() => ExitCause::Exited(status?),
        () = stop.cancelled() => ExitCause::Stopped,
        () = sleep(timeout) => ExitCause::TimedOut,
        () = grace_after(done, grace) => ExitCause::Lingered,
    };
    match end {
        ExitCause::Exited(_) => child.kill().await?,
        _ => child.terminate(grace).await?,
    };
    Ok(end)
}

async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    output: &mut Output,
    on_output: impl Fn(),
    mut on_line: impl FnMut(&[u8]),
) {
    let Some(mut pipe) = pipe else {
        return;
    };
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    // A pipe that cannot be read is at its end as well.
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        on_output();
        output.push(&chunk[..count]).await;
        lines.push(&chunk[..count], &mut on_line);
    }
    lines.finish(&mut on_line);
}

/// A program may exit without reading all of its input: a failed write is no failure of the run.
async fn write_stdin(pipe: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(&input).await;
    }
}

async fn grace_after(done: &CancellationToken, grace: Duration) {
    done.cancelled().await;
    sleep(grace).await;
}

/// Exchanges until the end, and then for as long as the pipes hold something to read.
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
