//! Circles of imports: files of one package that need each other to be understood.
//!
//! A file imports the file that defines a name it mentions by a path; a name that a module only hands on (`pub use`) leads
//! to where it is defined, and the module that hands it on imports that file too. `mod` alone is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Package, Source, children};

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
        let handed_on = || {
            let mut uses = handed_on(&file.code).into_iter();
            let path = uses.find(|path| path.last() == Some(name))?;
            self.resolve(&at, &path, depth + 1)
        };
        if depth < 8 {
            handed_on().or(Some(file))
        } else {
            Some(file)
        }
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

/// Every path in the code with at least two parts, those of `use` trees spelled out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut plain = String::new();
    let mut rest = code;
    while let Some(at) = next_use(rest) {
        plain.push_str(&rest[..at]);
        let statement = &rest[at..];
        let end = statement.find(';').unwrap_or(statement.len());
        spell_out(&statement["use ".len()..end], &[], &mut found);
        rest = &statement[end..];
    }
    plain.push_str(rest);
    let word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    for run in plain.split(|letter| !word(letter)) {
        let parts: Vec<String> = run.split("::").map(str::to_owned).collect();
        if parts.len() > 1
            && parts
                .iter()
                .all(|part| !part.is_empty() && !part.contains(':'))
        {
            found.push(parts);
        }
    }
    found
}

fn next_use(code: &str) -> Option<usize> {
    let begins = |at: &usize| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|letter| letter.is_whitespace() || letter == ')' || letter == '{')
    };
    code.match_indices("use ").map(|(at, _)| at).find(begins)
}

/// The paths of one `use` tree: `a::{b, c as d}` is `a::b` and `a::c`.
fn spell_out(tree: &str, before: &[String], into: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let mut prefix = before.to_vec();
        prefix.extend(parts(head));
        let inside = group.rfind('}').map_or(group, |end| &group[..end]);
        let mut depth = 0_usize;
        let mut start = 0;
        for (at, letter) in inside.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    spell_out(&inside[start..at], &prefix, into);
                    start = at + 1;
                }
                _ => {}
            }
        }
        spell_out(&inside[start..], &prefix, into);
        return;
    }
    if tree.is_empty() {
        return;
    }
    let name = tree.split(" as ").next().unwrap_or(tree);
    let mut path = before.to_vec();
    path.extend(parts(name).filter(|part| part != "self" || before.is_empty()));
    into.push(path);
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

/// The paths that a module hands on with `pub use`.
fn handed_on(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = next_use(rest) {
        let line = rest[..at].rfind('\n').map_or(0, |at| at + 1);
        let public = rest[line..at].trim_start().starts_with("pub");
        let statement = &rest[at..];
        let end = statement.find(';').unwrap_or(statement.len());
        if public {
            spell_out(&statement["use ".len()..end], &[], &mut found);
        }
        rest = &statement[end..];
    }
    found
}
