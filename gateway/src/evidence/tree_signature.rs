//! A signature of all that git's look at a work tree depends on: while it stays the same, the answer of the look before does.
//!
//! It covers names, kinds, sizes, times and inodes below the top, but for what git said it ignores; the index; the commit; and
//! every file that configures git, its excludes and its attributes. A file whose change could leave its times as they are,
//! since it was changed a moment ago, has no signature (git's own rule for its index, gitformat-index(5), "racy git").

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shim_runtime::git::Configuration;

use super::head::Head;

/// A larger or slower tree has no signature.
const MAX_ENTRIES: usize = 4_000;
const BUDGET: Duration = Duration::from_millis(4);
/// A file system's clock is behind the time of day by less than this, where it counts in less than milliseconds,
const FINE_CLOCK: Duration = Duration::from_millis(100);
/// and by less than this elsewhere.
const COARSE_CLOCK: Duration = Duration::from_secs(3);
/// Settings that take further files or programs into account.
const UNSEEN: [&str; 5] = [
    "excludesfile",
    "attributesfile",
    "worktree",
    "fsmonitor",
    "submodule",
];

/// A signature; the same one means that nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TreeSignature(blake3::Hash);

/// Paths that git ignores, relative to the top; folders without a slash at their end.
pub(super) type Ignored = HashSet<Vec<u8>>;

/// The signature of the work tree at `top`; `None` where something is not covered, too large or too young.
pub(super) fn take(
    top: &Path,
    head: &Head,
    configuration: &Configuration,
    ignored: &Ignored,
) -> Option<TreeSignature> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let git_dir = top.join(".git");
    if !is_covered(top, &git_dir, configuration) {
        return None;
    }
    let mut walk = Walk {
        hasher: blake3::Hasher::new(),
        ignored,
        entries: 0,
        newest: Duration::ZERO,
        end: Instant::now() + BUDGET,
    };
    for part in configuration.parts() {
        walk.add_text(part);
    }
    walk.add_text(head.commit.as_bytes());
    for file in [
        "index",
        "info/exclude",
        "info/attributes",
        "info/sparse-checkout",
    ] {
        walk.add_file(&git_dir.join(file))?;
    }
    for file in files_of_user() {
        walk.add_file(&file)?;
    }
    walk.add_folder(top, &mut Vec::new())?;
    let is_fine = !walk.newest.subsec_nanos().is_multiple_of(1_000_000);
    let margin = if is_fine { FINE_CLOCK } else { COARSE_CLOCK };
    (walk.newest.saturating_add(margin) < now).then(|| TreeSignature(walk.hasher.finalize()))
}

/// Whether git's answer depends on nothing beside what a signature is made of.
fn is_covered(top: &Path, git_dir: &Path, configuration: &Configuration) -> bool {
    !UNSEEN.iter().any(|setting| configuration.mentions(setting))
        && !top.join(".gitmodules").exists()
        && !git_dir.join("refs/replace").exists()
        && !git_dir.join("info/grafts").exists()
}

/// The excludes and attributes of the user and of the machine where no setting names others; see gitignore(5) and
/// gitattributes(5).
fn files_of_user() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty());
    let home = named("HOME").map(|home| Path::new(&home).join(".config"));
    let folder = named("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    let mut files = vec![PathBuf::from("/etc/gitattributes")];
    if let Some(folder) = folder {
        files.extend(["git/ignore", "git/attributes"].map(|file| folder.join(file)));
    }
    files
}

struct Walk<'a> {
    hasher: blake3::Hasher,
    ignored: &'a Ignored,
    entries: usize,
    /// The newest change of a file, since 1970.
    newest: Duration,
    end: Instant,
}

impl Walk<'_> {
    fn add_text(&mut self, text: &[u8]) {
        self.hasher.update(&(text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }

    /// A file that may be missing.
    fn add_file(&mut self, file: &Path) -> Option<()> {
        match file.metadata() {
            Ok(metadata) => self.add_metadata(&metadata),
            Err(why) if why.kind() == ErrorKind::NotFound => self.add_text(b""),
            Err(_) => return None,
        }
        Some(())
    }

    fn add_metadata(&mut self, it: &Metadata) {
        let changed = Duration::new(
            u64::try_from(it.ctime()).unwrap_or(u64::MAX),
            u32::try_from(it.ctime_nsec()).unwrap_or_default(),
        );
        self.newest = self.newest.max(changed);
        for number in [
            u64::from(it.mode()),
            it.len(),
            it.ino(),
            it.mtime().cast_unsigned(),
            it.mtime_nsec().cast_unsigned(),
            it.ctime().cast_unsigned(),
            it.ctime_nsec().cast_unsigned(),
        ] {
            self.hasher.update(&number.to_le_bytes());
        }
    }

    /// All entries below a folder; `name` is its name below the top, and the same afterwards.
    fn add_folder(&mut self, folder: &Path, name: &mut Vec<u8>) -> Option<()> {
        if Instant::now() > self.end {
            return None;
        }
        for entry in folder.read_dir().ok()? {
            let entry = entry.ok()?;
            let own = entry.file_name();
            if own.as_bytes() == b".git" {
                // Another repository below this one has a state of its own.
                name.is_empty().then_some(())?;
                continue;
            }
            let above = name.len();
            if above > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(own.as_bytes());
            if !self.ignored.contains(name.as_slice()) {
                self.add_entry(&entry.path(), name)?;
            }
            name.truncate(above);
        }
        self.add_text(b"end");
        Some(())
    }

    fn add_entry(&mut self, path: &Path, name: &mut Vec<u8>) -> Option<()> {
        self.entries += 1;
        let metadata = path.symlink_metadata().ok()?;
        if self.entries > MAX_ENTRIES {
            return None;
        }
        self.add_text(name);
        // What a folder's own times tell is told by its entries.
        if !metadata.is_dir() {
            self.add_metadata(&metadata);
            return Some(());
        }
        self.hasher.update(&metadata.mode().to_le_bytes());
        self.add_folder(path, name)
    }
}
