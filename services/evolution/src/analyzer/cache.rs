//! What is kept of each project's last analysis: answers by content and configuration, in memory and in the data folder.
//!
//! Nothing here decides whether an answer is still true: its key does. What cannot be read counts as missing.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prost::Message;
use shim_proto::evolution::v1::{AnalysisReport, Finding, UnreadFile};
use shim_runtime::stack::make_private_dir;

use super::graph::Resolved;
use crate::domain::analysis::facts::FileFacts;
use crate::domain::analysis::history::History;
use crate::project::SeenFiles;

/// Changes with the meaning of what is kept.
const FORMAT: &str = concat!("shim-analysis 2 ", env!("CARGO_PKG_VERSION"));
const HASH_BYTES: usize = 32;
/// The most that the folder holds; the oldest goes first.
const MAX_FOLDER_BYTES: u64 = 256 << 20;
/// A larger answer is not kept.
const MAX_FILE_BYTES: u64 = 64 << 20;
const MAX_PROJECTS: usize = 4;
/// A file that is still being written is younger.
const UNFINISHED: Duration = Duration::from_secs(3_600);
/// Tokens of all projects in memory, of eight bytes each.
const MAX_TOKENS: usize = 12_000_000;

/// What is kept on disk.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Kept {
    /// [`FORMAT`] of what wrote it.
    #[prost(string, tag = "1")]
    pub(super) format: String,
    /// What the whole answer hangs on.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) answer_key: Vec<u8>,
    /// The whole answer.
    #[prost(message, optional, tag = "3")]
    pub(super) report: Option<AnalysisReport>,
    /// What ESLint said of each file.
    #[prost(message, repeated, tag = "4")]
    pub(super) lint: Vec<KeptFile>,
    /// What oxlint said of each file.
    #[prost(message, repeated, tag = "5")]
    pub(super) fast_lint: Vec<KeptFile>,
    /// What the compiler said.
    #[prost(message, optional, tag = "6")]
    pub(super) types: Option<KeptTypes>,
    /// Notes of the linter about its configuration.
    #[prost(string, repeated, tag = "7")]
    pub(super) lint_notes: Vec<String>,
    /// Name and version of the linter.
    #[prost(string, tag = "8")]
    pub(super) lint_tool: String,
}

/// What a linter said of one file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeptFile {
    /// Relative path.
    #[prost(string, tag = "1")]
    pub(super) path: String,
    /// What it hangs on: content, path, configuration, tool.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) key: Vec<u8>,
    /// What it hangs on beside, if it may hang on other files.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) world: Vec<u8>,
    /// Its findings.
    #[prost(message, repeated, tag = "4")]
    pub(super) findings: Vec<Finding>,
    /// Why there is no full answer.
    #[prost(message, optional, tag = "5")]
    pub(super) unread: Option<UnreadFile>,
}

impl KeptFile {
    /// Whether it is still true.
    pub(super) fn holds(&self, key: &blake3::Hash, world: &blake3::Hash) -> bool {
        self.key == key.as_bytes() && (self.world.is_empty() || self.world == world.as_bytes())
    }
}

/// What the compiler said of the whole project.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeptTypes {
    /// What it hangs on.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    /// Its findings.
    #[prost(message, repeated, tag = "2")]
    pub(super) findings: Vec<Finding>,
    /// What a reader should know.
    #[prost(string, repeated, tag = "3")]
    pub(super) notes: Vec<String>,
}

/// What is kept in memory.
#[derive(Default)]
pub(super) struct Memory {
    /// As on disk.
    pub(super) kept: Kept,
    /// Its source files as they were read.
    pub(super) seen: Arc<SeenFiles>,
    /// Facts by the hash of grammar and content.
    pub(super) facts: HashMap<blake3::Hash, Arc<FileFacts>>,
    /// Where imports lead.
    pub(super) resolved: Resolved,
    /// The history, and what it hangs on.
    pub(super) history: Option<(String, Arc<History>)>,
}

impl Memory {
    fn tokens(&self) -> usize {
        self.facts
            .values()
            .map(|facts| facts.tokens.hashes.len())
            .sum()
    }
}

/// The memory and the folder.
pub(super) struct Cache {
    folder: PathBuf,
    projects: Mutex<VecDeque<(PathBuf, Memory)>>,
}

