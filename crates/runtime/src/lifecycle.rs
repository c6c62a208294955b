//! The end of a process: one token that every part waits for; SIGINT and SIGTERM set it alike.

use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal as NixSignal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry;

/// Exit code after a second signal cut the drain short.
const EXIT_FORCED: i32 = 130;

/// The signal for every part of a process to drain. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    failure: Arc<OnceLock<String>>,
    /// Listens for signals as long as a clone lives.
    _signals: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Shutdown {
    /// A shutdown that begins only when [`Shutdown::begin`] is called.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that begins with the first SIGINT or SIGTERM; the second one ends the process at once.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        survive_full_files();
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let token = CancellationToken::new();
        let listening = tokio::spawn(listen(interrupt, terminate, token.clone()));
        Ok(Self {
            token,
            failure: Arc::default(),
            _signals: Some(Arc::new(AbortOnDropHandle::new(listening))),
        })
    }

    /// Begins the shutdown because something broke; the process drains and exits with a failure. The first reason stays.
    pub fn fail(&self, reason: String) {
        let _ = self.failure.set(reason);
        self.begin();
    }

    /// What broke, if the shutdown began with [`Shutdown::fail`].
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// Begins the shutdown; later calls change nothing.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Waits until the shutdown begins.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Whether it has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.token.is_cancelled()
    }
}

/// Makes a write beyond the limit of a file's size (`RLIMIT_FSIZE`) an error of that write, as on a full disk, instead of
/// the end of the process. The handler does nothing and stays; a child begins with the usual action.
fn survive_full_files() {
    let size_exceeded = SignalKind::from_raw(NixSignal::SIGXFSZ as i32);
    if let Err(error) = signal(size_exceeded) {
        tracing::debug!(%error, "a file-size limit will end the process");
    }
}

async fn listen(mut interrupt: Signal, mut terminate: Signal, token: CancellationToken) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if token.is_cancelled() {
            tracing::warn!("second signal: leaving without draining");
            telemetry::flush_log();
            std::process::exit(EXIT_FORCED);
        }
        tracing::info!("draining; a second signal leaves at once");
        token.cancel();
    }
}
