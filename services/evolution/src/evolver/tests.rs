//! Evolutions over real git, the real tools and the real test runners.

#![allow(clippy::unwrap_used)]

mod crashes;
mod custom;
mod repositories;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use shim_exec::Artifacts;
use shim_proto::evolution::v1::{Check, Evolution, EvolutionState, Risk};
use tokio_util::sync::CancellationToken;

use super::propose::Proposals;
use super::{Approval, CustomTransform, EvolveOptions, Evolver, EvolverLimits, Offer, Watch};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::store::{StateChange, Store};
use crate::test_runs::TestRuns;
use crate::tool_host::ProgressSink;
use crate::tool_host::test_host::{TestHost, Trust};

const MANIFEST: &str = r#"{"name": "fixture", "scripts": {"test": "node --test"}}"#;
const SOURCE: &str = "\u{feff}'use strict';\r\nvar a = 1;\r\n\r\n// keep\texactly  this\r\nexports.f = function () {\r\n\tvar b = a +  1;\r\n\treturn b;\r\n};";
const CHANGED: &str = "\u{feff}'use strict';\r\nconst a = 1;\r\n\r\n// keep\texactly  this\r\nexports.f = function () {\r\n\tconst b = a +  1;\r\n\treturn b;\r\n};";
const TEST: &str = "const test = require('node:test');\nconst assert = require('node:assert');\ntest('f', () => assert.equal(require('../lib/a.js').f(), 2));\n";

