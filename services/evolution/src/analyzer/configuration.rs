//! What the answers of linters and compilers hang on beside the files themselves: configurations, what those load, packages.
//!
//! ESLint's own cache knows the configuration's values and the plugins' version numbers. Here the files count: a plugin that
//! changed under its old version, a module that the configuration loads, a comment in it.

mod modules;
mod packages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use modules::Modules;
use packages::{Files, Packages};

/// A larger configuration is data.
const MAX_BYTES: u64 = 4 << 20;

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
    let mut hasher = blake3::Hasher::new();
    let (mut flat, mut old, mut typescript) = (Vec::new(), Vec::new(), Vec::new());
    for folder in folders(sources) {
        for name in names(&root.join(folder)) {
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            add_file(&mut hasher, root, &path);
            match kind(&name) {
                Kind::Flat => flat.push(path),
                Kind::Old => old.push(path),
                Kind::TypeScript => typescript.push(path),
                Kind::Other | Kind::None => {}
            }
        }
    }
    let runs = may_run && !flat.is_empty();
    let nothing = || blake3::hash(&[]);
    let (loaded, dependencies) = rayon::join(
        || if runs { loaded(root, &flat) } else { nothing() },
        || {
            if runs || !typescript.is_empty() {
                dependencies(root)
            } else {
                nothing()
            }
        },
    );
    Configuration {
        files: hasher.finalize(),
        loaded,
        dependencies,
        flat,
        old,
        typescript,
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

fn kind(name: &str) -> Kind {
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
    const BEGINNINGS: [&str; 4] = [
        ".prettierrc",
        "prettier.config.",
        ".babelrc",
        "babel.config.",
    ];
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

/// A hash of a file's bytes; of its size and times if it is too large, and of nothing if it is not there.
fn content(path: &Path) -> blake3::Hash {
    let is_small = path
        .metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    let bytes = if is_small {
        std::fs::read(path).ok()
    } else {
        None
    };
    match bytes {
        Some(bytes) => blake3::hash(&bytes),
        None => packages::stat(path),
    }
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
