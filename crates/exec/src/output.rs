//! The output of a program within bounds: its head and its tail in memory, all of it up to a larger bound in a file.
//!
//! Secrets are taken out before anything is kept, so that a later cut cuts no secret in two.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_runtime::redact;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::artifacts::{Artifacts, MAX_ARTIFACT_BYTES};
use crate::text::{MARKER_BYTES, clipped, marker};

/// What one stream of a program wrote.
pub struct Output {
    artifacts: Arc<Artifacts>,
    path: PathBuf,
    /// Bytes kept in memory, half of them from the start and half from the end.
    limit: usize,
    secrets: redact::StreamRedactor,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    spill: Spill,
}

/// The file for more than fits in memory.
enum Spill {
    /// Everything is in memory.
    NotNeeded,
    Open(File),
    /// The disk failed; nothing more is written.
    Closed,
}

impl Output {
    /// Empty output that keeps `limit` bytes in memory; longer output goes to `path`, which is one of `artifacts`.
    #[must_use]
    pub fn new(artifacts: Arc<Artifacts>, path: PathBuf, limit: usize) -> Self {
        Self {
            artifacts,
            path,
            limit,
            secrets: redact::StreamRedactor::default(),
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
            spill: Spill::NotNeeded,
        }
    }

    /// Adds bytes that the program wrote.
    pub async fn push(&mut self, bytes: &[u8]) {
        let clean = self.secrets.push(bytes);
        self.keep(&clean).await;
    }

    /// Adds what was held back in search of a secret. Nothing may be pushed afterwards.
    pub async fn end(&mut self) {
        let clean = self.secrets.finish();
        self.keep(&clean).await;
    }

    async fn keep(&mut self, bytes: &[u8]) {
        let is_too_much = self.total + bytes.len() as u64 > self.limit as u64;
        if matches!(self.spill, Spill::NotNeeded) && is_too_much {
            self.begin_spill().await;
        }
        self.spill(bytes).await;
        self.total += bytes.len() as u64;
        let room = (self.limit / 2).saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.limit - self.limit / 2);
        self.tail.drain(..excess);
    }

    /// The output as text, with a mark in the place of what was left out; and whether something is missing.
    pub fn text(&mut self) -> (String, bool) {
        let (head, tail) = (&self.head, &*self.tail.make_contiguous());
        let missing = self.total - (head.len() + tail.len()) as u64;
        if missing == 0 {
            let whole = [head, tail].concat();
            return clipped(&String::from_utf8_lossy(&whole), self.limit);
        }
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        let text = format!("{head}{}{tail}", marker(missing));
        // Each byte that is no UTF-8 became a mark of three bytes.
        (clipped(&text, self.limit + MARKER_BYTES).0, true)
    }

    /// Whether the program wrote nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The file with the whole output, if memory keeps only a part.
    pub async fn artifact(&mut self) -> Option<&Path> {
        if let Spill::Open(file) = &mut self.spill
            && let Err(why) = file.flush().await
        {
            self.give_up(&why);
        }
        let is_there = !matches!(self.spill, Spill::NotNeeded) && self.path.exists();
        is_there.then_some(self.path.as_path())
    }

    async fn begin_spill(&mut self) {
        self.spill = match self.artifacts.create(&self.path).await {
            Ok(file) => Spill::Open(file),
            Err(why) => return self.give_up(&why),
        };
        let so_far = [&self.head, &*self.tail.make_contiguous()].concat();
        self.spill(&so_far).await;
    }

    async fn spill(&mut self, bytes: &[u8]) {
        let Spill::Open(file) = &mut self.spill else {
            return;
        };
        let room = MAX_ARTIFACT_BYTES.saturating_sub(self.total);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let written = file.write_all(&bytes[..room.min(bytes.len())]).await;
        if let Err(why) = written {
            self.give_up(&why);
        }
    }

    /// The run goes on without the file: head and tail are in memory. A part would pass for the whole, and takes room on a
    /// disk that may be full.
    fn give_up(&mut self, why: &std::io::Error) {
        tracing::warn!(%why, file = %self.path.display(), "long output is not kept");
        let _ = std::fs::remove_file(&self.path);
        self.spill = Spill::Closed;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn output(folder: &Path, limit: usize) -> Output {
        let keeping = crate::artifacts::Keeping {
            time: Duration::from_secs(60),
            bytes: 1 << 30,
        };
        let artifacts = Artifacts::open(folder, keeping).unwrap();
        let path = artifacts.path("task", 1, "stdout");
        Output::new(Arc::new(artifacts), path, limit)
    }

    #[tokio::test]
    async fn short_output_is_whole_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 1024);
        output.push("héllo ".as_bytes()).await;
        output.push(b"world").await;
        output.end().await;
        assert_eq!(output.text(), ("héllo world".to_owned(), false));
        assert_eq!(output.artifact().await, None);
    }

    #[tokio::test]
    async fn long_output_keeps_both_ends_and_is_whole_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 1024);
        let whole: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
        for chunk in whole.as_bytes().chunks(300) {
            output.push(chunk).await;
        }
        output.end().await;
        let (text, is_cut) = output.text();
        assert!(is_cut && text.starts_with("line 0\n") && text.ends_with("line 999\n"));
        assert!(text.contains(&format!("{} bytes left out", whole.len() - 1024)));
        assert!(text.len() <= 1024 + MARKER_BYTES);
        let file = output.artifact().await.unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), whole);
    }

    #[tokio::test]
    async fn endless_output_is_bounded_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 1024);
        let chunk = vec![0xFF; 1024 * 1024];
        for _ in 0..18 {
            output.push(&chunk).await;
        }
        output.end().await;
        assert!(output.text().0.len() <= 1024 + MARKER_BYTES);
        let file = output.artifact().await.unwrap();
        assert_eq!(file.metadata().unwrap().len(), MAX_ARTIFACT_BYTES);
    }

    #[tokio::test]
    async fn no_secret_is_kept_whole_or_cut_in_two() {
        let folder = tempfile::tempdir().unwrap();
        let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
        // Wherever the head ends and the tail begins, there is a token.
        let whole = format!("{token}\n").repeat(8_000);
        let mut output = output(folder.path(), 1024);
        for chunk in whole.as_bytes().chunks(1_000) {
            output.push(chunk).await;
        }
        output.end().await;
        let kept = std::fs::read_to_string(output.artifact().await.unwrap()).unwrap();
        assert_eq!(kept, whole.replace(&token, &redact::text(&token)));
        let (text, is_cut) = output.text();
        assert!(is_cut && !text.contains("c3D4"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_disk_that_is_full_leaves_no_part_that_passes_for_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 16);
        // Every write to this file fails as on a full disk.
        std::os::unix::fs::symlink("/dev/full", &output.path).unwrap();
        output.push(&[b'x'; 64 * 1024]).await;
        output.push(&[b'y'; 64 * 1024]).await;
        output.end().await;
        let (text, is_cut) = output.text();
        assert!(is_cut && text.starts_with('x') && text.ends_with('y'));
        assert_eq!(output.artifact().await, None);
        assert!(!output.path.exists());
    }

    #[tokio::test]
    async fn a_disk_that_fails_costs_only_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 16);
        std::fs::remove_dir_all(folder.path()).unwrap();
        std::fs::write(folder.path(), "no folder any more").unwrap();
        output.push(&[b'x'; 64]).await;
        output.end().await;
        assert!(output.text().1);
        assert_eq!(output.artifact().await, None);
    }
}
