//! Whether the client still lives. The end of our input tells it at once, unless another process holds the pipe open; so
//! the client's process is watched, too. A process that is stopped is not dead.
//!
//! The client is the ancestor found at the start ([`shim_runtime::client_process`]). If it is gone, one of two things is
//! true: a launcher left, and whoever speaks now is the client, or the client died. A message that comes after the death
//! tells them apart. Before the first call of a tool there is nothing to lose, and a launcher leaves early, so the message
//! is waited for long; afterwards it is not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_runtime::{client_process, process, process_exit};
use tokio::sync::watch;

/// What the client wrote before it died is read within this.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a message is waited for that shows another client. Well within a session's lease.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The same before the first call of a tool.
const PATIENCE_BEFORE_CALLS: Duration = Duration::from_secs(600);

/// The client's process, and the signs of life that came over our input.
#[derive(Debug)]
pub(crate) struct ClientWatch {
    process: Mutex<Option<ProcessIdentity>>,
    /// How many messages came.
    messages: watch::Sender<u64>,
    has_called: AtomicBool,
}

impl ClientWatch {
    /// Of this client; without one, nothing is watched.
    pub(crate) fn of(process: Option<ProcessIdentity>) -> Self {
        Self {
            process: Mutex::new(process),
            messages: watch::Sender::new(0),
            has_called: AtomicBool::new(false),
        }
    }

    /// The client's process, as far as it is known.
    pub(crate) fn process(&self) -> Option<ProcessIdentity> {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its process is known and gone.
    pub(crate) fn is_dead(&self) -> bool {
        self.process()
            .is_some_and(|client| !process::is_alive(&client))
    }

    /// A message came from the client.
    pub(crate) fn record_message(&self) {
        self.messages.send_modify(|messages| *messages += 1);
    }

    /// A call of a tool came from the client.
    pub(crate) fn record_call(&self) {
        self.has_called.store(true, Ordering::Relaxed);
        self.record_message();
    }

    /// Waits for the client's death.
    pub(crate) async fn death(&self) {
        loop {
            match self.process() {
                Some(client) => process_exit::exited(&client).await,
                None => std::future::pending().await,
            }
            tokio::time::sleep(SETTLE).await;
            if !self.is_heard().await {
                return;
            }
            let process = client_process::find();
            tracing::debug!(?process, "a launcher left; the client is another process");
            *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
        }
    }

    /// Whether a message comes while it is waited for.
    async fn is_heard(&self) -> bool {
        let mut messages = self.messages.subscribe();
        let patience = if self.has_called.load(Ordering::Relaxed) {
            PATIENCE
        } else {
            PATIENCE_BEFORE_CALLS
        };
        let heard = tokio::time::timeout(patience, messages.changed());
        heard.await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ended_process() -> Option<ProcessIdentity> {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let identity = process::identity(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        identity
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_client_that_is_not_heard_any_more_is_dead() {
        let watch = ClientWatch::of(ended_process());
        watch.record_call();
        let begun = tokio::time::Instant::now();
        watch.death().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_launcher_that_left_is_no_dead_client() {
        let watch = ClientWatch::of(ended_process());
        let speak = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            watch.record_call();
            // From here on the parent of this test is the client, if anybody is.
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        };
        tokio::select! {
            () = watch.death() => panic!("whoever spoke lives"),
            () = speak => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_client_is_not_dead() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let watch = ClientWatch::of(process::identity(child.id()));
        watch.record_call();
        let death = tokio::time::timeout(Duration::from_secs(3_600), watch.death());
        assert!(death.await.is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        watch.death().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_living_and_an_unknown_client_do_not_die() {
        for client in [Some(process::own()), None] {
            let watch = ClientWatch::of(client);
            watch.record_call();
            let death = tokio::time::timeout(Duration::from_secs(3_600), watch.death());
            assert!(death.await.is_err() && !watch.is_dead());
        }
    }
}
