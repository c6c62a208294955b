//! Where a hook keeps what it cannot tell: the log and the spool of the data folder.

use std::path::{Path, PathBuf};

use shim_claude_code::hook_input::HookInput;
use shim_runtime::config::{ConfigErrors, Settings, default_data_dir};
use shim_runtime::data_dir::{self, Sharing};

use super::journal::{Journal, Line};
use super::spool::Spool;
use crate::config::{self, Config};
use crate::global_flags::{GlobalFlags, absolute};

/// A data folder that a hook may write to.
pub(super) struct HookFolder {
    pub(super) journal: Journal,
    pub(super) spool: Spool,
}

impl HookFolder {
    /// The data folder of the configuration, made if it is missing. `None` if it is not to be entered, cannot be made, or
    /// would lie in the project for want of a home folder: then a hook has no place for a word.
    pub(super) fn find(loaded: &Result<Config, ConfigErrors>) -> Option<Self> {
        let (folder, sharing) = match loaded {
            Ok(config) => (config.data_dir().to_path_buf(), config.runtime.sharing),
            Err(_) => named_data_dir(),
        };
        if folder == absolute(&default_data_dir()) && !default_data_dir().is_absolute() {
            return None;
        }
        data_dir::admit(&folder, sharing).ok()?;
        if !folder.is_dir() {
            data_dir::prepare(&folder, sharing).ok()?;
        }
        Some(Self::at(&folder))
    }

    pub(super) fn at(folder: &Path) -> Self {
        Self {
            journal: Journal::of(folder),
            spool: Spool::of(folder),
        }
    }

    /// Keeps a hook's event for the stack to read later, and notes why.
    pub(super) fn keep(&self, hook: &HookInput, why: &str) {
        self.keep_and_note(hook, why, Line::spooled);
    }

    /// The same, where each hook fails until somebody mends the cause.
    pub(super) fn keep_and_complain(&self, hook: &HookInput, why: &str) {
        self.keep_and_note(hook, why, Line::error_of);
    }

    fn keep_and_note(&self, hook: &HookInput, why: &str, line: fn(&HookInput, &str) -> Line) {
        let Some(event) = &hook.event else { return };
        let line = match self.spool.append(event) {
            Ok(0) => line(hook, why),
            Ok(dropped) => Line::error_of(
                hook,
                &format!("{why}; the spool is full: {dropped} older events were dropped"),
            ),
            Err(error) => Line::error_of(hook, &format!("{why}; not kept: {error}")),
        };
        self.journal.note(&line);
    }
}

/// The data folder that a configuration names which is wrong elsewhere.
fn named_data_dir() -> (PathBuf, Sharing) {
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let file = config::file(&GlobalFlags::default());
    let gathered = Settings::gather(file.as_deref(), variables.collect::<Vec<_>>(), []);
    let Ok(mut settings) = gathered else {
        let named = std::env::var_os("SHIM_DATA_DIR").filter(|named| !named.is_empty());
        let folder = named.map_or_else(default_data_dir, PathBuf::from);
        return (absolute(&folder), Sharing::Private);
    };
    let folder = settings.get("data_dir").unwrap_or_else(default_data_dir);
    let sharing = settings.get_or("data_dir_shared", false).into();
    (absolute(&folder), sharing)
}
