//! Conversations whose start was told while no stack ran: what there is to say of it is said at the first prompt.

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use shim_proto::checkpoint::v1::ObservedEvent;
use shim_runtime::data_dir::{make_private_dir, open_own};

use super::{Spool, record};

/// Ends the names of these files.
const KIND: &str = "unanswered";
/// Ends the names of the files that count how often a turn was kept going.
const TURN: &str = "turn";
/// Ends the names of the files that name a claim whose task was not said yet.
const CLAIM: &str = "claim";
/// A window whose first prompt comes later is told nothing.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

impl Spool {
    /// Remembers that the start of a conversation got no answer.
    pub(crate) fn remember_start(&self, event: &ObservedEvent) -> Result<()> {
        make_private_dir(&self.folder)?;
        let line = record::line(event).map_err(std::io::Error::other)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        open_own(&self.start_path(&event.conversation), &mut options)?.write_all(&line)
    }

    /// The start of a conversation that got no answer.
    pub(crate) fn unanswered_start(&self, conversation: &str) -> Option<ObservedEvent> {
        let read = record::read_file(&self.start_path(conversation)).ok()?;
        read.events.into_iter().next()
    }

    /// Forgets it: it was answered.
    pub(crate) fn forget_start(&self, conversation: &str) {
        // One that stays is answered once more.
        let _ = std::fs::remove_file(self.start_path(conversation));
    }

    /// Forgets what nobody comes back to of conversations: their starts, the counts of their turns, and their claims.
    pub(super) fn forget_old(&self, now: SystemTime) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.filter_map(std::result::Result::ok) {
            let path = entry.path();
            let is_of_one = path
                .extension()
                .is_some_and(|kind| kind == KIND || kind == TURN || kind == CLAIM);
            let made = entry.metadata().and_then(|meta| meta.modified());
            let is_old =
                made.is_ok_and(|made| now.duration_since(made).is_ok_and(|age| age > KEPT_FOR));
            if is_of_one && is_old {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Where the count of a turn's continuations is kept.
    pub(crate) fn turn_path(&self, conversation: &str) -> PathBuf {
        self.path_of(conversation, TURN)
    }

    /// Where the name of a claim is kept whose task was not said yet.
    pub(crate) fn claim_path(&self, conversation: &str) -> PathBuf {
        self.path_of(conversation, CLAIM)
    }

    fn start_path(&self, conversation: &str) -> PathBuf {
        self.path_of(conversation, KIND)
    }

    /// The name of a conversation is the client's own text, and is not taken for a file's.
    fn path_of(&self, conversation: &str, kind: &str) -> PathBuf {
        let digest = blake3::hash(conversation.as_bytes()).to_hex();
        self.folder.join(format!("{}.{kind}", &digest[..16]))
    }
}
