//! How a project writes its tests, so that new ones look alike: where, named how, with which modules and which assertions.

use super::runner::RunnerKind;
use super::style::Style;

/// How tests state what they expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assertions {
    /// `expect` of Vitest and Jest.
    Expect,
    /// `node:assert`.
    Assert,
    /// `expect` of Chai.
    Chai,
}

impl Assertions {
    fn of(kind: RunnerKind, is_chai: bool) -> Self {
        match kind {
            RunnerKind::Vitest | RunnerKind::Jest => Self::Expect,
            RunnerKind::Mocha if is_chai => Self::Chai,
            _ => Self::Assert,
        }
    }
}

/// Where tests stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Beside their module.
    Beside,
    /// In a folder beside their module: `__tests__`.
    BesideIn(String),
    /// In a folder of the root: `test`.
    Folder(String),
}

/// A project's way of writing tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Habits {
    /// The runner.
    pub(crate) kind: RunnerKind,
    /// Where they stand.
    pub(crate) placement: Placement,
    /// What a name ends in before its extension: `.test`; empty for none.
    pub(crate) suffix: String,
    /// The extension, without a dot.
    pub(crate) extension: String,
    /// Whether they are written with `import`.
    pub(crate) is_esm: bool,
    /// How they state what they expect.
    pub(crate) assertions: Assertions,
    /// Whether they import `test` from Vitest or Jest instead of taking the globals.
    pub(crate) imports_runner: bool,
    /// Whether they name a module with its extension.
    pub(crate) names_extension: bool,
    /// How their texts look.
    pub(crate) style: Style,
    /// Whether they are written with `suite` and `test`, as Mocha's interface `tdd` has them.
    pub(crate) is_tdd: bool,
}

/// A test file of a project, by path and text.
pub(crate) struct TestText {
    /// Relative to the root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

const SUFFIXES: [&str; 6] = [".test", ".spec", "-test", "-spec", "_test", "_spec"];

impl Habits {
    /// What most test files do; for a project without any, what its runner's documents show. `is_esm` and `is_typescript` are
    /// those of the project's sources.
    pub(crate) fn of(
        kind: RunnerKind,
        tests: &[TestText],
        is_esm: bool,
        is_typescript: bool,
    ) -> Self {
        let most = |is: &dyn Fn(&TestText) -> bool| {
            tests.iter().filter(|test| is(test)).count() * 2 > tests.len()
        };
        let extension = most_frequent(tests.iter().map(|test| extension(&test.path)));
        let suffix = most_frequent(tests.iter().map(|test| suffix(&test.path)));
        let placement = most_frequent(tests.iter().map(|test| placement(&test.path)));
        let own_esm = most(&|test| has_import(&test.text));
        let chai = most(&|test| test.text.contains("chai") && test.text.contains("expect"));
        let uses_globals = tests.iter().any(|test| test.text.contains("expect("))
            && !most(&|test| test.text.contains("'vitest'") || test.text.contains("\"vitest\""));
        Self {
            kind,
            placement: placement.unwrap_or_else(|| Placement::Folder("test".to_owned())),
            suffix: suffix.unwrap_or_else(|| ".test".to_owned()),
            extension: extension
                .unwrap_or_else(|| if is_typescript { "ts" } else { "js" }.to_owned()),
            is_esm: if tests.is_empty() { is_esm } else { own_esm },
            assertions: Assertions::of(kind, chai),
            imports_runner: match kind {
                RunnerKind::Vitest => !uses_globals,
                RunnerKind::Jest => most(&|test| test.text.contains("@jest/globals")),
                _ => false,
            },
            names_extension: most(&|test| names_extension(&test.text)),
            style: Style::of(tests.iter().map(|test| test.text.as_str())),
            is_tdd: kind == RunnerKind::Mocha && most(&|test| is_tdd(&test.text)),
        }
    }

    /// What begins a group of tests, and a test.
    pub(crate) fn words(&self) -> (&'static str, &'static str) {
        if self.is_tdd {
            ("suite", "test")
        } else {
            ("describe", "it")
        }
    }

    /// The path of the new tests of a module; `is_taken` knows what is there already.
    pub(crate) fn path_for(&self, module: &str, is_taken: impl Fn(&str) -> bool) -> String {
        let (folder, name) = module.rsplit_once('/').unwrap_or(("", module));
        let stem = name.split('.').next().unwrap_or(name);
        // A module named `index` is told by its folder.
        let inner = folder.split_once('/').map_or("", |(_, rest)| rest);
        let flat = match (inner, stem) {
            ("", stem) => stem.to_owned(),
            (inner, stem) => format!("{}-{stem}", inner.replace('/', "-")),
        };
        let (home, base) = match &self.placement {
            Placement::Beside => (folder.to_owned(), stem.to_owned()),
            Placement::BesideIn(name) => (joined(folder, name), stem.to_owned()),
            Placement::Folder(name) => (name.clone(), flat),
        };
        let candidate = |number: u32| {
            let mark = if number == 0 {
                String::new()
            } else {
                number.to_string()
            };
            let Self {
                suffix, extension, ..
            } = self;
            joined(
                &home,
                &format!("{base}.generated{mark}{suffix}.{extension}"),
            )
        };
        (0..1_000)
            .map(candidate)
            .find(|path| !is_taken(path))
            .unwrap_or_else(|| candidate(0))
    }

    /// How a test at `from` names a module.
    pub(crate) fn specifier(&self, from: &str, module: &str) -> String {
        let climb = from.matches('/').count();
        let shared = shared_folders(from, module);
        let ups = "../".repeat(climb - shared);
        let rest: String = module.split('/').skip(shared).collect::<Vec<_>>().join("/");
        let path = if ups.is_empty() {
            format!("./{rest}")
        } else {
            format!("{ups}{rest}")
        };
        self.with_extension(&path)
    }

