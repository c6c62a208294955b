//! One run: started, watched until its report is whole, ended, judged.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shim_exec::{ExitCause, Launch, Output, Run, RunLimits, RunOutput};
use tokio_util::sync::CancellationToken;

use super::command::{self, RunFiles};
use super::facts::imports_module;
use super::{RunRequest, Suite, TestRun, TestRunError, TestRuns};
use crate::domain::testing::report::{self, Report};
use crate::domain::testing::runner::RunnerKind;
use crate::domain::testing::tap;
use crate::domain::testing::verdict::{Evidence, RunEnd, judge};

/// How often the report of a running runner is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a runner whose report is whole may take to exit.
const REPORT_GRACE: Duration = Duration::from_secs(3);
/// From SIGTERM to SIGKILL.
const KILL_GRACE: Duration = Duration::from_millis(500);
const OUTPUT_BYTES: usize = 256 * 1024;
/// A larger report is none.
const MAX_REPORT_BYTES: u64 = 64 * 1024 * 1024;

/// A run whose report is looked at while its process lives.
struct Watched<'a> {
    kind: RunnerKind,
    report: PathBuf,
    /// Names what the process prints.
    id: &'a str,
    limit: Duration,
}

impl TestRuns {
    /// Runs tests and judges the run. A runner that somebody killed says nothing about the tests, and runs once more.
    ///
    /// # Errors
    /// If the runner cannot be started at all, or `cancel` ends the run.
    pub(crate) async fn run(
        &self,
        suite: &Suite,
        request: RunRequest<'_>,
        cancel: &CancellationToken,
    ) -> Result<TestRun, TestRunError> {
        let (run, was_killed) = self.run_once(suite, &request, cancel).await?;
        if !was_killed {
            return Ok(run);
        }
        tracing::warn!(said = %run.summary(), "a test runner was killed; it runs once more");
        let (run, _) = self.run_once(suite, &request, cancel).await?;
        Ok(run)
    }

    /// One run, and whether a signal of somebody else ended it.
    async fn run_once(
        &self,
        suite: &Suite,
        request: &RunRequest<'_>,
        cancel: &CancellationToken,
    ) -> Result<(TestRun, bool), TestRunError> {
        let kind = suite.kind();
        let installed = command::installed(request.folder, kind)?;
        let id = uuid::Uuid::now_v7().to_string();
        let tmp = self.folder().join("tmp");
        let made = RunFiles::make(self.folder().join(format!("run-{id}")), &tmp);
        let files = made.map_err(TestRunError::io("the folder of a run cannot be made"))?;
        let launch = command::launch(suite, &installed, request, &files, &tmp)?;
        let began = Instant::now();
        let watched = Watched {
            kind,
            report: files.report(),
            id: &id,
            limit: request.limit,
        };
        let ended = self.execute(launch, &watched, cancel).await;
        if cancel.is_cancelled() {
            return Err(TestRunError::Cancelled);
        }
        let mut ended = ended.map_err(TestRunError::io("the tests cannot be started"))?;
        let was_killed = matches!(ended.end, ExitCause::Exited(status) if status.code().is_none());
        let printed = ended.stdout.text().0;
        let said = format!("{printed}\n{}", ended.stderr.text().0);
        let mut judged = judged(kind, request.folder, &files, ended.end, (&printed, &said));
        judged.duration = began.elapsed();
        if !installed.version.is_empty() {
            judged.runner = format!("{} {}", kind.name(), installed.version);
        }
        Ok((judged, was_killed))
    }

    /// Runs a process to its end, or until its report is whole.
    async fn execute(
        &self,
        launch: Launch,
        watched: &Watched<'_>,
        cancel: &CancellationToken,
    ) -> std::io::Result<RunOutput> {
        let stop = cancel.child_token();
        let output = |stream: &str| {
            let path = self.artifacts().path(watched.id, 0, stream);
            Output::new(self.artifacts().clone(), path, OUTPUT_BYTES)
        };
        let run = Run {
            launch,
            input: Vec::new(),
            limits: RunLimits {
                timeout: watched.limit,
                grace: KILL_GRACE,
            },
            stop: &stop,
            stdout: output("stdout"),
            stderr: output("stderr"),
        };
        let running = Box::pin(run.execute(self.groups(), |_| {}, |_| false));
        let watching = stop_after_report(watched.kind, &watched.report, &stop);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => ended,
            () = watching => running.as_mut().await,
        }
    }
}

/// Ends a run whose report is whole and whose process lives on, after a grace.
async fn stop_after_report(kind: RunnerKind, report: &Path, stop: &CancellationToken) {
    if kind == RunnerKind::Script {
        return std::future::pending().await;
    }
    let mut whole_since: Option<(u64, Instant)> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let bytes = tokio::fs::metadata(report)
            .await
            .map_or(0, |meta| meta.len());
        if bytes == 0 {
            continue;
        }
        match whole_since {
            Some((then, since)) if then == bytes => {
                if since.elapsed() >= REPORT_GRACE {
                    stop.cancel();
                    return;
                }
            }
            _ => {
                let is_whole = read_report(kind, report).is_some_and(|report| report.is_complete);
                whole_since = is_whole.then(|| (bytes, Instant::now()));
            }
        }
    }
}

fn judged(
    kind: RunnerKind,
    folder: &Path,
    files: &RunFiles,
    end: ExitCause,
    (printed, said): (&str, &str),
) -> TestRun {
    let report = match kind {
        RunnerKind::Script => tap::parse(printed),
        _ => read_report(kind, &files.report()),
    };
    let end = match end {
        ExitCause::Exited(status) => status.code().map_or(RunEnd::Signalled, RunEnd::Exited),
        ExitCause::TimedOut => RunEnd::TimedOut,
        ExitCause::Lingered | ExitCause::Stopped => RunEnd::Lingered,
    };
    let faults = std::fs::read_to_string(files.faults()).unwrap_or_default();
    let faults: Vec<String> = faults.lines().map(str::to_owned).collect();
    let silent = silent_files(kind, report.as_ref());
    let mut run = judge(Evidence {
        kind,
        end,
        report,
        faults: &faults,
        silent_files: &silent,
        output: said,
    });
    make_relative(&mut run, folder);
    run
}

fn read_report(kind: RunnerKind, path: &Path) -> Option<Report> {
    let is_sane = path
        .metadata()
        .is_ok_and(|meta| meta.len() <= MAX_REPORT_BYTES);
    let text = is_sane.then(|| std::fs::read_to_string(path).ok())??;
    report::parse(kind, &text)
}

/// Node's runner also takes helpers and plain scripts for test files: one without a test is silent only if it imports the runner.
fn silent_files(kind: RunnerKind, report: Option<&Report>) -> Vec<String> {
    let Some(report) = report.filter(|_| kind == RunnerKind::NodeTest) else {
        return Vec::new();
    };
    let is_silent = |path: &&String| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        imports_module(&text, "node:test")
    };
    report
        .empty_files
        .iter()
        .filter(is_silent)
        .cloned()
        .collect()
}

/// Runners name files by their whole path, and some by that which links lead to.
fn make_relative(run: &mut TestRun, folder: &Path) {
    let real = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    let shorten = |file: &mut String| {
        let path = Path::new(file.as_str());
        let inside = path
            .strip_prefix(folder)
            .or_else(|_| path.strip_prefix(&real));
        if let Ok(inside) = inside {
            *file = inside.to_string_lossy().into_owned();
        }
    };
    run.tests
        .iter_mut()
        .for_each(|test| shorten(&mut test.file));
    run.broken_files
        .iter_mut()
        .for_each(|(file, _)| shorten(file));
}
