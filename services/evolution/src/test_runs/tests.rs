//! Every way in which a runner misleads by its exit code, with the real runners.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::testing::runner::RunnerKind;
use tokio_util::sync::CancellationToken;

/// The folder with the runners' packages.
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

struct Bench {
    folder: tempfile::TempDir,
    runs: TestRuns,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let groups = Groups::open(&at("groups"), "SHIM_TESTS").unwrap();
        let artifacts = Artifacts::open(
            &at("artifacts"),
            shim_exec::Keeping {
                time: Duration::from_secs(60),
                bytes: 64 << 20,
            },
        )
        .unwrap();
        let runs = TestRuns::new(Arc::new(groups), Arc::new(artifacts), at("runs")).unwrap();
        Self { folder, runs }
    }

    fn project(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = self.folder.path().join(name);
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let _ = std::os::unix::fs::symlink(packages(), root.join("node_modules"));
        root
    }

    async fn run(&self, root: &Path, limit: u64) -> TestRun {
        let suite = Suite::find(root).unwrap();
        let request = RunRequest::all(root, Duration::from_secs(limit));
        let cancel = CancellationToken::new();
        self.runs.run(&suite, request, &cancel).await.unwrap()
    }
}

fn word(run: &TestRun) -> &'static str {
    match run.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NoTests => "no tests",
        Verdict::TimedOut => "timed out",
        Verdict::Lied { .. } => "lied",
        Verdict::CouldNotRun { .. } => "could not run",
    }
}

const CASES: [(&str, &str); 12] = [
    ("passes", "test('a', () => {});"),
    (
        "fails",
        "test('a', () => {}); test('b', () => { throw new Error('no'); });",
    ),
    ("empty", ""),
    ("skipped", "test.skip('a', () => {});"),
    (
        "exits",
        "test('a', () => {}); test('b', () => { process.exit(0); }); test('c', () => { throw new Error('no'); });",
    ),
    (
        "leaks",
        "test('a', () => { setInterval(() => {}, 1000); });",
    ),
    ("endless", "test('a', () => { for (;;); });"),
    (
        "never",
        "test('a', () => new Promise(() => { setInterval(() => {}, 1000); }));",
    ),
    (
        "rejects",
        "test('a', async () => { Promise.reject(new Error('lost')); await new Promise((done) => setTimeout(done, 20)); });",
    ),
    ("imports", "require('./nope');"),
    ("breaks", "test('a', () => {"),
    (
        "late",
        "test('a', () => { setTimeout(() => { throw new Error('late'); }, 10); });",
    ),
];

/// Runs all cases with one runner, and a project without a test file; the answer is a line for each.
async fn verdicts(head: &str, package: &str, limit: u64) -> Vec<String> {
    let bench = Bench::new();
    let mut lines = Vec::new();
    for (name, body) in CASES {
        let text = if body.is_empty() {
            String::new()
        } else {
            format!("{head}\n{body}\n")
        };
        let root = bench.project(
            name,
            &[("package.json", package), ("test/a.test.js", &text)],
        );
        let run = bench.run(&root, limit).await;
        let lingered = if run.lingered { ", lingered" } else { "" };
        lines.push(format!(
            "{name}: {} {}+{}{lingered}",
            word(&run),
            run.passed,
            run.failed
        ));
    }
    let root = bench.project("none", &[("package.json", package)]);
    let run = bench.run(&root, limit).await;
    lines.push(format!("none: {}", word(&run)));
    lines
}

