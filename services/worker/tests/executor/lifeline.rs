//! Knowing that processes live and when the last of them died, without asking again and again: they hold a named pipe
//! open, and its end is theirs.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::executor::house::within;

/// Held by every process of a script that begins with [`Lifeline::HOLD`].
pub(crate) struct Lifeline {
    held: oneshot::Receiver<()>,
    let_go: oneshot::Receiver<()>,
}

impl Lifeline {
    /// To stand in a script that gets the pipe's path in `$1`. Children of the script inherit it.
    pub(crate) const HOLD: &'static str = "exec 9>\"$1\";";

    pub(crate) fn at(path: &Path) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path: Arc<Path> = path.into();
        let (tell_held, held) = oneshot::channel();
        let (tell_let_go, let_go) = oneshot::channel();
        std::thread::spawn(move || {
            // Opening waits for the first writer, reading for the last to go.
            let mut pipe = std::fs::File::open(&*path).unwrap();
            let _ = tell_held.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = tell_let_go.send(());
        });
        Self { held, let_go }
    }

    pub(crate) async fn held(&mut self) {
        within(&mut self.held).await.unwrap();
    }

    pub(crate) async fn let_go(self) {
        within(self.let_go).await.unwrap();
    }

    pub(crate) fn is_held(&mut self) -> bool {
        self.let_go.try_recv().is_err()
    }
}
