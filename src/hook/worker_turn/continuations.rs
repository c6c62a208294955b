//! How often a turn was kept going: the client ends it after so many times in a row, whatever a hook says.

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shim_claude_code::hook_input::HookInput;
use shim_runtime::data_dir::{make_private_dir, open_own, read_bounded};

use crate::hook::spool::Spool;

/// Continuations that the client allows, unless its own variable says otherwise.
const DEFAULT_CAP: u32 = 8;
const CAP: &str = "CLAUDE_CODE_STOP_HOOK_BLOCK_CAP";

/// The count of one conversation's turn, in a file: each hook is a process of its own.
#[derive(Debug, Clone)]
pub(super) struct Continuations {
    file: PathBuf,
    before: u32,
    cap: u32,
}

impl Continuations {
    /// Those of the turn that ends. A turn that no hook kept going begins at none.
    pub(super) fn of(spool: &Spool, hook: &HookInput) -> Self {
        let file = spool.turn_path(&hook.conversation);
        let cap = std::env::var(CAP).ok().and_then(|cap| cap.parse().ok());
        let before = if hook.stop_hook_active {
            // Another hook may have kept it going.
            read(&file).unwrap_or(1)
        } else {
            let _ = std::fs::remove_file(&file);
            0
        };
        Self {
            file,
            before,
            cap: cap.unwrap_or(DEFAULT_CAP),
        }
    }

    /// Whether the client ends the turn now, whatever is said.
    pub(super) fn is_over(&self) -> bool {
        self.before >= self.cap
    }

    /// Whether the next continuation is the last one.
    pub(super) fn is_last(&self) -> bool {
        self.before + 1 >= self.cap
    }

    /// The turn was kept going once more. What cannot be kept is counted from one again.
    pub(super) fn count_one(&self) {
        let _ = self.write(self.before + 1);
    }

    fn write(&self, count: u32) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            make_private_dir(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        open_own(&self.file, &mut options)?.write_all(count.to_string().as_bytes())
    }
}

fn read(file: &Path) -> Option<u32> {
    let file = open_own(file, OpenOptions::new().read(true)).ok()?;
    let text = read_bounded(file, 16).ok()?;
    String::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_continuation_is_known_and_a_new_turn_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::of(folder.path());
        let hook = |stop_hook_active| HookInput {
            conversation: "c".into(),
            stop_hook_active,
            ..HookInput::default()
        };
        for _turn in 0..2 {
            let first = Continuations::of(&spool, &hook(false));
            assert!(!first.is_over() && !first.is_last());
            first.count_one();
            for _ in 1..7 {
                let next = Continuations::of(&spool, &hook(true));
                assert!(!next.is_last());
                next.count_one();
            }
            let eighth = Continuations::of(&spool, &hook(true));
            assert!(eighth.is_last() && !eighth.is_over());
            eighth.count_one();
            assert!(Continuations::of(&spool, &hook(true)).is_over());
        }
        // Another conversation, kept going by a hook of somebody else.
        let other = HookInput {
            conversation: "d".into(),
            ..hook(true)
        };
        assert!(!Continuations::of(&spool, &other).is_last());
    }
}
