//! How many source files a folder of this machine has, as far as it matters whether an analysis of it is split.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_proto::coordination::v1::SubmitTaskRequest;
use shim_proto::limits::evolution::{SOURCE_EXTENSIONS, SPLIT_ABOVE_FILES};

use crate::domain::analysis_parts::{may_be_split, named_parts};

/// A submission waits no longer; what was not counted then is not there.
const COUNT_WITHIN: Duration = Duration::from_secs(2);
/// Entries of folders that are looked at.
const MAX_ENTRIES: usize = 100_000;

/// The source files of the project that a job analyzes, counted up to the number above which it is split; 0 where nobody asks.
pub(crate) async fn of_job(job: &SubmitTaskRequest) -> usize {
    let Some(folder) = folder(job) else {
        return 0;
    };
    let counting = tokio::task::spawn_blocking(move || count(&folder));
    let counted = tokio::time::timeout(COUNT_WITHIN, counting).await;
    counted.ok().and_then(Result::ok).unwrap_or_default()
}

/// The project of an analysis that may be split by its size.
fn folder(job: &SubmitTaskRequest) -> Option<PathBuf> {
    let is_asked = may_be_split(job) && job.files.is_empty() && named_parts(job) == Ok(None);
    let named = job.payload.as_ref().and_then(|it| it.fields.get("path"));
    let named = match named.and_then(|value| value.kind.as_ref()) {
        Some(prost_types::value::Kind::StringValue(path)) => path,
        Some(_) => return None,
        None => &job.workspace,
    };
    (is_asked && Path::new(named).is_absolute()).then(|| PathBuf::from(named))
}

fn count(folder: &Path) -> usize {
    let mut folders = vec![folder.to_path_buf()];
    let (mut files, mut entries) = (0, 0);
    while let Some(folder) = folders.pop() {
        let Ok(read) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in read.flatten() {
            entries += 1;
            if files > SPLIT_ABOVE_FILES || entries > MAX_ENTRIES {
                return files;
            }
            // Links are not followed.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if kind.is_dir() && name != "node_modules" && !name.starts_with('.') {
                folders.push(entry.path());
            } else if kind.is_file() && is_source(&name) {
                files += 1;
            }
        }
    }
    files
}

fn is_source(name: &str) -> bool {
    // `.js` alone is a hidden file without extension.
    name.rsplit_once('.')
        .is_some_and(|(stem, extension)| !stem.is_empty() && SOURCE_EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sources_are_counted_without_packages_links_and_hidden_folders() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "a.js",
            "src/b.tsx",
            "src/c.css",
            "node_modules/x/d.js",
            ".git/e.js",
            ".js",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(".", folder.path().join("circle")).unwrap();
        assert_eq!(count(folder.path()), 2);
        assert_eq!(count(&folder.path().join("none")), 0);
    }
}