impl Cache {
    /// Keeps files in `folder`, which is made with the first of them.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            projects: Mutex::default(),
        }
    }

    /// Takes what is known of a project, until it is put back.
    pub(super) fn take(&self, root: &Path) -> Memory {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let at = projects.iter().position(|(known, _)| known == root);
        if let Some((_, memory)) = at.and_then(|at| projects.remove(at)) {
            return memory;
        }
        drop(projects);
        Memory {
            kept: self.read(root).unwrap_or_default(),
            ..Memory::default()
        }
    }

    /// What is known of a project, which stays there.
    pub(super) fn known(&self, root: &Path) -> Kept {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let known = projects.iter().find(|(known, _)| known == root);
        if let Some((_, memory)) = known {
            return memory.kept.clone();
        }
        drop(projects);
        self.read(root).unwrap_or_default()
    }

    /// Puts it back. With `is_new` it is written to the folder as well.
    pub(super) fn put(&self, root: &Path, mut memory: Memory, is_new: bool) {
        FORMAT.clone_into(&mut memory.kept.format);
        if is_new && let Err(why) = self.write(root, &memory.kept) {
            tracing::warn!(%why, folder = %self.folder.display(), "an analysis is not kept");
        }
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.retain(|(known, _)| known != root);
        projects.push_front((root.to_path_buf(), memory));
        let mut tokens = 0;
        let mut fitting = 0;
        for (_, memory) in projects.iter().take(MAX_PROJECTS) {
            tokens += memory.tokens();
            if tokens > MAX_TOKENS {
                break;
            }
            fitting += 1;
        }
        projects.truncate(fitting);
    }

    /// Where the compiler keeps what makes its next run shorter.
    pub(super) fn build_info(&self, root: &Path, config: &str) -> std::io::Result<PathBuf> {
        make_private_dir(&self.folder)?;
        let config = blake3::hash(config.as_bytes()).to_hex();
        let path = self
            .folder
            .join(format!("{}-{}.tsbuildinfo", name(root), &config[..8]));
        // The compiler keeps the mode of a file that is there.
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).open(&path)?;
        Ok(path)
    }

    fn path(&self, root: &Path) -> PathBuf {
        self.folder.join(format!("{}.analysis", name(root)))
    }

    fn read(&self, root: &Path) -> Option<Kept> {
        let path = self.path(root);
        if path.metadata().ok()?.len() > MAX_FILE_BYTES {
            return None;
        }
        let bytes = std::fs::read(&path).ok()?;
        let (hash, content) = bytes.split_at_checked(HASH_BYTES)?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let kept = Kept::decode(content).ok()?;
        // Read is used: the oldest goes first.
        let _ = File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        (kept.format == FORMAT).then_some(kept)
    }

    fn write(&self, root: &Path, kept: &Kept) -> std::io::Result<()> {
        if kept.encoded_len() as u64 > MAX_FILE_BYTES {
            return Ok(());
        }
        make_private_dir(&self.folder)?;
        let content = kept.encode_to_vec();
        let path = self.path(root);
        let fresh = self
            .folder
            .join(format!("{}.{}", name(root), uuid::Uuid::now_v7()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| {
                file.write_all(blake3::hash(&content).as_bytes())?;
                file.write_all(&content)
            })
            .and_then(|()| std::fs::rename(&fresh, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        self.remove_oldest()?;
        written
    }

    fn remove_oldest(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (meta, path) = (entry.metadata()?, entry.path());
            let age = meta.modified()?.elapsed().unwrap_or_default();
            if !is_kept(&path) && age > UNFINISHED {
                std::fs::remove_file(path)?;
                continue;
            }
            files.push((meta.modified()?, meta.len(), path));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= MAX_FOLDER_BYTES {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

/// Whether a file is whole; others were being written when their process ended.
fn is_kept(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("analysis" | "tsbuildinfo"))
}

fn name(root: &Path) -> String {
    blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn memory(answer_key: &[u8]) -> Memory {
        Memory {
            kept: Kept {
                answer_key: answer_key.to_vec(),
                ..Kept::default()
            },
            ..Memory::default()
        }
    }

    #[test]
    fn another_process_finds_what_was_kept_and_garbage_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new("/p");
        let cache = Cache::new(folder.path().join("cache"));
        cache.put(root, memory(b"key"), true);
        let other = Cache::new(folder.path().join("cache"));
        assert_eq!(other.take(root).kept.answer_key, b"key");
        let file = other.path(root);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut bytes = std::fs::read(&file).unwrap();
        for at in [0, HASH_BYTES + 1] {
            bytes[at] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(other.take(root).kept, Kept::default());
            bytes[at] ^= 1;
        }
        std::fs::write(&file, b"x").unwrap();
        assert_eq!(other.take(root).kept, Kept::default());
        assert_eq!(folder.path().join("cache").read_dir().unwrap().count(), 1);
    }

    #[test]
    fn memory_is_taken_once_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_path_buf());
        for at in 0..MAX_PROJECTS + 2 {
            cache.put(&PathBuf::from(format!("/{at}")), memory(b"key"), false);
        }
        assert_eq!(cache.projects.lock().unwrap().len(), MAX_PROJECTS);
        let last = PathBuf::from(format!("/{}", MAX_PROJECTS + 1));
        assert_eq!(cache.take(&last).kept.answer_key, b"key");
        assert_eq!(cache.take(&last).kept.answer_key, b"");
    }

    #[test]
    fn what_may_hang_on_other_files_holds_in_the_same_world_alone() {
        let (key, world) = (blake3::hash(b"key"), blake3::hash(b"world"));
        let alone = KeptFile {
            key: key.as_bytes().to_vec(),
            ..KeptFile::default()
        };
        let further = KeptFile {
            world: world.as_bytes().to_vec(),
            ..alone.clone()
        };
        let other = blake3::hash(b"other");
        assert!(alone.holds(&key, &other) && further.holds(&key, &world));
        assert!(!alone.holds(&other, &world) && !further.holds(&key, &other));
    }
}
