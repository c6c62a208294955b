//! A program that waits, loaded, for the input of its only run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_exec::Groups;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::programs::{Program, Started};

/// Keeps one started program.
#[derive(Default)]
pub(super) struct Standby {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// What is to be started.
    wanted: Option<Program>,
    waiting: Option<Waiting>,
}

struct Waiting {
    program: Program,
    started: Started,
    since: Instant,
}

impl Standby {
    /// The program, if it waits: it is started already.
    pub(super) fn take(&self, program: &Program) -> Option<Started> {
        let waiting = self.state().waiting.take()?;
        // One of other packages is dropped, and so killed.
        (waiting.program == *program).then_some(waiting.started)
    }

    /// Has the program started for its next run, if [`Self::keep`] runs.
    pub(super) fn want(&self, program: Program) {
        self.state().wanted = Some(program);
        self.changed.notify_one();
    }

    /// Starts what is wanted, and stops what waits for longer than `idle`; until the shutdown.
    pub(super) fn keep(
        self: &Arc<Self>,
        groups: &Arc<Groups>,
        idle: Duration,
        background: &BackgroundTasks,
    ) {
        let (standby, groups) = (Arc::clone(self), Arc::clone(groups));
        let shutdown = background.shutdown().clone();
        background.spawn_restarting("analyzer_standby", move || {
            let (standby, groups) = (Arc::clone(&standby), Arc::clone(&groups));
            let shutdown = shutdown.clone();
            async move {
                loop {
                    tokio::select! {
                        () = standby.changed.notified() => standby.start(&groups).await,
                        () = standby.is_idle(idle) => drop(standby.state().waiting.take()),
                        () = shutdown.wait() => return drop(standby.state().waiting.take()),
                    }
                }
            }
        });
    }

    async fn start(&self, groups: &Arc<Groups>) {
        let Some(program) = self.state().wanted.take() else {
            return;
        };
        match program.clone().start(groups).await {
            Ok(started) => {
                let since = Instant::now();
                self.state().waiting = Some(Waiting {
                    program,
                    started,
                    since,
                });
            }
            // The next run tells why.
            Err(why) => tracing::debug!(%why, "a program is not kept ready"),
        }
    }

    /// Waits until a program has waited for so long; for ever if none waits.
    async fn is_idle(&self, idle: Duration) {
        let since = self.state().waiting.as_ref().map(|waiting| waiting.since);
        match since {
            Some(since) => sleep_until(since + idle).await,
            None => std::future::pending().await,
        }
    }

    /// The process that waits.
    #[cfg(test)]
    pub(super) fn pid(&self) -> Option<u32> {
        let state = self.state();
        state.waiting.as_ref().map(|waiting| waiting.started.pid())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_runtime::lifecycle::Shutdown;
    use tokio_util::sync::CancellationToken;

    fn echo(text: &str) -> Program {
        Program {
            file: "/bin/sh".into(),
            args: vec!["-c".to_owned(), format!("echo {text}; exec cat")],
            folder: "/".into(),
            env: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }

    async fn waiting(standby: &Standby) {
        while standby.state().waiting.is_none() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_program_that_waits_runs_once_with_its_input() {
        let folder = tempfile::tempdir().unwrap();
        let groups = Arc::new(Groups::open(folder.path(), "SHIM_TEST_STANDBY").unwrap());
        let shutdown = Shutdown::new();
        let background = BackgroundTasks::new("test", &shutdown);
        let standby = Arc::new(Standby::default());
        standby.keep(&groups, Duration::from_secs(3_600), &background);
        assert!(standby.take(&echo("one")).is_none());
        standby.want(echo("one"));
        waiting(&standby).await;
        let started = standby.take(&echo("one")).unwrap();
        let finished = started.finish(b"input", &CancellationToken::new()).await;
        assert_eq!(finished.unwrap().stdout, b"one\ninput");
        assert!(standby.take(&echo("one")).is_none());
        standby.want(echo("one"));
        waiting(&standby).await;
        assert!(standby.take(&echo("other")).is_none());
    }

    #[tokio::test]
    async fn a_program_that_waits_for_long_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let groups = Arc::new(Groups::open(folder.path(), "SHIM_TEST_STANDBY").unwrap());
        let (standby, idle) = (Arc::new(Standby::default()), Duration::from_secs(60));
        standby.want(echo("one"));
        standby.start(&groups).await;
        let pid = standby.pid().unwrap();
        let waiting = standby.state().waiting.take().unwrap();
        let since = waiting.since.checked_sub(idle).unwrap();
        standby.state().waiting = Some(Waiting { since, ..waiting });
        let shutdown = Shutdown::new();
        standby.keep(&groups, idle, &BackgroundTasks::new("test", &shutdown));
        let process = std::path::PathBuf::from(format!("/proc/{pid}"));
        while standby.pid().is_some() || process.exists() {
            tokio::task::yield_now().await;
        }
    }
}
