//! Runs of drivers: ended as soon as one stands still, since a call that never ends cannot be left from within its process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::bench::Bench;
use crate::error::EvolutionError;
use crate::test_runs::{RunRequest, TestRun, TestRunError};

/// How long a driver may say nothing within a step that has begun. Steps take a second at most where they can be ended from within.
const SILENCE: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What a process may keep on its heap: code that allocates without an end is stopped before the machine is.
const HEAP: &str = "--max-old-space-size=1024";
const NODE_OPTIONS: &str = "NODE_OPTIONS";

/// How a run of drivers ended.
pub(super) struct Ended {
    /// What the runner says; `None` if the run was ended because a driver stood still.
    pub(super) run: Option<TestRun>,
    /// Names of the drivers that stood still.
    stalled: Vec<String>,
}

impl Ended {
    /// Whether what a driver had begun is why the run ended: it stood still, or none did and the process died.
    pub(super) fn is_blamed(&self, name: &str) -> bool {
        self.stalled.is_empty() || self.is_stalled(name)
    }

    pub(super) fn is_stalled(&self, name: &str) -> bool {
        self.stalled.iter().any(|stalled| stalled == name)
    }
}

/// A journal as it was looked at last.
struct Journal {
    name: String,
    path: PathBuf,
    bytes: u64,
    since: Instant,
}

#[derive(Deserialize)]
struct Step {
    step: String,
}

impl Bench<'_> {
    /// Runs the test files of drivers, whose journals have these names.
    pub(super) async fn run_drivers(
        &self,
        names: &[String],
        files: &[String],
        mut env: Vec<(String, String)>,
        limit: Duration,
    ) -> Result<Ended, EvolutionError> {
        env.push(self.node_options());
        let request = RunRequest {
            folder: self.sandbox.root(),
            files,
            limit,
            env,
            ends_at_report: true,
        };
        let cancel = self.tools.cancel;
        let stop = cancel.child_token();
        let running = self.tools.runs.run(&self.suite, request, &stop);
        tokio::pin!(running);
        let stalled = tokio::select! {
            run = &mut running => {
                return Ok(Ended { run: Some(run?), stalled: Vec::new() });
            }
            stalled = self.standing_still(names) => stalled,
        };
        stop.cancel();
        match running.await {
            Err(TestRunError::Cancelled) if !cancel.is_cancelled() => {
                Ok(Ended { run: None, stalled })
            }
            ended => Ok(Ended {
                run: Some(ended?),
                stalled,
            }),
        }
    }

    /// Whether a driver began a step and did not end it.
    pub(super) fn is_open(&self, name: &str) -> bool {
        let steps: Vec<Step> = self.journal(name);
        let last = steps.last().map(|it| it.step.as_str());
        matches!(last, Some("loading" | "begin" | "mutant"))
    }

    /// The options of the project's own script, and a bound of the heap.
    fn node_options(&self) -> (String, String) {
        let own = &self.suite.detected.command.env;
        let own = own.iter().find(|(name, _)| name == NODE_OPTIONS);
        let value = own.map_or_else(
            || HEAP.to_owned(),
            |(_, options)| format!("{options} {HEAP}"),
        );
        (NODE_OPTIONS.to_owned(), value)
    }

    /// Waits until drivers stand still, and names them.
    async fn standing_still(&self, names: &[String]) -> Vec<String> {
        let journal = |name: &String| Journal {
            name: name.clone(),
            path: self.journal_path(name),
            bytes: 0,
            since: Instant::now(),
        };
        let mut journals: Vec<Journal> = names.iter().map(journal).collect();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut stalled = Vec::new();
            for journal in &mut journals {
                if journal.is_silent() && self.is_open(&journal.name) {
                    stalled.push(journal.name.clone());
                }
            }
            if !stalled.is_empty() {
                return stalled;
            }
        }
    }
}

impl Journal {
    fn is_silent(&mut self) -> bool {
        let bytes = self.path.metadata().map_or(0, |meta| meta.len());
        if bytes != self.bytes {
            self.bytes = bytes;
            self.since = Instant::now();
        }
        bytes > 0 && self.since.elapsed() >= SILENCE
    }
}
