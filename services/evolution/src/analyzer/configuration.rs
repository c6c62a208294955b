//! What the answers of linters and compilers hang on beside the files themselves: configurations, what those load, packages.
//!
//! ESLint's own cache knows the configuration's values and the plugins' version numbers. Here the files count: a plugin that
//! changed under its old version, a module that the configuration loads, a comment in it.

mod contents;
mod modules;
mod packages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use contents::content;
use modules::Modules;
use packages::{Files, Packages};
use rayon::prelude::*;

/// The configurations of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    /// The contents of all files that configure tools.
    pub(super) files: blake3::Hash,
    /// What flat configurations of ESLint load: their modules, their packages, and the project's own ESLint.
    pub(super) loaded: blake3::Hash,
    /// The packages that the sources use.
    pub(super) dependencies: blake3::Hash,
    /// Flat configurations of ESLint, relative paths.
    pub(super) flat: Vec<String>,
    /// Configurations of ESLint 8 and older, relative paths.
    pub(super) old: Vec<String>,
    /// Configurations of TypeScript, relative paths.
    pub(super) typescript: Vec<String>,
}

/// Reads the configurations in the folders of the sources and in those above them, up to the root. What flat configurations
/// load is looked at only if they may run.
pub(super) fn read<'a>(
    root: &Path,
    sources: impl Iterator<Item = &'a str>,
    may_run: bool,
) -> Configuration {
    let mut found = Configuration {
        files: blake3::hash(&[]),
        loaded: blake3::hash(&[]),
        dependencies: blake3::hash(&[]),
        flat: Vec::new(),
        old: Vec::new(),
        typescript: Vec::new(),
    };
    found.find(root, sources);
    let runs = may_run && !found.flat.is_empty();
    let has_types = !found.typescript.is_empty();
    let (loaded, dependencies) = rayon::join(
        || runs.then(|| loaded(root, &found.flat)),
        || (runs || has_types).then(|| dependencies(root)),
    );
    found.loaded = loaded.unwrap_or(found.loaded);
    found.dependencies = dependencies.unwrap_or(found.dependencies);
    found
}

impl Configuration {
    /// Finds the files, in the folders of the sources and in those above them.
    fn find<'a>(&mut self, root: &Path, sources: impl Iterator<Item = &'a str>) {
        let mut hasher = blake3::Hasher::new();
        let folders: Vec<&str> = folders(sources).into_iter().collect();
        let names: Vec<Vec<String>> = folders
            .par_iter()
            .map(|folder| names(&root.join(folder)))
            .collect();
        for (folder, names) in folders.into_iter().zip(names) {
            for name in names {
                let path = if folder.is_empty() {
                    name.clone()
                } else {
                    format!("{folder}/{name}")
                };
                add_file(&mut hasher, root, &path);
                match kind(&name) {
                    Kind::Flat => self.flat.push(path),
                    Kind::Old => self.old.push(path),
                    Kind::TypeScript => self.typescript.push(path),
                    Kind::Other | Kind::None => {}
                }
            }
        }
        self.files = hasher.finalize();
    }
}

/// The folders of the files and those above them; the root is the empty path.
fn folders<'a>(sources: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut folders = BTreeSet::from([""]);
    for source in sources {
        let mut path = source;
        while let Some((folder, _)) = path.rsplit_once('/') {
            if !folders.insert(folder) {
                break;
            }
            path = folder;
        }
    }
    folders
}

/// Files of the folder that configure something, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !matches!(kind(name), Kind::None))
        .collect();
    names.sort_unstable();
    names
}

enum Kind {
    Flat,
    Old,
    TypeScript,
    Other,
    None,
}

/// Files that configure other tools.
const OTHERS: [&str; 12] = [
    ".eslintignore",
    ".gitignore",
    ".editorconfig",
    ".prettierignore",
    ".browserslistrc",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "eslint-suppressions.json",
];
/// How names of such files begin.
const BEGINNINGS: [&str; 4] = [
    ".prettierrc",
    "prettier.config.",
    ".babelrc",
    "babel.config.",
];

fn kind(name: &str) -> Kind {
    let is_json = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "json");
    if ["js", "mjs", "cjs", "ts", "mts", "cts"]
        .iter()
        .any(|extension| name.strip_prefix("eslint.config.") == Some(extension))
    {
        Kind::Flat
    } else if name == ".eslintrc" || name.starts_with(".eslintrc.") {
        Kind::Old
    } else if is_json && (name.starts_with("tsconfig") || name.starts_with("jsconfig")) {
        Kind::TypeScript
    } else if OTHERS.contains(&name)
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
    {
        Kind::Other
    } else {
        Kind::None
    }
}

fn add_file(hasher: &mut blake3::Hasher, root: &Path, path: &str) {
    hasher.update(&(path.len() as u64).to_le_bytes());
    hasher.update(path.as_bytes());
    hasher.update(content(&root.join(path)).as_bytes());
}

fn loaded(root: &Path, flat: &[String]) -> blake3::Hash {
    let mut modules = Modules::new(root);
    for path in flat {
        modules.add(&root.join(path));
    }
    let mut packages = Packages::new(root, Files::All);
    packages.add(root, "eslint");
    packages.add(root, "jiti");
    for (folder, name) in &modules.packages {
        packages.add(folder, name);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(modules.hash().as_bytes());
    hasher.update(packages.hash().as_bytes());
    hasher.finalize()
}

/// Types and what plugins look for come from the packages that package.json names.
fn dependencies(root: &Path) -> blake3::Hash {
    let mut packages = Packages::new(root, Files::Types);
    for name in packages::named_in(root, true) {
        packages.add(root, &name);
    }
    let types: PathBuf = root.join("node_modules/@types");
    for entry in types.read_dir().into_iter().flatten().flatten() {
        packages.add(
            root,
            &format!("@types/{}", entry.file_name().to_string_lossy()),
        );
    }
    packages.hash()
}

#[cfg(test)]
mod tests;
