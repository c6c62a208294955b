//! Which conversation the client's process has now. The environment names the one that this process was started for, which
//! is another after `/clear` and `/resume` in a window, and in `claude -p --continue` from the start; the client's file of
//! its live session follows.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shim_claude_code::live_session::{self, LiveSession};
use shim_proto::checkpoint::v1::ProcessIdentity;

/// A home folder on a network that does not answer must not hold up a call.
const LOOK_TIMEOUT: Duration = Duration::from_millis(200);

/// The conversation of the client's process.
#[derive(Debug)]
pub(crate) struct LiveConversation {
    /// The client's own folder; unset where there is none, as over HTTP.
    folder: Option<PathBuf>,
    /// As it was seen last; before, as the environment names it.
    known: Mutex<String>,
}

impl LiveConversation {
    /// Of a client with this folder, first in the conversation that its environment names.
    pub(crate) fn new(folder: Option<PathBuf>, named: String) -> Self {
        Self {
            folder,
            known: Mutex::new(named),
        }
    }

    /// The conversation that `client` has now; empty if it has none or tells none.
    pub(crate) async fn now(&self, client: Option<ProcessIdentity>) -> String {
        if let Some((folder, client)) = self.folder.clone().zip(client) {
            // The file has some 500 bytes: it is read anew for each call, which a change of its time would not always tell.
            let look = tokio::task::spawn_blocking(move || {
                live_session::of_process_in(&folder, client.pid)
            });
            if let Ok(Ok(Some(found))) = tokio::time::timeout(LOOK_TIMEOUT, look).await {
                self.note(&found);
            }
        }
        self.known().clone()
    }

    fn note(&self, found: &LiveSession) {
        if found.is_alive {
            self.known().clone_from(&found.conversation);
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use shim_runtime::process;

    use super::*;

    #[tokio::test]
    async fn the_file_of_the_process_overrules_the_environment_and_a_foreign_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sessions")).unwrap();
        let client = process::own();
        let file = folder.path().join(format!("sessions/{}.json", client.pid));
        let write = |id: &str, start: u64| {
            let text = json!({"pid": client.pid, "sessionId": id, "procStart": start.to_string()});
            std::fs::write(&file, text.to_string()).unwrap();
        };
        let live = LiveConversation::new(Some(folder.path().to_owned()), "named".to_owned());
        assert_eq!(live.now(Some(client)).await, "named");
        write("of an earlier process", client.start_ticks + 1);
        assert_eq!(live.now(Some(client)).await, "named");
        write("first", client.start_ticks);
        assert_eq!(live.now(Some(client)).await, "first");
        assert_eq!(live.now(None).await, "first");
        write("after /clear", client.start_ticks);
        assert_eq!(live.now(Some(client)).await, "after /clear");
        std::fs::write(&file, "{\"pid\": 1").unwrap();
        assert_eq!(live.now(Some(client)).await, "after /clear", "torn");
    }
}
