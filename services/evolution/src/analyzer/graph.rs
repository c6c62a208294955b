//! Which file of the project imports which: Node's rules, `paths` of tsconfig.json, index files, extensions left out.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use oxc_resolver::{ResolveOptions, Resolver, TsconfigDiscovery};
use rayon::prelude::*;

use crate::domain::analysis::cycles::Imports;
use crate::domain::analysis::facts::Import;

/// Where imports of files lead, as long as the project has the same files and configurations.
#[derive(Default)]
pub(super) struct Resolved {
    key: Option<blake3::Hash>,
    /// By folder and import; `None` leads out of the project.
    targets: HashMap<(String, Import), Option<String>>,
}

/// The graph of the files, from each file's imports. What was resolved before is not resolved again while `key` stays.
pub(super) fn graph(
    root: &Path,
    files: &[(&str, &[Import])],
    key: blake3::Hash,
    resolved: &mut Resolved,
) -> Imports {
    if resolved.key != Some(key) {
        *resolved = Resolved {
            key: Some(key),
            ..Resolved::default()
        };
    }
    let targets = new_targets(root, files, resolved);
    resolved.targets.extend(targets);
    let mut graph = Imports::new();
    for (path, imports) in files {
        let folder = folder(path);
        let targets = imports.iter().filter_map(|import| {
            resolved
                .targets
                .get(&(folder.to_owned(), import.clone()))?
                .clone()
        });
        graph.insert((*path).to_owned(), targets.collect());
    }
    graph
}

/// Where the imports lead that were not resolved before.
fn new_targets(
    root: &Path,
    files: &[(&str, &[Import])],
    resolved: &Resolved,
) -> Vec<((String, Import), Option<String>)> {
    let mut new: BTreeSet<(&str, &str, bool)> = BTreeSet::new();
    let mut asked = Vec::new();
    for (path, imports) in files {
        let folder = folder(path);
        for import in *imports {
            let is_known = resolved
                .targets
                .contains_key(&(folder.to_owned(), import.clone()));
            if !is_known && new.insert((folder, &import.specifier, import.is_require)) {
                asked.push((*path, import));
            }
        }
    }
    let known: BTreeSet<&str> = files.iter().map(|(path, _)| *path).collect();
    let resolvers = Resolvers::new(root);
    asked
        .par_iter()
        .map(|(path, import)| {
            let target = resolvers
                .target(path, import)
                .filter(|target| known.contains(target.as_str()));
            ((folder(path).to_owned(), (*import).clone()), target)
        })
        .collect()
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

struct Resolvers {
    root: PathBuf,
    import: Resolver,
    require: Resolver,
    /// For projects whose tsconfig.json is broken.
    plain: Resolver,
}

impl Resolvers {
    fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let import = Resolver::new(options("import", true));
        let require = import.clone_with_options(options("require", true));
        let plain = import.clone_with_options(options("import", false));
        Self {
            root,
            import,
            require,
            plain,
        }
    }

    fn target(&self, path: &str, import: &Import) -> Option<String> {
        // A package of the registry has no import of ours; one that is linked from this project leads back into it.
        let resolver = if import.is_require {
            &self.require
        } else {
            &self.import
        };
        let file = self.root.join(path);
        let resolution = resolver
            .resolve_file(&file, &import.specifier)
            .or_else(|_| self.plain.resolve_file(&file, &import.specifier));
        let found = resolution.ok()?.into_path_buf();
        let relative = found.strip_prefix(&self.root).ok()?;
        Some(relative.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))
    }
}

fn options(condition: &str, with_tsconfig: bool) -> ResolveOptions {
    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    ResolveOptions {
        tsconfig: with_tsconfig.then_some(TsconfigDiscovery::Auto),
        condition_names: list(&["node", condition]),
        extensions: list(&[
            ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json",
        ]),
        // TypeScript names the file that it will write.
        extension_alias: vec![
            (".js".to_owned(), list(&[".ts", ".tsx", ".js", ".jsx"])),
            (".jsx".to_owned(), list(&[".tsx", ".jsx"])),
            (".mjs".to_owned(), list(&[".mts", ".mjs"])),
            (".cjs".to_owned(), list(&[".cts", ".cjs"])),
        ],
        main_fields: list(&["module", "main"]),
        ..ResolveOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_lead_where_node_and_typescript_say() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write(
            "tsconfig.json",
            r#"{"compilerOptions": {"baseUrl": ".", "paths": {"@app/*": ["src/*"]}}}"#,
        );
        write(
            "package.json",
            r##"{"name": "p", "imports": {"#own": "./src/b.ts"}}"##,
        );
        for path in [
            "src/a.ts",
            "src/b.ts",
            "src/dir/index.ts",
            "src/c.js",
            "packages/q/main.js",
        ] {
            write(path, "");
        }
        write(
            "packages/q/package.json",
            r#"{"name": "q", "main": "main.js"}"#,
        );
        std::fs::create_dir_all(root.path().join("node_modules")).unwrap();
        std::os::unix::fs::symlink("../packages/q", root.path().join("node_modules/q")).unwrap();
        write("node_modules/lodash/index.js", "");
        let import = |specifier: &str| Import {
            specifier: specifier.to_owned(),
            is_require: false,
        };
        let specifiers = [
            "./b.js",
            "./dir",
            "@app/c",
            "#own",
            "q",
            "lodash",
            "node:fs",
            "./missing",
            "../../out",
        ];
        let imports: Vec<Import> = specifiers
            .iter()
            .map(|specifier| import(specifier))
            .collect();
        let none: &[Import] = &[];
        let files = [
            ("src/a.ts", &imports[..]),
            ("src/b.ts", none),
            ("src/dir/index.ts", none),
            ("src/c.js", none),
            ("packages/q/main.js", none),
        ];
        let mut resolved = Resolved::default();
        let graph = graph(root.path(), &files, blake3::hash(b"1"), &mut resolved);
        let targets: Vec<&str> = graph["src/a.ts"].iter().map(String::as_str).collect();
        assert_eq!(
            targets,
            [
                "packages/q/main.js",
                "src/b.ts",
                "src/c.js",
                "src/dir/index.ts"
            ]
        );
    }

    #[test]
    fn a_broken_tsconfig_does_not_hide_relative_imports() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("tsconfig.json", "{ nonsense"), ("a.ts", ""), ("b.ts", "")] {
            std::fs::write(root.path().join(path), text).unwrap();
        }
        let imports = [Import {
            specifier: "./b".to_owned(),
            is_require: false,
        }];
        let files: [(&str, &[Import]); 2] = [("a.ts", &imports), ("b.ts", &[])];
        let graph = graph(
            root.path(),
            &files,
            blake3::hash(b"1"),
            &mut Resolved::default(),
        );
        assert_eq!(graph["a.ts"].len(), 1);
    }
}