    fn with_extension(&self, path: &str) -> String {
        let is_node_esm =
            self.is_esm && matches!(self.kind, RunnerKind::NodeTest | RunnerKind::Mocha);
        let Some((stem, extension)) = path.rsplit_once('.') else {
            return path.to_owned();
        };
        let is_typescript = matches!(extension, "ts" | "mts" | "cts" | "tsx");
        match (is_typescript, self.names_extension || is_node_esm) {
            // The compiler names a module by what it becomes.
            (true, true) if self.names_extension => format!(
                "{stem}.{}",
                extension.replace("tsx", "js").replace("ts", "js")
            ),
            (false, true) => path.to_owned(),
            (false, false) if matches!(extension, "mjs" | "cjs") => path.to_owned(),
            (true, true) => path.to_owned(),
            _ => stem.to_owned(),
        }
    }
}

fn shared_folders(from: &str, module: &str) -> usize {
    let folders = |path: &str| {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        parts.pop();
        parts
    };
    let pairs = folders(from).into_iter().zip(folders(module));
    pairs.take_while(|(one, other)| one == other).count()
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn most_frequent<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(other, _)| *other == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    // Of equals the first: paths are sorted.
    let best = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == best)
        .map(|(value, _)| value)
}

fn extension(path: &str) -> String {
    path.rsplit_once('.')
        .map_or("js", |(_, extension)| extension)
        .to_owned()
}

fn suffix(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let found = SUFFIXES.into_iter().find(|suffix| stem.ends_with(suffix));
    found.unwrap_or_default().to_owned()
}

fn placement(path: &str) -> Placement {
    let Some((folder, _)) = path.rsplit_once('/') else {
        return Placement::Beside;
    };
    let first = folder.split('/').next().unwrap_or(folder);
    if matches!(first, "test" | "tests" | "spec" | "__tests__") {
        return Placement::Folder(first.to_owned());
    }
    let last = folder.rsplit('/').next().unwrap_or(folder);
    if matches!(last, "__tests__" | "test" | "tests") {
        return Placement::BesideIn(last.to_owned());
    }
    Placement::Beside
}

fn has_import(text: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("import ") || line.starts_with("import{"))
}

/// Whether tests stand in suites and nothing is described.
fn is_tdd(text: &str) -> bool {
    let calls = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    calls("suite(") && calls("test(") && !calls("describe(")
}

/// Whether relative modules are named with an extension.
fn names_extension(text: &str) -> bool {
    let quotes = text.split(['\'', '"', '`']).skip(1).step_by(2);
    let mut relative = quotes.filter(|part| part.starts_with("./") || part.starts_with("../"));
    relative.next().is_some_and(|path| {
        [".js", ".mjs", ".cjs", ".ts"]
            .iter()
            .any(|end| path.ends_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habits(kind: RunnerKind, tests: &[(&str, &str)]) -> Habits {
        let texts: Vec<TestText> = tests
            .iter()
            .map(|(path, text)| TestText {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        Habits::of(kind, &texts, true, false)
    }

    #[test]
    fn new_tests_stand_and_are_named_like_the_others() {
        let cases = [
            (
                RunnerKind::Mocha,
                "test/a.js",
                "lib/text.js",
                "test/text.generated.js",
                "../lib/text",
            ),
            (
                RunnerKind::Jest,
                "src/__tests__/a.test.js",
                "src/b/c.js",
                "src/b/__tests__/c.generated.test.js",
                "../c",
            ),
            (
                RunnerKind::Jest,
                "src/a.spec.ts",
                "src/b/c.ts",
                "src/b/c.generated.spec.ts",
                "./c",
            ),
            (
                RunnerKind::Jest,
                "__tests__/a.js",
                "index.js",
                "__tests__/index.generated.js",
                "../index",
            ),
            (
                RunnerKind::Vitest,
                "tests/deep/a.test.ts",
                "src/x/y/z.ts",
                "tests/x-y-z.generated.test.ts",
                "../src/x/y/z",
            ),
        ];
        for (kind, test, module, path, specifier) in cases {
            let habits = habits(kind, &[(test, "const a = require('../a');")]);
            assert_eq!(habits.path_for(module, |_| false), path);
            assert_eq!(habits.specifier(path, module), specifier);
        }
        let habits = habits(
            RunnerKind::NodeTest,
            &[("test/a.test.js", "import a from '../src/a.js';\n")],
        );
        assert!(habits.is_esm && habits.names_extension);
        assert_eq!(habits.specifier("test/b.js", "src/b.js"), "../src/b.js");
        let taken = |path: &str| path.ends_with("b.generated.test.js");
        assert_eq!(
            habits.path_for("src/b.js", taken),
            "test/b.generated1.test.js"
        );
    }

    #[test]
    fn assertions_are_those_of_the_project() {
        let chai = "const { expect } = require('chai');\nexpect(1).to.equal(1)";
        assert_eq!(
            habits(RunnerKind::Mocha, &[("test/a.js", chai)]).assertions,
            Assertions::Chai
        );
        assert_eq!(
            habits(RunnerKind::Mocha, &[]).assertions,
            Assertions::Assert
        );
        let vitest = habits(RunnerKind::Vitest, &[("a.test.ts", "expect(1).toBe(1)")]);
        assert!(!vitest.imports_runner, "the globals are used");
        assert!(habits(RunnerKind::Vitest, &[]).imports_runner);
    }
}
