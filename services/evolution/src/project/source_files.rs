//! The source files of a project, as git would list them: what is ignored, installed, built or not of the project is left out.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ignore::{DirEntry, WalkBuilder, WalkState};
use shim_proto::evolution::v1::{ModuleSystem, Project as ProjectMessage, UnreadFile};

use super::content::{self, MAX_SOURCE_BYTES, ModuleSyntax};
use super::error::ProjectError;
use super::language::{Language, ModuleKind};
use super::package::PackageJson;
use super::seen_files::{self, SeenFile, Stamp};

type SeenFiles = seen_files::SeenFiles<SourceFile>;

/// Files that one call works on.
const MAX_FILES: usize = 100_000;
/// Threads of a walk: more wait for the same disk.
const MAX_THREADS: usize = 8;
/// Folders that others fill, wherever they stand.
const INSTALLED: [&str; 4] = [
    "node_modules",
    "bower_components",
    "jspm_packages",
    "web_modules",
];
/// Folders that builds and test runs fill.
const BUILT: [&str; 4] = ["dist", "coverage", ".next", ".nuxt"];
/// Hidden folders that hold sources all the same.
const SHOWN: [&str; 3] = [".storybook", ".github", ".config"];

/// A source file that every tool gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Relative to the project's root, with `/`.
    pub(crate) path: String,
    pub(crate) language: Language,
    /// How Node reads it.
    pub(crate) module_kind: ModuleKind,
    /// How its modules are in fact written.
    pub(crate) module_syntax: ModuleSyntax,
    pub(crate) bytes: u64,
    pub(crate) lines: usize,
    /// When it was last written.
    pub(crate) modified: SystemTime,
    /// Of its content.
    pub(crate) hash: blake3::Hash,
}

/// The source files of a project, by path.
#[derive(Debug, Default)]
pub(crate) struct SourceFiles {
    pub(crate) files: Vec<SourceFile>,
    /// What was left out and is no plain matter, with the reason; by path.
    pub(crate) unread: Vec<UnreadFile>,
}

impl SourceFiles {
    /// Adds what the files show to the project's message.
    pub(crate) fn describe(&self, message: &mut ProjectMessage) {
        message.source_files = self.files.len() as u64;
        message.source_lines = self.files.iter().map(|file| file.lines as u64).sum();
        message.module_system = self.module_system().into();
    }

    /// How the modules are written: one of the two if nine of ten files that show it are.
    pub(crate) fn module_system(&self) -> ModuleSystem {
        let count = |shows: fn(&ModuleSyntax) -> bool| {
            self.files
                .iter()
                .filter(|file| shows(&file.module_syntax))
                .count()
        };
        let esm = count(|syntax| syntax.has_esm);
        let commonjs = count(|syntax| syntax.has_commonjs && !syntax.has_esm);
        match (esm, commonjs) {
            (0, 0) => ModuleSystem::Unspecified,
            _ if esm >= 9 * commonjs => ModuleSystem::Esm,
            _ if commonjs >= 9 * esm => ModuleSystem::Commonjs,
            _ => ModuleSystem::Mixed,
        }
    }
}

/// Where to look.
pub(super) struct Search<'a> {
    /// The project's root, canonical.
    pub(super) root: &'a Path,
    /// Files and folders below the root, canonical; not empty.
    pub(super) within: &'a [PathBuf],
    /// Whether `.gitignore` files above the root count, since it lies in a repository.
    pub(super) has_git: bool,
    pub(super) package: &'a PackageJson,
    /// What is known of the files; what is found is added.
    pub(super) seen: &'a SeenFiles,
}

