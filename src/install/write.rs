//! Changing files of other programs: all are read and every change is made in memory before the first file is written, and
//! what was written is put back if a later one cannot be.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::merge::difference;
use crate::error::CliError;
use crate::output::lines::block;

/// Links that one path may lead through, as the kernel has it.
const MAX_LINKS: usize = 40;
/// Of a file that was not there: clients keep secrets of other servers in it.
const MODE: u32 = 0o600;

/// A change of one file.
#[derive(Debug)]
pub(super) struct Edit {
    path: PathBuf,
    before: String,
    after: String,
    kind: Kind,
}

/// Whose the file is, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Another program's: it is kept beside the new one.
    Shared,
    /// SHIM's own: nothing else writes it.
    Own,
    /// It is taken away.
    Removed,
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    /// What it held; empty if it was not there.
    pub(super) before: String,
    /// What it holds now.
    pub(super) after: String,
    /// Where the file is kept as it was; `None` if there was none.
    pub(super) kept: Option<PathBuf>,
}

impl Edit {
    /// What `change` makes of the file; nothing of a file that is not there and whose change is refused.
    ///
    /// # Errors
    /// If the file cannot be read, or cannot be changed as it is. Nothing was written.
    pub(super) fn plan(
        path: &Path,
        change: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, CliError> {
        let before = read(path)?;
        let text = without_mark(&before);
        let mark = &before[..before.len() - text.len()];
        let after = match change(text) {
            // A file that is not there holds nothing that could be taken out.
            Err(_) if before.is_empty() => String::new(),
            after => after
                .map(|after| format!("{mark}{after}"))
                .map_err(|what| {
                    CliError::new(format!("{}: {what}", path.display()))
                        .hint("mend the file, or move it away; nothing was written")
                })?,
        };
        Ok(Self {
            path: path.to_path_buf(),
            before,
            after,
            kind: Kind::Shared,
        })
    }

    /// The same, of a file that only SHIM writes: it is not kept when it changes.
    ///
    /// # Errors
    /// If the file cannot be read, or cannot be changed as it is. Nothing was written.
    pub(super) fn own(
        path: &Path,
        change: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, CliError> {
        let kind = Kind::Own;
        Self::plan(path, change).map(|edit| Self { kind, ..edit })
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn removal(path: &Path) -> Result<Self, CliError> {
        Ok(Self {
            path: path.to_path_buf(),
            before: read(path)?,
            after: String::new(),
            kind: Kind::Removed,
        })
    }

    /// Whether anything is to be written.
    pub(super) fn changes(&self) -> bool {
        match self.kind {
            Kind::Removed => self.path.symlink_metadata().is_ok(),
            Kind::Shared | Kind::Own => self.before != self.after,
        }
    }

    /// Prints what the file will hold, or how it would change.
    pub(super) fn preview(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{}", self.path.display())?;
        match self.kind {
            Kind::Own => block(out, &self.after),
            Kind::Shared | Kind::Removed => block(out, difference(&self.before, &self.after)),
        }
    }

    fn print(&self, kept: Option<&Path>, out: &mut dyn Write) -> std::io::Result<()> {
        let path = self.path.display();
        match self.kind {
            Kind::Own if self.before.is_empty() => return writeln!(out, "{path}: written"),
            Kind::Removed => return writeln!(out, "{path}: taken away"),
            Kind::Shared | Kind::Own => writeln!(out, "{path}")?,
        }
        block(out, difference(&self.before, &self.after))?;
        match kept {
            Some(backup) => writeln!(out, "the file as it was: {}", backup.display()),
            None => Ok(()),
        }
    }

    /// Writes it, and answers where the file is kept as it was.
    fn apply(&self) -> Result<Option<PathBuf>, CliError> {
        match self.kind {
            Kind::Removed => {
                std::fs::remove_file(link_target(&self.path)?)?;
                Ok(None)
            }
            Kind::Shared => replace(&self.path, &self.before, &self.after, true),
            Kind::Own => replace(&self.path, &self.before, &self.after, false),
        }
    }

    /// Puts the file back as it was.
    fn undo(&self) -> Result<(), CliError> {
        if self.before.is_empty() && self.kind != Kind::Removed {
            return Ok(std::fs::remove_file(link_target(&self.path)?)?);
        }
        replace(&self.path, &self.after, &self.before, false).map(drop)
    }
}

/// Writes all files, or none: those that were written are put back if one cannot be. Prints how each changed.
///
/// # Errors
/// If a file cannot be written, and what could not be put back.
pub(super) fn write_all(edits: &[&Edit], out: &mut dyn Write) -> Result<Vec<Written>, CliError> {
    let mut written: Vec<(&Edit, Option<PathBuf>)> = Vec::new();
    for edit in edits.iter().filter(|edit| edit.changes()) {
        match edit.apply() {
            Ok(kept) => written.push((edit, kept)),
            Err(failure) => {
                let left: Vec<String> = written
                    .iter()
                    .filter_map(|(edit, _)| Some((edit, edit.undo().err()?)))
                    .map(|(edit, why)| format!("{} ({why})", edit.path.display()))
                    .collect();
                let failure =
                    failure.while_doing(format_args!("cannot write {}", edit.path.display()));
                return Err(match left.as_slice() {
                    [] => failure.hint("mend that and try again; no file was changed"),
                    left => failure.hint(format!(
                        "these were written before and could not be put back: {}",
                        left.join(", ")
                    )),
                });
            }
        }
    }
    for (edit, kept) in &written {
        edit.print(kept.as_deref(), out)?;
    }
    let written = written.into_iter().map(|(edit, kept)| Written {
        path: edit.path.clone(),
        before: edit.before.clone(),
        after: edit.after.clone(),
        kept,
    });
    Ok(written.collect())
}

/// The text behind the byte order mark that some editors put at its beginning.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A file that is not there reads as empty.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|e| {
            CliError::from(e).while_doing(format_args!("cannot read {}", path.display()))
        }),
    }
}

