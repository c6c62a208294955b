//! The door of the data folder: whose it must be, and how a file in it is opened.
//!
//! A folder that somebody else may change holds what somebody else put there: a lock that names processes to be signalled, a
//! socket that waits for a token, a link that leads a write elsewhere. So a folder is entered only if it and each folder
//! above it belong to this user or root and nobody else may write there, as ssh(1) demands of `~/.ssh`. Once that is so,
//! nobody else can change it between the look and the use.

mod contents;
mod open;
mod sharing;
mod trust;
mod untrusted;
mod walk;

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

pub use contents::{Coverage, admit_contents};
pub use open::{OpenError, open_named, open_own, read_bounded, read_config_file, read_named};
pub use sharing::Sharing;
pub use trust::is_own_user;
pub use untrusted::Untrusted;
pub(crate) use walk::check_parents;

use trust::{Entry, Me, Reach};

/// Looks at the data folder, the folders above it and what lies in it. A folder that is not there yet, or that this user
/// cannot look at, holds nothing to be led astray by.
///
/// # Errors
/// With the first thing that is not as it must be, and the way out.
pub fn admit(folder: &Path, sharing: Sharing) -> Result<(), Untrusted> {
    let me = Me::current();
    if sharing == Sharing::Private {
        let Some(found) = walk::check(folder, &me)? else {
            return Ok(());
        };
        trust::judge(folder, &found, Reach::DataFolder, &me)?;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.filter_map(Result::ok) {
        let Ok(meta) = entry.metadata() else { continue };
        judge_content(&entry.path(), &Entry::of(&meta), sharing, &me)?;
    }
    Ok(())
}

fn judge_content(path: &Path, entry: &Entry, sharing: Sharing, me: &Me) -> Result<(), Untrusted> {
    trust::judge_kind(path, entry)?;
    match sharing {
        Sharing::Shared => Ok(()),
        Sharing::Private => trust::judge(path, entry, Reach::Content, me),
    }
}

/// Makes the data folder, for its owner alone, where it is missing, and looks at it as [`admit`] does.
///
/// # Errors
/// If it cannot be made; of the kind `PermissionDenied`, with an [`Untrusted`], if it is not entered.
pub fn prepare(folder: &Path, sharing: Sharing) -> std::io::Result<()> {
    let refused = |why| std::io::Error::new(std::io::ErrorKind::PermissionDenied, why);
    // First, so that nothing is made where others have a hand.
    admit(folder, sharing).map_err(refused)?;
    make_private_dir(folder)?;
    admit(folder, sharing).map_err(refused)
}

/// Makes a folder only its owner may enter.
///
/// # Errors
/// If it cannot be made.
pub fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests;
