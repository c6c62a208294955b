//! The sizes of files, for the estimate of a job. Nothing is opened.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A file system that is slow or gone only makes the estimate rougher.
const SIZES_TIMEOUT: Duration = Duration::from_secs(1);

/// The size in bytes of each path below `root`; 0 for what is a pattern, no regular file, or not seen in time.
pub(crate) async fn of_files(root: PathBuf, paths: Vec<String>) -> Vec<u64> {
    let unknown = vec![0; paths.len()];
    let deadline = Instant::now() + SIZES_TIMEOUT;
    let reading = tokio::task::spawn_blocking(move || {
        let size = |path: &String| match std::fs::metadata(root.join(path)) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        };
        let in_time = |path| {
            if Instant::now() < deadline {
                size(path)
            } else {
                0
            }
        };
        paths.iter().map(in_time).collect()
    });
    match tokio::time::timeout(SIZES_TIMEOUT, reading).await {
        Ok(Ok(sizes)) => sizes,
        _ => unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn only_regular_files_have_a_size() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "hello").unwrap();
        let paths = ["a", ".", "gone", "*.rs"].map(str::to_owned).to_vec();
        let sizes = of_files(folder.path().to_path_buf(), paths).await;
        assert_eq!(sizes, [5, 0, 0, 0]);
    }
}
