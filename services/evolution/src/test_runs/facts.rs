//! What a project's folder says of its tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use serde_json::Value;

use crate::domain::testing::detection::{Detected, SuiteFacts, detect};
use crate::domain::testing::runner::RunnerKind;

/// The most test files that are looked into for what they import.
const MAX_TEST_FILES_READ: usize = 200;
const MAX_TEST_FILES: usize = 20_000;
const MAX_READ_BYTES: u64 = 256 * 1024;

/// A project's tests: their files and what runs them.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// The runner and its authors' command.
    pub(crate) detected: Detected,
    /// The test files, relative to the project's root, sorted.
    pub(crate) test_files: Vec<String>,
}

impl Suite {
    /// Looks for the tests of the project in `folder`. `None` if it has none and no runner.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let package = package_of(folder);
        let test_files = test_files(folder);
        let facts = SuiteFacts {
            scripts: scripts(&package),
            dependencies: dependencies(&package),
            configurations: configurations(folder, &package),
            test_imports: imports(folder, &test_files),
        };
        let detected = detect(&facts)?;
        Some(Self {
            detected,
            test_files,
        })
    }

    /// The runner.
    pub(crate) fn kind(&self) -> RunnerKind {
        self.detected.kind
    }
}

fn package_of(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    // A byte order mark is no part of the JSON.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or(Value::Null)
}

fn scripts(package: &Value) -> Vec<(String, String)> {
    let scripts = package.get("scripts").and_then(Value::as_object);
    let texts = scripts.into_iter().flatten();
    texts
        .filter_map(|(name, script)| Some((name.clone(), script.as_str()?.to_owned())))
        .collect()
}

fn dependencies(package: &Value) -> Vec<String> {
    let kinds = [
        "dependencies",
        "devDependencies",
        "peerDependencies",
        "optionalDependencies",
    ];
    let lists = kinds
        .iter()
        .filter_map(|kind| package.get(kind)?.as_object());
    lists.flat_map(|list| list.keys().cloned()).collect()
}

fn configurations(folder: &Path, package: &Value) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let keys = ["jest", "mocha"]
        .into_iter()
        .filter(|key| package.get(key).is_some());
    names
        .chain(keys.map(|key| format!("package.json#{key}")))
        .collect()
}

/// Files that are tests by their name or folder, as all known runners see it.
fn test_files(folder: &Path) -> Vec<String> {
    let walk = WalkBuilder::new(folder)
        .follow_links(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != "node_modules")
        .build();
    let files = walk
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    let relative = files.filter_map(|entry| {
        let path = entry.path().strip_prefix(folder).ok()?;
        Some(path.to_str()?.replace('\\', "/"))
    });
    let mut files: Vec<String> = relative
        .filter(|path| is_test_file(path))
        .take(MAX_TEST_FILES)
        .collect();
    files.sort();
    files
}

/// Whether a path is that of a test file.
pub(crate) fn is_test_file(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let extensions = ["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"];
    if !extensions.contains(&extension) || stem.ends_with(".d") {
        return false;
    }
    let in_tests = folders
        .split('/')
        .any(|part| matches!(part, "test" | "tests" | "__tests__" | "spec"));
    let is_support = folders.split('/').any(|part| {
        matches!(
            part,
            "fixtures" | "fixture" | "__fixtures__" | "helpers" | "__mocks__" | "__snapshots__"
        )
    });
    let by_name = [
        ".test", ".spec", "-test", "-spec", "_test", "_spec", ".tests",
    ];
    let is_named = by_name.iter().any(|end| stem.ends_with(end))
        || stem == "test"
        || stem.starts_with("test-");
    is_named || (in_tests && !is_support)
}

/// The packages that test files import, read by eye: what a comment names counts as well, which does no harm here.
fn imports(folder: &Path, files: &[String]) -> Vec<String> {
    let known = [
        "vitest",
        "@jest/globals",
        "node:test",
        "ava",
        "tape",
        "tap",
        "uvu",
        "zora",
        "@japa/runner",
    ];
    let mut found = BTreeSet::new();
    for file in files.iter().take(MAX_TEST_FILES_READ) {
        let text = read(&folder.join(file));
        for name in known {
            if imports_module(&text, name) {
                found.insert(name.to_owned());
            }
        }
    }
    found.into_iter().collect()
}

/// Whether a source names a module in quotes after `from`, `import` or `require(`.
pub(crate) fn imports_module(source: &str, name: &str) -> bool {
    ['"', '\''].into_iter().any(|quote| {
        let quoted = format!("{quote}{name}{quote}");
        source.match_indices(&quoted).any(|(at, _)| {
            let before = source[..at].trim_end();
            ["from", "import", "require(", "import("]
                .iter()
                .any(|word| before.ends_with(word))
        })
    })
}

fn read(path: &PathBuf) -> String {
    let is_small = path
        .metadata()
        .is_ok_and(|meta| meta.len() <= MAX_READ_BYTES);
    if is_small {
        std::fs::read_to_string(path).unwrap_or_default()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_are_known_by_name_or_folder() {
        let tests = [
            "test.js",
            "a.test.ts",
            "src/a.spec.tsx",
            "test/a.js",
            "src/__tests__/b.mjs",
            "spec/x_spec.js",
            "a-test.cjs",
        ];
        let others = [
            "a.js",
            "test/fixtures/a.js",
            "src/latest.js",
            "test/a.json",
            "a.test.d.ts",
            "contest.js",
            "test/data.txt",
        ];
        for path in tests {
            assert!(is_test_file(path), "{path}");
        }
        for path in others {
            assert!(!is_test_file(path), "{path}");
        }
    }

    #[test]
    fn imports_are_told_from_other_text() {
        assert!(imports_module(
            "import { test } from 'node:test';",
            "node:test"
        ));
        assert!(imports_module("const t = require(\"tape\")", "tape"));
        assert!(!imports_module("const name = 'tape';", "tape"));
        assert!(!imports_module("import x from 'tape-promise'", "tape"));
    }
}