#[tokio::test]
async fn mocha_is_believed_only_when_all_agrees() {
    let package = r#"{"name":"p","scripts":{"test":"mocha test/*.js"}}"#;
    let lines = verdicts("const test = global.it;", package, 8).await;
    let expected = [
        "passes: passed 1+0",
        "fails: failed 1+1",
        "empty: no tests 0+0",
        "skipped: no tests 0+0",
        "exits: lied 0+0",
        "leaks: passed 1+0, lingered",
        "endless: timed out 0+0",
        "never: failed 0+1, lingered",
        "rejects: lied 1+0",
        "imports: could not run 0+0",
        "breaks: could not run 0+0",
        "late: lied 1+0",
        "none: no tests",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn jest_is_believed_only_when_all_agrees() {
    let package =
        r#"{"name":"p","scripts":{"test":"jest --watch"},"jest":{"testEnvironment":"node"}}"#;
    let lines = verdicts("", package, 12).await;
    let expected = [
        "passes: passed 1+0",
        "fails: failed 1+1",
        "empty: failed 0+1",
        "skipped: no tests 0+0",
        "exits: lied 0+0",
        "leaks: passed 1+0, lingered",
        "endless: timed out 0+0",
        "never: failed 0+1, lingered",
        "rejects: failed 0+1",
        "imports: failed 0+1",
        "breaks: failed 0+1",
        "late: lied 1+0",
        "none: no tests",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn vitest_is_believed_only_when_all_agrees() {
    let package = r#"{"name":"p","scripts":{"test":"vitest"}}"#;
    let mut lines = verdicts("import { test } from 'vitest';", package, 12).await;
    // vitest ends at once after the last test: whether a timer of that test still fires first is up to the machine.
    let late = lines
        .iter()
        .position(|line| line.starts_with("late: "))
        .unwrap();
    let late = lines.remove(late);
    assert!(
        ["late: passed 1+0", "late: lied 1+0"].contains(&late.as_str()),
        "{late}"
    );
    let expected = [
        "passes: passed 1+0",
        "fails: failed 1+1",
        "empty: failed 0+1",
        "skipped: no tests 0+0",
        "exits: failed 1+2",
        "leaks: passed 1+0",
        "endless: timed out 0+0",
        "never: failed 0+1",
        "rejects: lied 1+0",
        "imports: failed 0+1",
        "breaks: failed 0+1",
        "none: no tests",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn node_is_believed_only_when_all_agrees() {
    let package = r#"{"name":"p","scripts":{"test":"node --test"}}"#;
    let lines = verdicts("const { test } = require('node:test');", package, 8).await;
    let expected = [
        "passes: passed 1+0",
        "fails: failed 1+1",
        "empty: no tests 0+0",
        "skipped: no tests 0+0",
        "exits: lied 0+0",
        "leaks: passed 1+0, lingered",
        "endless: timed out 0+0",
        "never: timed out 0+0",
        "rejects: failed 0+1",
        "imports: failed 0+1",
        "breaks: failed 0+1",
        "late: failed 1+1",
        "none: no tests",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_filter_of_names_that_matches_nothing_proves_nothing() {
    let bench = Bench::new();
    for (script, head) in [
        ("mocha -g nothing test/*.js", "const test = global.it;"),
        ("jest -t nothing", ""),
        ("vitest run -t nothing", "import { test } from 'vitest';"),
        (
            "node --test --test-name-pattern=nothing",
            "const { test } = require('node:test');",
        ),
    ] {
        let package = format!(r#"{{"name":"p","scripts":{{"test":"{script}"}}}}"#);
        let text = format!("{head}\ntest('a', () => {{}});\n");
        let name = script.split(' ').next().unwrap();
        let files = [
            ("package.json", package.as_str()),
            ("test/a.test.js", &text),
        ];
        let run = bench.run(&bench.project(name, &files), 30).await;
        assert_eq!(
            (word(&run), run.passed),
            ("no tests", 0),
            "{script}: {run:?}"
        );
    }
}

#[tokio::test]
async fn other_programs_are_judged_by_exit_code_and_tap() {
    let bench = Bench::new();
    let tap = r"console.log('TAP version 13\nok 1 a\nnot ok 2 b\n1..2'); process.exit(0);";
    let package = r#"{"name":"p","scripts":{"test":"node check.js"}}"#;
    for (name, text, summary) in [
        ("plain", "", "script: passed (by its exit code alone)"),
        (
            "throws",
            "throw new Error('no')",
            "script: 0 of 0 failed (by its exit code alone)",
        ),
        (
            "tap",
            tap,
            "script: 1 of 2 failed (by its TAP output), first: b: ",
        ),
    ] {
        let root = bench.project(name, &[("package.json", package), ("check.js", text)]);
        assert_eq!(bench.run(&root, 10).await.summary(), summary, "{name}");
    }
}

#[tokio::test]
async fn each_fixture_passes_in_a_copy_and_some_files_alone() {
    let bench = Bench::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for (name, kind, file) in [
        ("mocha-cjs", RunnerKind::Mocha, "test/text.test.js"),
        ("node-esm", RunnerKind::NodeTest, "test/ranges.test.js"),
        ("vitest-ts", RunnerKind::Vitest, "test/shapes.test.ts"),
        ("jest-cjs", RunnerKind::Jest, "__tests__/paths.test.js"),
    ] {
        let sandbox = Sandbox::copy(&fixtures.join(name), bench.runs.folder()).unwrap();
        if !sandbox.root().join("node_modules").exists() {
            std::os::unix::fs::symlink(packages(), sandbox.root().join("node_modules")).unwrap();
        }
        let suite = Suite::find(sandbox.root()).unwrap();
        assert_eq!(
            (suite.kind(), suite.test_files.as_slice()),
            (kind, [file.to_owned()].as_slice())
        );
        let all = bench.run(sandbox.root(), 30).await;
        assert!(all.is_passed(), "{}", all.summary());
        assert_eq!(all.tests[0].file, file);
        let files = [file.to_owned()];
        let request = RunRequest {
            files: &files,
            ends_at_report: true,
            ..RunRequest::all(sandbox.root(), Duration::from_secs(30))
        };
        let alone = bench
            .runs
            .run(&suite, request, &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(
            (alone.passed, alone.is_passed()),
            (1, true),
            "{}",
            alone.summary()
        );
    }
}

#[tokio::test]
async fn packages_are_linked_and_copies_are_swept() {
    let bench = Bench::new();
    let root = bench.folder.path().join("workspace");
    for folder in [
        "node_modules/left",
        "node_modules/@scope/right",
        "packages/own/src",
        "node_modules/.vite",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("node_modules/left/a.js"), "1").unwrap();
    std::fs::write(root.join("packages/own/src/a.js"), "1").unwrap();
    std::os::unix::fs::symlink("../packages/own", root.join("node_modules/own")).unwrap();
    let sandbox = Sandbox::copy(&root, bench.runs.folder()).unwrap();
    let copy = sandbox.root().to_path_buf();
    assert!(copy.join("node_modules/left/a.js").is_file());
    assert!(copy.join("node_modules/@scope/right").is_dir());
    assert!(!copy.join("node_modules/.vite").exists());
    let own = copy.join("node_modules/own").canonicalize().unwrap();
    assert_eq!(own, copy.join("packages/own").canonicalize().unwrap());
    sweep(bench.runs.folder());
    assert!(copy.exists(), "it is in use");
    std::mem::forget(sandbox);
    // The lock of a forgotten handle is still held; that of a killed process is not.
    let lock = std::fs::read_dir(bench.runs.folder()).unwrap().flatten();
    let lock = lock
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "lock"));
    std::fs::copy(lock.unwrap(), bench.runs.folder().join("copy-dead.lock")).unwrap();
    std::fs::create_dir(bench.runs.folder().join("copy-dead")).unwrap();
    sweep(bench.runs.folder());
    assert!(!bench.runs.folder().join("copy-dead").exists() && copy.exists());
}

#[tokio::test]
async fn a_cancelled_run_leaves_no_process() {
    let bench = Bench::new();
    let package = r#"{"name":"p","scripts":{"test":"node --test"}}"#;
    let marker = format!("marker-{}", uuid::Uuid::now_v7());
    let text = format!(
        "require('fs').writeFileSync('pid', String(process.pid)); process.title = '{marker}'; setInterval(() => {{}}, 1000);"
    );
    let root = bench.project("p", &[("package.json", package), ("test/a.test.js", &text)]);
    let suite = Suite::find(&root).unwrap();
    let cancel = CancellationToken::new();
    let request = RunRequest::all(&root, Duration::from_secs(60));
    let pid_file = root.join("pid");
    let stopping = async {
        while !std::fs::read_to_string(&pid_file).is_ok_and(|pid| !pid.is_empty()) {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(bench.runs.run(&suite, request, &cancel), stopping);
    assert!(matches!(ended, Err(TestRunError::Cancelled)));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!command.contains(&marker), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_somebody_killed_runs_once_more() {
    let bench = Bench::new();
    let manifest = r#"{"scripts": {"test": "node --test"}}"#;
    for (name, kills) in [("once", 1), ("always", 9)] {
        // The runner kills itself as long as there are not so many lines in a file beside the project.
        let marker = bench.folder.path().join(format!("{name}.kills"));
        let test = format!(
            "const fs = require('node:fs');\nfs.appendFileSync({marker:?}, 'x');\nif (fs.readFileSync({marker:?}).length <= {kills}) process.kill(process.ppid, 'SIGKILL');\nrequire('node:test')('a', () => {{}});\n"
        );
        let files = [("package.json", manifest), ("a.test.js", test.as_str())];
        let run = bench.run(&bench.project(name, &files), 60).await;
        // A report may have begun when the second run was killed, too.
        let is_as_expected = match (kills, word(&run)) {
            (1, word) => word == "passed",
            (_, word) => word == "lied" || word == "could not run",
        };
        assert!(is_as_expected, "{name}: {run:?}");
    }
}
