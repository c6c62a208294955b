//! Installed packages, with all packages that they name, by the sizes and times of their files.
//!
//! A file cannot change without its change time, which no program sets at will; so contents need not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

/// No project needs more.
const MAX_PACKAGES: usize = 5_000;
/// No package nests deeper.
const MAX_DEPTH: usize = 32;

/// Which files of a package count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// All of them.
    All,
    /// Those that types are read from; of the others, that they are there.
    Types,
}

/// Collects packages.
pub(super) struct Packages {
    root: PathBuf,
    files: Files,
    /// Packages that were looked for, with where they are.
    found: BTreeMap<PathBuf, BTreeSet<String>>,
    missing: BTreeSet<String>,
}

impl Packages {
    pub(super) fn new(root: &Path, files: Files) -> Self {
        Self {
            root: root.to_path_buf(),
            files,
            found: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Adds the package that `specifier` names in a module of `folder`, and all that it depends on.
    pub(super) fn add(&mut self, folder: &Path, specifier: &str) {
        let mut open = vec![(folder.to_path_buf(), package_name(specifier).to_owned())];
        while let Some((folder, name)) = open.pop() {
            let Some(package) = find(&folder, &name).or_else(|| find(&self.root, &name)) else {
                self.missing.insert(name);
                continue;
            };
            if self.found.len() >= MAX_PACKAGES || self.found.contains_key(&package) {
                continue;
            }
            let named = named_in(&package, false);
            open.extend(named.iter().map(|name| (package.clone(), name.clone())));
            self.found.insert(package, named);
        }
    }

    pub(super) fn hash(&self) -> blake3::Hash {
        let folders: Vec<&PathBuf> = self.found.keys().collect();
        let hashes: Vec<blake3::Hash> = folders
            .par_iter()
            .map(|path| folder(path, self.files))
            .collect();
        let mut hasher = blake3::Hasher::new();
        for (path, hash) in folders.into_iter().zip(hashes) {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(hash.as_bytes());
        }
        for name in &self.missing {
            hasher.update(name.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize()
    }
}

/// The names in a package's manifest.
pub(super) fn named_in(package: &Path, with_development: bool) -> BTreeSet<String> {
    let manifest = std::fs::read(package.join("package.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap_or_default();
    let mut fields = vec!["dependencies", "peerDependencies", "optionalDependencies"];
    if with_development {
        fields.push("devDependencies");
    }
    let names = fields
        .into_iter()
        .filter_map(|field| manifest[field].as_object());
    names.flat_map(|field| field.keys().cloned()).collect()
}

/// `@a/b/c` is in `@a/b`, and `a/b` in `a`.
fn package_name(specifier: &str) -> &str {
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier
        .match_indices('/')
        .nth(parts - 1)
        .map(|(at, _)| at);
    &specifier[..end.unwrap_or(specifier.len())]
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let places = folder
        .ancestors()
        .filter(|folder| !folder.ends_with("node_modules"));
    let mut packages = places.map(|folder| folder.join("node_modules").join(name));
    packages
        .find(|package| package.join("package.json").is_file())?
        .canonicalize()
        .ok()
}

/// Whether a folder lies in an installed package.
pub(super) fn is_installed(folder: &Path) -> bool {
    folder
        .components()
        .any(|part| part.as_os_str() == "node_modules")
}

/// All files below a folder, without packages that are installed in it.
pub(super) fn folder(path: &Path, which: Files) -> blake3::Hash {
    let mut files = Vec::new();
    collect(path, which, 0, &mut files);
    files.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (path, stat) in files {
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&stat);
    }
    hasher.finalize()
}

fn collect(folder: &Path, which: Files, depth: usize, files: &mut Vec<(PathBuf, [u8; 32])>) {
    if depth > MAX_DEPTH {
        return;
    }
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name == "node_modules" || name == ".git" {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            collect(&entry.path(), which, depth + 1, files);
            continue;
        }
        let path = entry.path();
        let is_read = which == Files::All || has_types(&path);
        let stat = if is_read {
            *stat(&path).as_bytes()
        } else {
            [0; 32]
        };
        files.push((path, stat));
    }
}

fn has_types(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("ts" | "mts" | "cts" | "tsx" | "json"))
}

/// Size, times and number of a file, of the target where it is a link; of nothing if it is not there.
pub(super) fn stat(path: &Path) -> blake3::Hash {
    let Ok(meta) = path.metadata() else {
        return blake3::hash(&[]);
    };
    let times = [
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&meta.len().to_le_bytes());
    hasher.update(&meta.ino().to_le_bytes());
    for time in times {
        hasher.update(&time.to_le_bytes());
    }
    hasher.finalize()
}
