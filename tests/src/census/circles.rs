//! Circles of imports: files of one package that need each other to be understood.
//!
//! A file imports the file that defines a name it mentions by a path; a name that a module re-exports (`pub use`) leads to
//! where it is defined, and the module that re-exports it imports that file too. `mod` alone is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Package, Source, children};
use super::uses::{Use, paths, uses};

/// How many re-exports are followed from one name, so that two modules that re-export each other end the search.
const LONGEST_CHAIN: usize = 8;

/// The circles of a package, each as its files in order.
#[must_use]
pub fn circles(package: &Package) -> Vec<Vec<PathBuf>> {
    let modules = Modules::of(package);
    let arrows: BTreeMap<&Path, BTreeSet<PathBuf>> = package
        .sources
        .values()
        .map(|source| (source.path.as_path(), modules.imports(source)))
        .collect();
    let reach = |from: &Path| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(file) = open.pop() {
            for next in arrows.get(file.as_path()).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<PathBuf>> =
        arrows.keys().map(|file| (*file, reach(file))).collect();
    let mut found = BTreeSet::new();
    for (file, seen) in &reached {
        if !seen.contains(*file) {
            continue;
        }
        let back = |other: &&PathBuf| reached[other.as_path()].contains(*file);
        found.insert(seen.iter().filter(back).cloned().collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

struct Modules<'a> {
    /// Module path (`a::b`, empty for the root) to its file.
    files: BTreeMap<Vec<String>, &'a Source>,
}

impl<'a> Modules<'a> {
    fn of(package: &'a Package) -> Self {
        let path_of = |source: &'a Source| {
            let inside = source
                .path
                .strip_prefix(&package.folder)
                .unwrap_or(&source.path);
            let module = children(inside);
            let names = module
                .iter()
                .map(|name| name.to_string_lossy().into_owned());
            (names.collect(), source)
        };
        Self {
            files: package.sources.values().map(path_of).collect(),
        }
    }

    fn imports(&self, source: &Source) -> BTreeSet<PathBuf> {
        let Some((module, _)) = self.files.iter().find(|(_, file)| file.path == source.path) else {
            return BTreeSet::new();
        };
        let mut found = BTreeSet::new();
        for path in paths(&source.code) {
            if let Some(file) = self.resolve(module, &path, 0)
                && file.path != source.path
            {
                found.insert(file.path.clone());
            }
        }
        found
    }

    /// The file that defines what `path` names, seen from `module`.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<&'a Source> {
        let (mut at, rest) = self.start(module, path)?;
        let mut rest = rest;
        while let Some((name, behind)) = rest.split_first() {
            let mut deeper = at.clone();
            deeper.push(name.clone());
            if !self.files.contains_key(&deeper) {
                break;
            }
            (at, rest) = (deeper, behind);
        }
        let file = self.files.get(&at).copied()?;
        let Some(name) = rest.first() else {
            return Some(file);
        };
        let re_exported = || {
            let found = uses(&file.code)
                .into_iter()
                .find(|it: &Use| it.is_public && it.name() == Some(name))?;
            self.resolve(&at, &found.path, depth + 1)
        };
        (depth < LONGEST_CHAIN)
            .then(re_exported)
            .flatten()
            .or(Some(file))
    }

    fn start<'p>(
        &self,
        module: &[String],
        path: &'p [String],
    ) -> Option<(Vec<String>, &'p [String])> {
        let mut at = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    at.pop()?;
                    rest = &rest[1..];
                }
            }
            name => {
                at.push(name.to_owned());
                self.files.get(&at)?;
                rest = &path[1..];
            }
        }
        Some((at, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a package with these files, each as the files' names.
    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let package = Package::of_texts("src", files);
        let names = |circle: Vec<PathBuf>| {
            let names = circle.iter().map(|file| file.display().to_string());
            names.collect::<Vec<_>>().join(" ")
        };
        circles(&package).into_iter().map(names).collect()
    }

    #[test]
    fn two_files_that_need_each_other_are_a_circle() {
        let found = circles_of(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; pub struct A(B);"),
            ("src/b.rs", "pub struct B(Box<super::a::A>);"),
        ]);
        assert_eq!(found, ["src/a.rs src/b.rs"]);
    }

    #[test]
    fn a_module_that_re_exports_what_its_child_needs_the_module_for_is_a_circle() {
        let child = "use super::Shared; pub struct Child(Shared);";
        let parent = "mod child; pub use child::Child; pub struct Shared;";
        let found = circles_of(&[("src/a/mod.rs", parent), ("src/a/child.rs", child)]);
        assert_eq!(found, ["src/a/child.rs src/a/mod.rs"]);

        let parent = "mod child; mod shared; pub use child::Child; pub use shared::Shared;";
        let child = "use super::shared::Shared; pub struct Child(Shared);";
        let files = [
            ("src/a/mod.rs", parent),
            ("src/a/child.rs", child),
            ("src/a/shared.rs", "pub struct Shared;"),
        ];
        assert_eq!(circles_of(&files), [] as [&str; 0]);
    }

    #[test]
    fn a_re_exported_name_leads_to_the_file_that_defines_it() {
        let found = circles_of(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod one; mod two; pub use one::{Inner as Outer, other};"),
            ("src/a/one.rs", "pub struct Inner; use crate::b::B;"),
            ("src/a/two.rs", ""),
            ("src/b.rs", "pub struct B; use crate::a::Outer;"),
        ]);
        assert_eq!(found, ["src/a/one.rs src/b.rs"]);
    }

    #[test]
    fn modules_that_only_declare_each_other_are_none() {
        let found = circles_of(&[
            ("src/lib.rs", "pub mod a; pub mod b; pub use a::A;"),
            ("src/a.rs", "use crate::b; pub struct A; fn f() { b::g() }"),
            ("src/b.rs", "pub fn g() { std::process::exit(0) }"),
        ]);
        assert_eq!(found, [] as [&str; 0]);
    }
}
