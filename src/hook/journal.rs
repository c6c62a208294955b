//! The log of hooks, `hook.log` in the data folder: one line for each hook that could not do its work.
//!
//! A hook must print nothing. A line says when, which process, which hook, which conversation, and what happened:
//! `spooled:` where nothing is lost, `left out:` where tasks and messages were not looked for, `error:` where something is to
//! be mended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use shim_claude_code::hook_input::HookInput;
use shim_render::text::{cut, one_line};
use shim_render::time::rfc3339;
use shim_runtime::data_dir::open_own;

/// The name of the log in the data folder.
pub(crate) const NAME: &str = "hook.log";
/// A log of this size is set aside; one old log is kept.
const MAX_LOG_BYTES: u64 = 1 << 20;
const MAX_REASON_CHARACTERS: usize = 300;

/// The log of one data folder.
#[derive(Debug, Clone)]
pub(super) struct Journal(PathBuf);

/// One line.
pub(super) struct Line {
    hook: String,
    conversation: String,
    what: String,
}

impl Line {
    /// Something is to be mended, about a hook that could not be read.
    pub(super) fn error(hook: &str, why: &str) -> Self {
        Self::new(hook, "", "error", why)
    }

    /// Something is to be mended.
    pub(super) fn error_of(hook: &HookInput, why: &str) -> Self {
        Self::new(&hook.name, &hook.conversation, "error", why)
    }

    /// The event waits in the spool.
    pub(super) fn spooled(hook: &HookInput, why: &str) -> Self {
        Self::new(&hook.name, &hook.conversation, "spooled", why)
    }

    /// Tasks and messages were not looked for.
    pub(super) fn left_out(hook: &HookInput, why: &str) -> Self {
        Self::new(&hook.name, &hook.conversation, "left out", why)
    }

    fn new(hook: &str, conversation: &str, kind: &str, why: &str) -> Self {
        let known = |text: &str| match text {
            "" => "-".to_owned(),
            text => cut(text, 60).replace(char::is_whitespace, "_"),
        };
        Self {
            hook: known(&one_line(hook, 60)),
            conversation: known(&one_line(conversation, 60)),
            what: format!("{kind}: {}", one_line(why, MAX_REASON_CHARACTERS)),
        }
    }
}

impl Journal {
    /// The log of this data folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(NAME))
    }

    /// Adds a line. A log that cannot be written is done without.
    pub(super) fn note(&self, line: &Line) {
        let Line {
            hook,
            conversation,
            what,
        } = line;
        let at = rfc3339(Some(&SystemTime::now().into()));
        let text = format!("{at} {} {hook} {conversation} {what}\n", std::process::id());
        let _ = self
            .open()
            .and_then(|mut log| log.write_all(text.as_bytes()));
    }

    fn open(&self) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let log = open_own(&self.0, &mut options)?;
        if log.metadata()?.len() < MAX_LOG_BYTES {
            return Ok(log);
        }
        // Another hook may have set it aside meanwhile: then the one that is there is small and stays.
        let there = self.0.symlink_metadata()?;
        if there.ino() == log.metadata()?.ino() {
            std::fs::rename(&self.0, self.0.with_extension("log.1"))?;
        }
        open_own(&self.0, &mut options)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_one_line_and_the_log_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::of(folder.path());
        journal.note(&Line::error("Pre\nTool Use", "first\nsecond \u{1b}[31m"));
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(" Pre_Tool_Use - error: first second \\u{1b}[31m"),
            "{text}"
        );
        std::fs::write(folder.path().join(NAME), vec![b'x'; 1 << 20]).unwrap();
        journal.note(&Line::error("Stop", "again"));
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("hook.log") < 200 && size("hook.log.1") == 1 << 20);
    }
}