/// Puts the new text in the file's place in one step, and keeps the old file if told. A symbolic link stays a link.
fn replace(
    path: &Path,
    before: &str,
    after: &str,
    is_kept: bool,
) -> Result<Option<PathBuf>, CliError> {
    let target = link_target(path)?;
    let folder = target
        .parent()
        .ok_or_else(|| CliError::new("the configuration file has no folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut unfinished = tempfile::NamedTempFile::new_in(folder)?;
    unfinished.write_all(after.as_bytes())?;
    let existed = target.exists();
    let mode = match existed {
        true => std::fs::metadata(&target)?.permissions().mode(),
        false => MODE,
    };
    unfinished
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    unfinished.as_file().sync_all()?;
    let backup = (existed && is_kept).then(|| backup_name(&target));
    if let Some(backup) = &backup {
        std::fs::copy(&target, backup)?;
    }
    // The client may have written meanwhile; what it wrote must not be lost.
    if read(&target)? != before {
        return Err(
            CliError::new(format!("{} changed meanwhile", target.display()))
                .hint("close the client and try again"),
        );
    }
    unfinished.persist(&target).map_err(|e| e.error)?;
    Ok(backup)
}

/// The file that a path means: behind all links, also if there is nothing yet.
fn link_target(path: &Path) -> Result<PathBuf, CliError> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(target.canonicalize().unwrap_or(target)),
        }
    }
    let why = format!("{} leads from link to link without an end", path.display());
    Err(CliError::new(why).hint("mend the link, or remove it; nothing was written"))
}

fn backup_name(path: &Path) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-shim-{seconds}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_old_file_is_kept_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let backup = replace(&path, "old", "new", true).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(backup).unwrap(), "old");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, "newer").unwrap();
        assert!(replace(&path, "old", "new", true).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn a_byte_order_mark_stays_and_is_no_part_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, "\u{feff}old").unwrap();
        let edit = Edit::plan(&path, |text| Ok(format!("{text}er"))).unwrap();
        assert_eq!(edit.after, "\u{feff}older");
    }

    #[test]
    fn a_link_to_nothing_stays_a_link_and_its_file_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("second", path("first")).unwrap();
        std::os::unix::fs::symlink("dotfiles/real.json", path("second")).unwrap();
        assert_eq!(read(&path("first")).unwrap(), "");
        assert_eq!(replace(&path("first"), "", "new", true).unwrap(), None);
        for link in ["first", "second"] {
            assert!(
                path(link).symlink_metadata().unwrap().is_symlink(),
                "{link}"
            );
        }
        assert_eq!(
            std::fs::read_to_string(path("dotfiles/real.json")).unwrap(),
            "new"
        );
        std::os::unix::fs::symlink("round", path("round")).unwrap();
        assert!(replace(&path("round"), "", "new", true).is_err());
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (
            folder.path().join("real.json"),
            folder.path().join("link.json"),
        );
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, "old", "new", true).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("first"), "old").unwrap();
        // A file in the place of a folder cannot be written below.
        std::fs::write(path("file"), "").unwrap();
        let edit = |name: &str, before: &str| Edit {
            path: path(name),
            before: before.to_owned(),
            after: "new".to_owned(),
            kind: Kind::Shared,
        };
        let edits = [
            edit("first", "old"),
            edit("second", ""),
            edit("file/third", ""),
        ];
        let mut out = Vec::new();
        let refused = write_all(&edits.iter().collect::<Vec<_>>(), &mut out).unwrap_err();
        assert!(
            refused.lines().contains("no file was changed"),
            "{}",
            refused.lines()
        );
        assert_eq!(std::fs::read_to_string(path("first")).unwrap(), "old");
        assert!(!path("second").exists() && out.is_empty());
        write_all(&edits[..2].iter().collect::<Vec<_>>(), &mut out).unwrap();
        assert_eq!(std::fs::read_to_string(path("second")).unwrap(), "new");
    }
    #[test]
    fn an_own_file_is_not_kept_and_one_that_was_taken_away_comes_back_with_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("own"), "old").unwrap();
        let own = Edit::own(&path("own"), |_| Ok("new".to_owned())).unwrap();
        write_all(&[&own], &mut Vec::new()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(path("file"), "").unwrap();
        let removal = Edit::removal(&path("own")).unwrap();
        let mut refused = Edit::own(&path("other"), |_| Ok("x".to_owned())).unwrap();
        refused.path = path("file/other");
        write_all(&[&removal, &refused], &mut Vec::new()).unwrap_err();
        assert_eq!(std::fs::read_to_string(path("own")).unwrap(), "new");
        write_all(&[&removal], &mut Vec::new()).unwrap();
        assert!(!path("own").exists() && !Edit::removal(&path("own")).unwrap().changes());
    }
}