impl Search<'_> {
    /// Looks at all files, in parallel.
    pub(super) fn run(&self) -> Result<SourceFiles, ProjectError> {
        let found = Mutex::new(Found::default());
        let Some((first, others)) = self.within.split_first() else {
            return Ok(SourceFiles::default());
        };
        let mut walk = WalkBuilder::new(first);
        for other in others {
            walk.add(other);
        }
        let root = self.root.to_path_buf();
        let left_out = std::sync::Arc::new(Mutex::new(Vec::new()));
        let noted = std::sync::Arc::clone(&left_out);
        walk.hidden(false)
            .ignore(false)
            .parents(self.has_git)
            .require_git(false)
            .follow_links(false)
            .threads(threads())
            .filter_entry(move |entry| match leave_out(entry) {
                None => true,
                Some(reason) => {
                    if !reason.is_empty() {
                        locked(&noted).push(unread(&root, entry.path(), reason));
                    }
                    false
                }
            });
        walk.build_parallel().run(|| {
            let (root, found, seen) = (self.root, &found, self.seen);
            Box::new(move |entry| look(root, entry, found, seen))
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.unread.append(&mut locked(&left_out));
        self.finish(found)
    }

    fn finish(&self, found: Found) -> Result<SourceFiles, ProjectError> {
        if found.is_too_large {
            return Err(ProjectError::TooLarge {
                root: self.root.display().to_string(),
                limit: MAX_FILES,
            });
        }
        let mut kinds = ModuleKinds::new(self.root, self.package);
        let files = found.files.into_values().map(|(mut file, by_name)| {
            file.module_kind = by_name.unwrap_or_else(|| kinds.of(&file.path));
            file
        });
        let files = files.collect();
        let mut unread = found.unread;
        unread.sort_by(|a, b| a.path.cmp(&b.path));
        unread.dedup();
        Ok(SourceFiles { files, unread })
    }
}

fn threads() -> usize {
    let available = std::thread::available_parallelism();
    available.map_or(1, std::num::NonZero::get).min(MAX_THREADS)
}

/// What the threads of a walk found.
#[derive(Default)]
struct Found {
    /// By path, for entries of `include` may overlap.
    files: BTreeMap<String, (SourceFile, Option<ModuleKind>)>,
    unread: Vec<UnreadFile>,
    is_too_large: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a folder is not entered: `Some("")` if there is nothing to say about it. What was asked for by name is entered.
fn leave_out(entry: &DirEntry) -> Option<&'static str> {
    if entry.depth() == 0 || !entry.file_type().is_some_and(|it| it.is_dir()) {
        return None;
    }
    let name = entry.file_name().to_str().unwrap_or_default();
    if name == ".git" || INSTALLED.contains(&name) {
        return Some("");
    }
    if BUILT.contains(&name) {
        return Some("output of a build; name it in `include` to have it read");
    }
    if name.starts_with('.') && !SHOWN.contains(&name) {
        return Some("");
    }
    if entry.path().join(".git").symlink_metadata().is_ok() {
        return Some("another repository: a submodule, a worktree or a clone");
    }
    None
}

fn look(
    root: &Path,
    entry: Result<DirEntry, ignore::Error>,
    found: &Mutex<Found>,
    seen: &SeenFiles,
) -> WalkState {
    match entry {
        Ok(entry) => look_at(root, &entry, found, seen),
        Err(why) => {
            note_failure(root, &why, found);
            WalkState::Continue
        }
    }
}

fn look_at(root: &Path, entry: &DirEntry, found: &Mutex<Found>, seen: &SeenFiles) -> WalkState {
    let Some(name) = entry.file_name().to_str() else {
        if looks_like_source(entry) {
            locked(found)
                .unread
                .push(unread(root, entry.path(), "its name is not UTF-8"));
        }
        return WalkState::Continue;
    };
    let is_folder = entry.file_type().is_some_and(|it| it.is_dir());
    let Some((language, by_name)) = Language::of(name).filter(|_| !is_folder) else {
        return WalkState::Continue;
    };
    match read(root, entry, (name, language), seen) {
        Ok(Some(file)) => {
            let mut found = locked(found);
            found.files.insert(file.path.clone(), (file, by_name));
            if found.files.len() > MAX_FILES {
                found.is_too_large = true;
                return WalkState::Quit;
            }
        }
        Ok(None) => {}
        Err(reason) => locked(found)
            .unread
            .push(unread(root, entry.path(), &reason)),
    }
    WalkState::Continue
}

/// A folder or file that the system does not show.
fn note_failure(root: &Path, why: &ignore::Error, found: &Mutex<Found>) {
    // One that is gone meanwhile is no file of the project.
    let is_gone = why
        .io_error()
        .is_some_and(|it| it.kind() == std::io::ErrorKind::NotFound);
    if let (false, Some(path)) = (is_gone, path_of(why)) {
        let reason = why
            .io_error()
            .map_or_else(|| why.to_string(), ToString::to_string);
        locked(found).unread.push(unread(root, path, &reason));
    }
}

fn path_of(why: &ignore::Error) -> Option<&Path> {
    match why {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

fn looks_like_source(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_some_and(|it| it.is_dir());
    !is_folder && Language::of(&entry.file_name().to_string_lossy()).is_some()
}

/// Reads a file; `None` if it is gone, or is read under another name. The error is the reason why it is left out.
fn read(
    root: &Path,
    entry: &DirEntry,
    (name, language): (&str, Language),
    seen: &SeenFiles,
) -> Result<Option<SourceFile>, String> {
    let path = entry.path();
    let kind = entry.file_type();
    if kind.is_some_and(|it| it.is_symlink()) {
        return follow(root, path);
    }
    if !kind.is_some_and(|it| it.is_file()) {
        return Err("no regular file".to_owned());
    }
    if let Some(known) = seen.of(path) {
        return known.map(Some);
    }
    let now = SystemTime::now();
    let (bytes, stamp) = match bounded(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why.to_string()),
        Ok(read) => read,
    };
    let content = Content { bytes, stamp };
    let read = content.file(relative(root, path), name, language);
    seen.add(path, now, SeenFile::new(stamp, read.clone()));
    read.map(Some)
}

/// What was read of a file.
struct Content {
    bytes: Vec<u8>,
    stamp: Stamp,
}

impl Content {
    /// The source file that it is. The error is the reason why it is none.
    fn file(&self, path: String, name: &str, language: Language) -> Result<SourceFile, String> {
        if self.bytes.len() as u64 > MAX_SOURCE_BYTES {
            return Err(format!("larger than {} KiB", MAX_SOURCE_BYTES >> 10));
        }
        let text = content::readable(name, &self.bytes)?;
        Ok(SourceFile {
            path,
            language,
            module_kind: ModuleKind::CommonJs,
            module_syntax: content::module_syntax(text),
            bytes: self.bytes.len() as u64,
            lines: content::line_count(text),
            modified: self.stamp.modified(),
            hash: blake3::hash(&self.bytes),
        })
    }
}

/// At most one byte more than a source may have, and the file's stamp from before it was read.
fn bounded(path: &Path) -> std::io::Result<(Vec<u8>, Stamp)> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    // A pipe that took the file's place is not waited for, and a link not followed.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = options.read(true).custom_flags(flags.bits()).open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}

/// A link's target is read at its own place, if it lies in the project.
fn follow(root: &Path, path: &Path) -> Result<Option<SourceFile>, String> {
    match path.canonicalize() {
        Ok(target) if target.starts_with(root) => Ok(None),
        Ok(_) => Err("a link out of the project".to_owned()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            Err("a link to nothing".to_owned())
        }
        Err(why) => Err(format!("a link: {why}")),
    }
}

fn unread(root: &Path, path: &Path, reason: &str) -> UnreadFile {
    UnreadFile {
        path: relative(root, path),
        tool: String::new(),
        reason: reason.to_owned(),
    }
}

/// Relative to the root, with `/`.
fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.to_string_lossy().into_owned()
}

/// How Node reads files whose names do not say it: by the nearest package.json.
struct ModuleKinds<'a> {
    root: &'a Path,
    by_folder: HashMap<PathBuf, ModuleKind>,
}

impl<'a> ModuleKinds<'a> {
    fn new(root: &'a Path, package: &PackageJson) -> Self {
        let by_folder = HashMap::from([(root.to_path_buf(), package.module_kind())]);
        Self { root, by_folder }
    }

    fn of(&mut self, path: &str) -> ModuleKind {
        let folder = self.root.join(path);
        self.of_folder(folder.parent().unwrap_or(self.root))
    }

    fn of_folder(&mut self, folder: &Path) -> ModuleKind {
        if let Some(kind) = self.by_folder.get(folder) {
            return *kind;
        }
        // A broken manifest of a part of the project says nothing.
        let own = PackageJson::read(folder).ok().flatten();
        let kind = match (own, folder.parent()) {
            (Some(package), _) => package.module_kind(),
            (None, Some(above)) if above.starts_with(self.root) => self.of_folder(above),
            (None, _) => ModuleKind::CommonJs,
        };
        self.by_folder.insert(folder.to_path_buf(), kind);
        kind
    }
}