/// A repository with one project, and an evolver with a data folder of its own.
pub(super) struct Fixture {
    host: TestHost,
    pub(super) root: PathBuf,
    pub(super) evolver: Evolver,
    checks: Mutex<Vec<Check>>,
    cancel: CancellationToken,
}

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Self {
        let fixture = Self::empty();
        fixture.commit(files);
        fixture
    }

    /// A repository without a commit.
    pub(super) fn empty() -> Self {
        let host = TestHost::installed();
        let root = host.path("project");
        std::fs::create_dir_all(&root).unwrap();
        let artifacts = Artifacts::open(
            &host.path("output"),
            shim_exec::Keeping {
                time: Duration::from_secs(60),
                bytes: 64 << 20,
            },
        )
        .unwrap();
        let runs = TestRuns::new(host.groups.clone(), artifacts.into(), host.path("runs")).unwrap();
        let evolver = Evolver {
            host: host.host(),
            runs,
            store: Store::open(&host.path("data")).unwrap(),
            worktrees: host.path("worktrees"),
            limits: EvolverLimits {
                tool: Duration::from_secs(120),
                custom_file: Duration::from_secs(60),
                tests: Duration::from_secs(60),
            },
            at_work: super::AtWork::default(),
        };
        let fixture = Self {
            root,
            host,
            evolver,
            checks: Mutex::default(),
            cancel: CancellationToken::new(),
        };
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture.git(&["config", "core.autocrlf", "false"]);
        fixture
    }

    /// A project whose test holds before and after.
    fn usual() -> Self {
        Self::new(&[
            ("package.json", MANIFEST),
            ("lib/a.js", SOURCE),
            ("test/a.test.js", TEST),
        ])
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        let mut command = Command::new("git");
        let output = command
            .arg("-C")
            .arg(&self.root)
            .args(identity)
            .args(args)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn commit(&self, files: &[(&str, &str)]) {
        files.iter().for_each(|(path, text)| self.write(path, text));
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "files"]);
    }

    async fn project(&self, is_trusted: bool) -> Project {
        Project::open(&self.root, &[], &Trust(is_trusted))
            .await
            .unwrap()
    }

    pub(super) async fn propose(&self, transforms: &[&str]) -> Result<Proposals, EvolutionError> {
        let options = EvolveOptions {
            transforms: transforms.iter().map(|&name| name.to_owned()).collect(),
            limit: 20,
            ..EvolveOptions::default()
        };
        let project = self.project(true).await;
        self.evolver
            .propose(&project, &options, &ProgressSink::none(), &self.cancel)
            .await
    }

    async fn proposed(&self, transform: &str) -> Evolution {
        let mut made = self.propose(&[transform]).await.unwrap();
        assert_eq!(made.evolutions.len(), 1, "{made:?}");
        made.evolutions.remove(0)
    }

    pub(super) async fn approve(
        &self,
        evolution: &Evolution,
        is_trusted: bool,
    ) -> Result<Evolution, EvolutionError> {
        self.approve_some(evolution, &[], is_trusted).await
    }

    async fn approve_some(
        &self,
        evolution: &Evolution,
        paths: &[&str],
        is_trusted: bool,
    ) -> Result<Evolution, EvolutionError> {
        let approval = Approval {
            evolution_id: evolution.evolution_id.clone(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            ..Approval::default()
        };
        let watch = Watch {
            progress: &ProgressSink::none(),
            on_check: &|check| self.checks.lock().unwrap().push(check.clone()),
            cancel: &self.cancel,
        };
        self.evolver
            .approve(&self.project(is_trusted).await, &approval, watch)
            .await
    }

    /// Takes an evolution back; `asked` is the request's id and the reason.
    async fn revert(&self, evolution: &Evolution, asked: (&str, &str)) -> Evolution {
        let project = self.project(false).await;
        let id = &evolution.evolution_id;
        let reverted = self.evolver.revert(&project, id, asked, &self.cancel);
        reverted.await.unwrap()
    }

    async fn state(&self, evolution: &Evolution) -> EvolutionState {
        self.evolver
            .store
            .evolution(&evolution.evolution_id)
            .await
            .unwrap()
            .evolution
            .state()
    }

    async fn move_state(&self, evolution: &Evolution, from: EvolutionState, to: EvolutionState) {
        let change = StateChange {
            evolution_id: evolution.evolution_id.clone(),
            from,
            to,
            request_id: String::new(),
        };
        self.evolver
            .store
            .change_state(change, |_| {})
            .await
            .unwrap();
    }

    /// Everything below the project but git's own files, and what git lists of branches and worktrees.
    pub(super) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.root, &mut found);
        found
    }

    pub(super) fn nothing_is_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.host.path("worktrees"))
            .into_iter()
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        assert!(!self.root.join(".git/worktrees").exists());
    }

    fn branches(&self) -> Vec<String> {
        let printed = self.git(&["branch", "--format=%(refname:short)"]);
        printed.lines().map(str::to_owned).collect()
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_becomes_a_commit_on_a_branch_and_is_taken_back() {
    let fixture = Fixture::usual();
    let before = fixture.tree();
    let evolution = fixture.proposed("var-to-let-const").await;
    assert_eq!(evolution.state(), EvolutionState::Proposed);
    let [file] = evolution.files.as_slice() else {
        panic!("{:?}", evolution.files)
    };
    assert_eq!(
        (
            file.path.as_str(),
            file.changes,
            file.deleted_lines,
            file.added_lines
        ),
        ("lib/a.js", 2, 2, 2)
    );
    assert!(
        file.diff.contains("-var a = 1;\r\n+const a = 1;\r\n"),
        "{}",
        file.diff
    );
    assert_eq!(file.functions, ["f"]);

    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{done:?}");
    assert!(
        done.branch.starts_with("shim/var-to-let-const-"),
        "{}",
        done.branch
    );
    let names: Vec<&str> = done
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["parse", "exports", "bytes", "lint", "types", "tests"]
    );
    assert!(
        done.checks.iter().all(|check| check.passed),
        "{:?}",
        done.checks
    );
    let tests = done.checks.last().unwrap();
    assert!(
        tests.skipped.is_empty() && tests.after.contains("1 tests passed"),
        "{tests:?}"
    );
    assert_eq!(fixture.checks.lock().unwrap().len(), 6);
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", done.branch)]),
        CHANGED
    );
    assert_eq!(
        fixture.git(&["diff", "--name-only", "main", &done.branch]),
        "lib/a.js\n"
    );
    assert_eq!(fixture.tree(), before);
    fixture.nothing_is_left();

    let project = fixture.project(true).await;
    let reverted = fixture
        .evolver
        .revert(
            &project,
            &done.evolution_id,
            ("", "not now"),
            &fixture.cancel,
        )
        .await
        .unwrap();
    assert_eq!(
        (reverted.state(), reverted.commit.as_str()),
        (EvolutionState::Reverted, "")
    );
    assert_eq!(fixture.branches(), ["main"]);
    let again = fixture
        .evolver
        .revert(&project, &done.evolution_id, ("", ""), &fixture.cancel)
        .await;
    assert!(
        matches!(again, Err(EvolutionError::WrongState { .. })),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_breaks_a_test_is_discarded() {
    let test = "const test = require('node:test');\nconst fs = require('fs');\ntest('text', () => require('assert').match(fs.readFileSync(__dirname + '/../lib/a.js', 'utf8'), /var a/));\n";
    let fixture = Fixture::new(&[
        ("package.json", MANIFEST),
        ("lib/a.js", SOURCE),
        ("test/a.test.js", test),
    ]);
    let before = fixture.tree();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Discarded);
    assert!(
        done.reason.starts_with("tests: ") && done.commit.is_empty(),
        "{}",
        done.reason
    );
    assert_eq!(fixture.branches(), ["main"]);
    assert_eq!(fixture.tree(), before);
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_trust_no_test_runs() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, false).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed);
    assert!(done.checks.last().unwrap().skipped.contains("not trusted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_prove_nothing_end_the_approval_and_leave_the_proposal() {
    for endless in ["setInterval(() => {}, 1000);", "process.exit(0);"] {
        let test = format!(
            "const test = require('node:test');\ntest('x', async () => {{ {endless} await new Promise(() => {{}}); }});\n"
        );
        let mut fixture = Fixture::new(&[
            ("package.json", MANIFEST),
            ("lib/a.js", SOURCE),
            ("test/a.test.js", &test),
        ]);
        fixture.evolver.limits.tests = Duration::from_secs(5);
        let evolution = fixture.proposed("var-to-let-const").await;
        let done = fixture.approve(&evolution, true).await;
        let is_refused = matches!(&done, Err(EvolutionError::TestsUnusable(_)))
            || done
                .as_ref()
                .is_ok_and(|done| done.state() != EvolutionState::Committed);
        assert!(is_refused, "{endless}: {done:?}");
        assert_eq!(fixture.branches(), ["main"]);
        fixture.nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_approval_leaves_the_proposal_and_nothing_else() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    fixture.cancel.cancel();
    let done = fixture.approve(&evolution, true).await;
    assert!(done.is_err(), "{done:?}");
    assert_eq!(fixture.state(&evolution).await, EvolutionState::Proposed);
    assert_eq!(fixture.branches(), ["main"]);
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_leaves_every_place_says_why() {
    let fixture = Fixture::new(&[
        ("package.json", MANIFEST),
        (
            "a.js",
            "exports.f = (a) => 'x' + a;\nexports.g = (b) => b + 'y';\n",
        ),
    ]);
    let made = fixture
        .propose(&["concat-to-template", "dead-code"])
        .await
        .unwrap();
    assert!(made.evolutions.is_empty(), "{made:?}");
    let [refused] = made.summary.refused.as_slice() else {
        panic!("{:?}", made.summary.refused)
    };
    assert_eq!(
        (refused.transform.as_str(), refused.places),
        ("concat-to-template", 2)
    );
    assert!(
        refused.examples[0].reason.contains("may be an object"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_and_method_holds_its_table() {
    let fixture = Fixture::empty();
    let tools = fixture
        .evolver
        .host
        .tools_dir(&ProgressSink::none(), &fixture.cancel)
        .await
        .unwrap();
    let node = fixture.evolver.host.node().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transforms");
    let mut command = Command::new(node);
    command
        .args(["--test", "--test-reporter=tap"])
        .arg(&folder)
        .env("SHIM_TOOLS_DIR", tools);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.trim_start().starts_with("not ok"))
        .collect();
    assert!(output.status.success() && failed.is_empty(), "{failed:#?}");
    let passed = said
        .lines()
        .find_map(|line| line.strip_prefix("# pass "))
        .unwrap();
    assert!(passed.parse::<usize>().unwrap() > 400, "{passed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_worked_out_goes_the_same_way() {
    let fixture = Fixture::usual();
    let offer = |files: &[(&str, &str)]| Offer {
        transform: "generate_tests".to_owned(),
        why: "f has no test for a number.".to_owned(),
        risk: Risk::Low,
        files: files
            .iter()
            .map(|&(path, text)| (path.to_owned(), text.to_owned()))
            .collect(),
    };
    let project = fixture.project(true).await;
    let test = TEST.replace("'f'", "'f again'");
    let made = fixture
        .evolver
        .offer(
            &project,
            offer(&[
                ("test/new/b.test.js", &test.replace("../lib", "../../lib")),
                ("lib/a.js", SOURCE),
            ]),
        )
        .await
        .unwrap();
    assert_eq!((made.files.len(), made.files[0].is_new), (1, true));
    let done = fixture.approve(&made, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert!(
        done.checks.last().unwrap().after.contains("2 tests passed"),
        "{:?}",
        done.checks
    );
    assert!(!fixture.root.join("test/new").exists());

    let broken = fixture
        .evolver
        .offer(&project, offer(&[("test/c.test.js", "nonsense (")]))
        .await
        .unwrap();
    assert_eq!(
        fixture.approve(&broken, true).await.unwrap().state(),
        EvolutionState::Discarded
    );
    fixture.write("test/d.test.js", &test);
    let project = fixture.project(true).await;
    let refused = fixture
        .evolver
        .offer(&project, offer(&[("test/d.test.js", "1;")]))
        .await;
    assert!(
        matches!(refused, Err(EvolutionError::NotCommitted(_))),
        "{refused:?}"
    );
    let nothing = fixture
        .evolver
        .offer(&project, offer(&[("lib/a.js", SOURCE)]))
        .await;
    assert!(
        matches!(nothing, Err(EvolutionError::NothingOffered)),
        "{nothing:?}"
    );
}
