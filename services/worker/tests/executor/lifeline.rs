//! Knowing that processes live and when the last of them died, without asking again and again: they hold a named pipe
//! open, and its end is theirs.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::executor::test_env::within;

/// Held by every process of a script that begins with [`Lifeline::HOLD`].
pub(crate) struct Lifeline {
    opened: oneshot::Receiver<()>,
    closed: oneshot::Receiver<()>,
}

impl Lifeline {
    /// To stand in a script that gets the pipe's path in `$1`. Children of the script inherit it.
    pub(crate) const HOLD: &'static str = "exec 9>\"$1\";";

    pub(crate) fn at(path: &Path) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path: Arc<Path> = path.into();
        let (send_opened, opened) = oneshot::channel();
        let (send_closed, closed) = oneshot::channel();
        std::thread::spawn(move || {
            // Opening waits for the first writer, reading for the last to go.
            let mut pipe = std::fs::File::open(&*path).unwrap();
            let _ = send_opened.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = send_closed.send(());
        });
        Self { opened, closed }
    }

    pub(crate) async fn opened(&mut self) {
        within(&mut self.opened).await.unwrap();
    }

    pub(crate) async fn closed(self) {
        within(self.closed).await.unwrap();
    }

    pub(crate) fn is_open(&mut self) -> bool {
        self.closed.try_recv().is_err()
    }
}
