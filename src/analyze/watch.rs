//! `shim analyze --watch`: analyzes again whenever a file of the project changes.
//!
//! The names, sizes, times and numbers of the files are compared twice a second: that costs some milliseconds for thousands of
//! files, and works on every file system, shared ones too.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ignore::{DirEntry, WalkBuilder};

use crate::error::CliError;
use crate::output::say;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Folders that no source of the project is in.
const SKIPPED: [&str; 2] = ["node_modules", ".git"];
/// Reports of coverage, which git mostly ignores.
const COVERAGE: [&str; 3] = [
    "coverage/coverage-final.json",
    "coverage/lcov.info",
    "coverage/coverage-summary.json",
];

/// Calls `analyze` at once and after each change of a file of the project, until the process is ended or `analyze` fails.
///
/// `asked` is looked at until `analyze` tells the project's root. Files that git ignores count only if `include` names them.
pub(super) async fn follow(
    asked: PathBuf,
    include: &[String],
    mut analyze: impl AsyncFnMut() -> Result<Option<PathBuf>, CliError>,
) -> Result<ExitCode, CliError> {
    let mut root = asked.clone();
    loop {
        let named = include.iter().map(|entry| asked.join(entry));
        let named: Vec<PathBuf> = named.collect();
        let seen = fingerprint(&root, &named);
        if let Some(found) = analyze().await?
            && found != root
        {
            // What changed elsewhere below this root was not looked at before.
            root = found;
            continue;
        }
        say::line("waiting for a change; Ctrl-C ends this");
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if fingerprint(&root, &named) != seen {
                break;
            }
        }
    }
}

/// What changes when a file of the project does, is renamed, added or removed.
fn fingerprint(root: &Path, named: &[PathBuf]) -> u64 {
    let mut walk = WalkBuilder::new(root);
    for path in named {
        walk.add(path);
    }
    walk.hidden(false)
        .ignore(false)
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| !is_skipped(entry));
    let files = walk.build().flatten().filter(|entry| !is_folder(entry));
    let files = files.map(DirEntry::into_path);
    let coverage = COVERAGE.iter().map(|report| root.join(report));
    // A sum, for the order of a folder's entries may change.
    files
        .chain(coverage)
        .map(|path| stamp(&path))
        .fold(0, u64::wrapping_add)
}

fn is_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
}

fn is_skipped(entry: &DirEntry) -> bool {
    is_folder(entry) && SKIPPED.iter().any(|name| entry.file_name() == *name)
}

/// Hangs on a file's name, size, times and number; 0 if it is not there.
fn stamp(path: &Path) -> u64 {
    let Ok(meta) = path.symlink_metadata() else {
        return 0;
    };
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    (meta.len(), meta.ino()).hash(&mut hasher);
    (meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
    (meta.ctime(), meta.ctime_nsec()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn changes_of_the_project_are_seen_and_those_of_packages_and_builds_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for folder in ["node_modules/x", "out", "coverage"] {
            std::fs::create_dir_all(path.join(folder)).unwrap();
        }
        std::fs::write(path.join(".gitignore"), "out\ncoverage\n").unwrap();
        std::fs::write(path.join("a.js"), "1").unwrap();
        std::os::unix::fs::symlink(".", path.join("circle")).unwrap();
        let named = [path.join("out/named.js")];
        let mut before = fingerprint(path, &named);
        let mut is_seen = |file: &str, change: &dyn Fn(&Path)| {
            change(&path.join(file));
            let after = fingerprint(path, &named);
            std::mem::replace(&mut before, after) != after
        };
        let write = |path: &Path| std::fs::write(path, "12").unwrap();
        let rename = |path: &Path| std::fs::rename(path, path.with_extension("ts")).unwrap();
        assert!(!is_seen("node_modules/x/b.js", &write));
        assert!(!is_seen("out/bundle.js", &write));
        assert!(is_seen("a.js", &write));
        assert!(is_seen("a.js", &rename), "only its name");
        assert!(is_seen(".prettierrc", &write));
        assert!(is_seen("coverage/lcov.info", &write));
        assert!(is_seen("out/named.js", &write));
        assert!(is_seen("a.ts", &|path| std::fs::remove_file(path).unwrap()));
    }

    #[test]
    fn one_file_can_be_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.js");
        std::fs::write(&file, "1").unwrap();
        let before = fingerprint(&file, &[]);
        std::fs::write(&file, "12").unwrap();
        assert_ne!(fingerprint(&file, &[]), before);
    }

    #[tokio::test]
    async fn the_root_that_an_analysis_tells_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        std::fs::create_dir(root.join("src")).unwrap();
        let mut analyses = 0;
        let ended = follow(root.join("src"), &[], async || {
            analyses += 1;
            match analyses {
                1 => {}
                // A change while an analysis runs is followed by another one.
                2 => std::fs::write(root.join("package.json"), "{}").unwrap(),
                _ => return Err(CliError::new("seen")),
            }
            Ok(Some(root.clone()))
        });
        assert!(ended.await.is_err());
        assert_eq!(analyses, 3);
    }
}
