//! Generations over a small project of each runner, with the real tools.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod cancelled;
mod fast_check;
mod makers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_exec::Artifacts;
use shim_proto::evolution::v1::FunctionTests;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::test_runs::TestRuns;
use crate::tool_host::test_host::{TestHost, Trust};
use crate::tool_host::{ProgressSink, ToolHost};

fn packages() -> PathBuf {
    let named = std::env::var_os("SHIM_NODE").map(PathBuf::from);
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node");
    let packages = named.unwrap_or_else(usual).join("node_modules");
    assert!(
        packages.join("mocha").is_dir(),
        "{} has no runners: make test installs them",
        packages.display()
    );
    packages
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files of a project with their texts, but for its packages.
fn texts(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .build();
    let files = walk
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    files
        .map(|entry| {
            (
                entry.path().to_path_buf(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

struct Lab {
    test: TestHost,
    host: ToolHost,
    runs: TestRuns,
}

impl Lab {
    fn new() -> Self {
        let test = TestHost::installed();
        let artifacts = Artifacts::open(
            &test.path("artifacts"),
            shim_exec::Keeping {
                time: Duration::from_secs(60),
                bytes: 64 << 20,
            },
        )
        .unwrap();
        let runs = TestRuns::new(
            Arc::clone(&test.groups),
            Arc::new(artifacts),
            test.path("runs"),
        )
        .unwrap();
        Self {
            host: test.host(),
            runs,
            test,
        }
    }

    async fn generate(
        &self,
        root: &Path,
        max_functions: usize,
    ) -> Result<TestGenerationReport, EvolutionError> {
        let project = Project::open(root, &[], &Trust(true)).await.unwrap();
        let options = Options {
            include: Vec::new(),
            max_functions,
            seed: 7,
            run_limit: Duration::from_secs(60),
        };
        let tools = Tools {
            host: &self.host,
            runs: &self.runs,
            progress: &ProgressSink::none(),
            cancel: &CancellationToken::new(),
        };
        generate(tools, &project, &options, &|_| {}).await
    }

    /// A copy of a fixture, without packages.
    fn fixture(&self, name: &str) -> PathBuf {
        let root = self.test.path(name);
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/fixtures")
                .join(name),
            &root,
        );
        root
    }

    async fn of_fixture(&self, name: &str) -> TestGenerationReport {
        let root = self.fixture(name);
        let _ = std::os::unix::fs::symlink(packages(), root.join("node_modules"));
        let before = texts(&root);
        let report = self.generate(&root, 20).await.unwrap();
        assert_eq!(texts(&root), before, "the project's folder is only read");
        self.no_copy_is_left();
        report
    }

    fn no_copy_is_left(&self) {
        let left = std::fs::read_dir(self.runs.folder()).unwrap().flatten();
        let left = left.map(|it| it.file_name()).filter(|it| it != "tmp");
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "no copy is left: {left:?}");
    }
}

/// What a generation made, as lines: function, kept, killed of mutants, why not.
fn lines(report: &TestGenerationReport) -> Vec<String> {
    let line = |it: &FunctionTests| {
        let why = if it.skipped.is_empty() {
            String::new()
        } else {
            format!(": {}", it.skipped)
        };
        format!(
            "{} {} kept, {}/{} killed{why}",
            it.function, it.kept, it.killed_mutants, it.mutants
        )
    };
    for (text, change) in report
        .evolution
        .iter()
        .flat_map(|it| &it.files)
        .map(|it| (&it.diff, it))
    {
        println!("{} {}\n{text}", change.path, change.changes);
    }
    for function in &report.functions {
        println!("{function:?}");
    }
    println!(
        "{:?}\n{:?}\n{:?}",
        report.before,
        report.after,
        report.evolution.as_ref().map(|it| &it.why)
    );
    report.functions.iter().map(line).collect()
}

fn killed(report: &TestGenerationReport, function: &str) -> f64 {
    let it = report
        .functions
        .iter()
        .find(|it| it.function == function)
        .unwrap();
    assert!(it.kept > 0, "{function}: {}", it.skipped);
    f64::from(it.killed_mutants) / f64::from(it.mutants)
}

#[tokio::test]
async fn a_commonjs_project_with_mocha_gets_tests() {
    let report = Lab::new().of_fixture("mocha-cjs").await;
    let lines = lines(&report);
    for function in ["truncate", "words", "capitalize"] {
        assert!(killed(&report, function) >= 0.8, "{lines:?}");
    }
    assert!(
        lines
            .iter()
            .any(|it| it.ends_with("record 0 kept, 0/5 killed: it has side effects: fs"))
            || lines.iter().any(|it| it.contains("side effects: fs")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|it| it.starts_with("stamp 0 kept")),
        "what depends on the clock is no test: {lines:?}"
    );
    let (before, after) = (report.before.unwrap(), report.after.unwrap());
    assert!(after.mutation_score > before.mutation_score && after.lines > before.lines);
    assert_eq!(
        report.evolution.unwrap().files[0].path,
        "test/text.generated.test.js"
    );
}

#[tokio::test]
async fn a_module_project_with_the_runner_of_node_gets_tests() {
    let report = Lab::new().of_fixture("node-esm").await;
    let lines = lines(&report);
    for function in ["clamp", "sum", "encode", "decode", "overlaps"] {
        assert!(killed(&report, function) >= 0.8, "{lines:?}");
    }
    let diff = report.evolution.unwrap().files.remove(0).diff;
    assert!(
        diff.contains("import { describe, it } from 'node:test';"),
        "{diff}"
    );
    assert!(
        diff.contains("import overlaps, ")
            || diff.contains("import overlaps from '../src/ranges.js';"),
        "{diff}"
    );
}

#[tokio::test]
async fn a_typescript_project_with_vitest_gets_tests() {
    let report = Lab::new().of_fixture("vitest-ts").await;
    let lines = lines(&report);
    for function in ["levelOf", "describeBox", "unique"] {
        assert!(killed(&report, function) >= 0.8, "{lines:?}");
    }
    let file = report.evolution.unwrap().files.remove(0);
    assert_eq!(file.path, "test/shapes.generated.test.ts");
}

#[tokio::test]
async fn a_commonjs_project_with_jest_gets_tests() {
    let report = Lab::new().of_fixture("jest-cjs").await;
    let lines = lines(&report);
    for function in ["join", "depth"] {
        assert!(killed(&report, function) >= 0.7, "{lines:?}");
    }
    let file = report.evolution.unwrap().files.remove(0);
    assert_eq!(file.path, "__tests__/paths.generated.test.js");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_remedy() {
    let lab = Lab::new();
    let root = lab.test.path("tape");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(
        root.join("package.json"),
        r#"{"name":"p","scripts":{"test":"tape test/*.js"}}"#,
    )
    .unwrap();
    let refused = lab.generate(&root, 5).await.unwrap_err().to_string();
    assert!(refused.contains("`tape test/*.js`"), "{refused}");
    let project = Project::open(&root, &[], &Trust(false)).await.unwrap();
    let options = Options {
        include: Vec::new(),
        max_functions: 5,
        seed: 1,
        run_limit: Duration::from_secs(5),
    };
    let tools = Tools {
        host: &lab.host,
        runs: &lab.runs,
        progress: &ProgressSink::none(),
        cancel: &CancellationToken::new(),
    };
    let refused = generate(tools, &project, &options, &|_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not trusted"), "{refused}");
}

const WILD: &str = r"
export function spin() { for (;;); }
export function leave(code) { process.exit(code); }
export function abort() { process.abort(); }
export function fail(text) { Promise.reject(new Error('lost')); return text; }
export function hoard(n) { const all = []; for (;;) all.push(new Array(1000).fill(n)); }
/** @param {number} a */
export function twice(a) { return a > 10 ? a * 3 : a * 2; }
export class Stack {
  #items = [];
  constructor(limit = 2) { this.limit = limit; }
  get size() { return this.#items.length; }
  push(item) { if (this.size >= this.limit) throw new RangeError('full'); this.#items.push(item); return this; }
  pop() { return this.#items.pop(); }
}
";

#[tokio::test]
async fn functions_that_do_not_end_are_told_and_the_others_get_tests() {
    let lab = Lab::new();
    let root = lab.test.path("wild");
    std::fs::create_dir_all(root.join("src")).unwrap();
    let package = r#"{"name":"p","type":"module","scripts":{"test":"node --test"}}"#;
    std::fs::write(root.join("package.json"), package).unwrap();
    std::fs::write(root.join("src/wild.js"), WILD).unwrap();
    let report = lab.generate(&root, 20).await.unwrap();
    let lines = lines(&report);
    let skipped = |name: &str| {
        let found = report.functions.iter().find(|it| it.function == name);
        found.unwrap().skipped.clone()
    };
    for name in ["spin", "hoard"] {
        assert!(skipped(name).contains("does not end"), "{lines:?}");
    }
    for name in ["leave", "abort"] {
        assert!(skipped(name).contains("process"), "{lines:?}");
    }
    assert!(skipped("fail").contains("lost"), "{lines:?}");
    assert!(killed(&report, "twice") >= 0.8, "{lines:?}");
    assert!(killed(&report, "Stack") >= 0.6, "{lines:?}");
    assert!(report.after.unwrap().branches > report.before.unwrap().branches);
    let diff = &report.evolution.unwrap().files[0].diff;
    assert!(diff.contains("const stack = new Stack("), "{diff}");
}
