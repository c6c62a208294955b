//! `shim analyze --watch`: analyzes again whenever a file of the project changes.
//!
//! The sizes and times of the files are compared twice a second: that costs some milliseconds for thousands of files, and
//! works on every file system, shared ones too.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use crate::error::CliError;
use crate::output::say;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Folders that no source of the project is in.
const SKIPPED: [&str; 2] = ["node_modules", ".git"];
/// More files are not looked at.
const MAX_FILES: usize = 200_000;

/// Calls `analyze` at once and after each change of a file below `path`, until the process is ended or `analyze` fails.
pub(super) async fn follow(
    path: &Path,
    mut analyze: impl AsyncFnMut() -> Result<(), CliError>,
) -> Result<ExitCode, CliError> {
    loop {
        let seen = fingerprint(path);
        analyze().await?;
        say::line("waiting for a change; Ctrl-C ends this");
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if fingerprint(path) != seen {
                break;
            }
        }
    }
}

/// What changes when a file does: how many there are, their bytes, and a sum over their times.
fn fingerprint(path: &Path) -> (usize, u64, u128) {
    let mut folders = vec![path.to_path_buf()];
    let (mut files, mut bytes, mut times) = (0, 0_u64, 0_u128);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let is_skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            // Links are not followed, so that no circle is walked.
            let Ok(meta) = entry.metadata() else { continue };
            if is_skipped || files >= MAX_FILES {
                continue;
            }
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.is_file() {
                files += 1;
                bytes = bytes.wrapping_add(meta.len());
                let at = meta.modified().ok();
                let at = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                times = times.wrapping_add(at.unwrap_or_default().as_nanos());
            }
        }
    }
    (files, bytes, times)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_of_a_source_is_seen_and_one_of_a_package_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir_all(path.join("node_modules/x")).unwrap();
        std::fs::write(path.join("a.js"), "1").unwrap();
        std::os::unix::fs::symlink(".", path.join("circle")).unwrap();
        let before = fingerprint(path);
        std::fs::write(path.join("node_modules/x/b.js"), "2").unwrap();
        assert_eq!(fingerprint(path), before);
        std::fs::write(path.join("a.js"), "12").unwrap();
        assert_ne!(fingerprint(path), before);
    }
}
