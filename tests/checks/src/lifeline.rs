//! Observes without polling that processes live and when the last of them dies: they hold a named pipe open, and the pipe
//! ends with the last of them.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::TIMEOUT;

/// Held by every process of a script that begins with [`Lifeline::HOLD`].
#[derive(Debug)]
pub struct Lifeline {
    opened: oneshot::Receiver<()>,
    closed: oneshot::Receiver<()>,
}

impl Lifeline {
    /// The beginning of a script that gets the pipe's path in `$1`. Children of the script inherit the pipe.
    pub const HOLD: &'static str = "exec 9>\"$1\";";

    /// Makes the pipe.
    ///
    /// # Panics
    /// If the path is taken.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path: Arc<Path> = path.into();
        let (send_opened, opened) = oneshot::channel();
        let (send_closed, closed) = oneshot::channel();
        std::thread::spawn(move || {
            // Opening waits for the first writer, reading for the end of the last one.
            let mut pipe = std::fs::File::open(&*path).unwrap();
            let _ = send_opened.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = send_closed.send(());
        });
        Self { opened, closed }
    }

    /// Waits until a process holds the pipe.
    ///
    /// # Panics
    /// If none does in time.
    pub async fn opened(&mut self) {
        timeout(TIMEOUT, &mut self.opened).await.unwrap().unwrap();
    }

    /// Waits until no process holds the pipe any more.
    ///
    /// # Panics
    /// If one still does after [`TIMEOUT`].
    pub async fn closed(self) {
        timeout(TIMEOUT, self.closed).await.unwrap().unwrap();
    }

    /// Whether a process still holds the pipe, after [`Lifeline::opened`].
    #[must_use]
    pub fn is_open(&mut self) -> bool {
        self.closed.try_recv().is_err()
    }
}
