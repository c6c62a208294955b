//! The modules of the project that a configuration loads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use oxc_resolver::{ResolveOptions, Resolver};

use super::contents::content;
use super::packages::{self, Files, is_installed};
use crate::analyzer::facts;

/// No configuration loads more of its own.
const MAX_MODULES: usize = 500;

/// Follows imports from module to module, as long as they stay in the project.
pub(super) struct Modules {
    root: PathBuf,
    resolver: Resolver,
    contents: BTreeMap<PathBuf, blake3::Hash>,
    /// Folders of modules beside the root: one may read its neighbours by name.
    folders: BTreeSet<PathBuf>,
    /// Packages, with the folder they are asked for from.
    pub(super) packages: BTreeSet<(PathBuf, String)>,
}

impl Modules {
    pub(super) fn new(root: &Path) -> Self {
        let options = ResolveOptions {
            condition_names: ["node", "import", "require"].map(str::to_owned).into(),
            extensions: [".js", ".mjs", ".cjs", ".ts", ".json"]
                .map(str::to_owned)
                .into(),
            ..ResolveOptions::default()
        };
        Self {
            root: root.to_path_buf(),
            resolver: Resolver::new(options),
            contents: BTreeMap::new(),
            folders: BTreeSet::new(),
            packages: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, configuration: &Path) {
        let mut open = vec![configuration.to_path_buf()];
        while let Some(module) = open.pop() {
            if self.contents.len() >= MAX_MODULES || self.contents.contains_key(&module) {
                continue;
            }
            self.contents.insert(module.clone(), content(&module));
            let Some(folder) = module.parent().map(Path::to_path_buf) else {
                continue;
            };
            for specifier in imports(&module) {
                if !specifier.starts_with(['.', '/']) {
                    self.packages.insert((folder.clone(), specifier));
                } else if let Ok(found) = self.resolver.resolve(&folder, &specifier) {
                    self.follow(found.into_path_buf(), &mut open);
                }
            }
        }
    }

    fn follow(&mut self, found: PathBuf, open: &mut Vec<PathBuf>) {
        let folder = found.parent().unwrap_or(&self.root);
        if folder != self.root && folder.starts_with(&self.root) && !is_installed(folder) {
            self.folders.insert(folder.to_path_buf());
        }
        open.push(found);
    }

    pub(super) fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (path, content) in &self.contents {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(content.as_bytes());
        }
        for folder in &self.folders {
            hasher.update(packages::folder(folder, Files::All).as_bytes());
        }
        hasher.finalize()
    }
}

fn imports(module: &Path) -> Vec<String> {
    let is_code = module
        .extension()
        .is_some_and(|extension| extension != "json");
    let text = is_code
        .then(|| std::fs::read_to_string(module).ok())
        .flatten();
    let facts = text.and_then(|text| {
        facts::read(facts::language(&module.to_string_lossy()), &text, &|| false).ok()
    });
    facts
        .into_iter()
        .flat_map(|facts| facts.imports)
        .map(|import| import.specifier)
        .collect()
}
