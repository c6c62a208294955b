//! The end of a process: one token that everything waits on, raised by SIGINT or SIGTERM alike.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal cut the drain short.
const EXIT_FORCED: i32 = 130;

/// Tells every part of a process to drain. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

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
        let shutdown = Self::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let begun = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if begun.is_begun() {
                    tracing::warn!("second signal: leaving without draining");
                    std::process::exit(EXIT_FORCED);
                }
                tracing::info!("draining; a second signal leaves at once");
                begun.begin();
            }
        });
        Ok(shutdown)
    }

    /// Begins the shutdown; later calls change nothing.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Waits until the shutdown begins.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.0.is_cancelled()
    }
}
