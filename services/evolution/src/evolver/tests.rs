//! Evolutions over real git, the real tools and the real test runners.

#![allow(clippy::unwrap_used)]

mod crashes;

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
async fn what_is_not_committed_is_left_out_by_name() {
    let fixture = Fixture::usual();
    fixture.commit(&[(
        "lib/b.js",
        "exports.b = function () { var x = 1; return x; };\n",
    )]);
    fixture.write("lib/a.js", &SOURCE.replace("= 1", "= 7"));
    fixture.write("lib/new/c.js", "exports.c = 1;\n");
    let made = fixture.propose(&["var-to-let-const"]).await.unwrap();
    let unread: BTreeMap<_, _> = made
        .summary
        .unread_files
        .iter()
        .map(|file| (file.path.as_str(), file.reason.as_str()))
        .collect();
    assert!(
        unread["lib/a.js"].contains("differs from what is committed"),
        "{unread:?}"
    );
    assert!(unread.contains_key("lib/new/c.js"), "{unread:?}");
    assert_eq!(made.evolutions[0].files.len(), 1);
    let done = fixture.approve(&made.evolutions[0], true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert!(
        std::fs::read_to_string(fixture.root.join("lib/a.js"))
            .unwrap()
            .contains("= 7")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_committed_anew_makes_a_proposal_outdated() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    fixture.commit(&[("lib/a.js", &SOURCE.replace("= 1", "= 7"))]);
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Outdated);
    assert!(done.reason.starts_with("lib/a.js"), "{}", done.reason);
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn some_files_of_a_proposal_can_be_approved() {
    let fixture = Fixture::usual();
    fixture.commit(&[(
        "lib/b.js",
        "exports.b = function () { var x = 1; return x; };\n",
    )]);
    let evolution = fixture.proposed("var-to-let-const").await;
    let unknown = fixture
        .approve_some(&evolution, &["lib/none.js"], true)
        .await;
    assert!(
        matches!(unknown, Err(EvolutionError::PathUnknown(_))),
        "{unknown:?}"
    );
    let done = fixture
        .approve_some(&evolution, &["lib/b.js"], true)
        .await
        .unwrap();
    assert_eq!(done.files.len(), 1);
    assert_eq!(
        fixture.git(&["diff", "--name-only", "main", &done.branch]),
        "lib/b.js\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_evolution_is_undone_by_a_commit_of_its_own() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, false).await.unwrap();
    fixture.git(&["merge", "-q", "--ff-only", &done.branch]);
    let project = fixture.project(false).await;
    let reverted = fixture
        .evolver
        .revert(&project, &done.evolution_id, ("", ""), &fixture.cancel)
        .await
        .unwrap();
    assert!(
        reverted.branch.starts_with("shim/revert-"),
        "{}",
        reverted.branch
    );
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", reverted.commit)]),
        SOURCE
    );
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_repository_on_a_detached_head_is_worked_on_as_well() {
    let mut fixture = Fixture::new(&[("README", "x")]);
    fixture.commit(&[
        ("packages/p/package.json", MANIFEST),
        ("packages/p/a.js", SOURCE),
        ("packages/p/test/a.test.js", &TEST.replace("lib/a", "a")),
    ]);
    fixture.git(&["checkout", "-q", "--detach"]);
    let top = fixture.root.clone();
    fixture.root = top.join("packages/p");
    let evolution = fixture.proposed("var-to-let-const").await;
    assert_eq!(evolution.files[0].path, "a.js");
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert_eq!(
        fixture.git(&["show", &format!("{}:packages/p/a.js", done.branch)]),
        CHANGED
    );
    fixture.root = top;
    fixture.nothing_is_left();
}

/// Attributes that were added after the files: git would convert each of them with the next `git add`.
#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_convert_files_change_no_byte_of_a_commit() {
    for attributes in [
        "* text\n",
        "*.js text=auto eol=lf\n",
        "*.js eol=crlf\n",
        "*.js ident text\n",
    ] {
        let fixture = Fixture::usual();
        let source = format!("{SOURCE}\r\n// $Id$\r\n");
        fixture.commit(&[("lib/a.js", &source)]);
        // Into the index alone, as somebody who does not renormalize would have it.
        fixture.write(".gitattributes", attributes);
        fixture.git(&["add", ".gitattributes"]);
        fixture.git(&["commit", "-q", "-m", "attributes"]);
        let made = fixture.propose(&["var-to-let-const"]).await.unwrap();
        let Some(evolution) = made.evolutions.first() else {
            // git itself says that the files differ from what is committed.
            assert!(
                made.summary
                    .unread_files
                    .iter()
                    .any(|file| file.path == "lib/a.js")
            );
            continue;
        };
        let done = fixture.approve(evolution, true).await.unwrap();
        assert_eq!(
            done.state(),
            EvolutionState::Committed,
            "{attributes}: {}",
            done.reason
        );
        assert_eq!(
            fixture.git(&["cat-file", "blob", &format!("{}:lib/a.js", done.branch)]),
            format!("{CHANGED}\r\n// $Id$\r\n"),
            "{attributes}"
        );
        fixture.git(&["merge", "-q", "--ff-only", &done.branch]);
        let project = fixture.project(false).await;
        let reverted = fixture
            .evolver
            .revert(&project, &done.evolution_id, ("", ""), &fixture.cancel)
            .await
            .unwrap();
        assert_eq!(
            fixture.git(&["cat-file", "blob", &format!("{}:lib/a.js", reverted.commit)]),
            source,
            "{attributes}"
        );
        fixture.nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_commit_there_is_a_remedy() {
    let fixture = Fixture::usual();
    std::fs::remove_dir_all(fixture.root.join(".git")).unwrap();
    let none = fixture.propose(&[]).await;
    assert!(
        matches!(none, Err(EvolutionError::NoRepository(_))),
        "{none:?}"
    );
    fixture.git(&["init", "-q"]);
    let unborn = fixture.propose(&[]).await;
    assert!(
        matches!(unborn, Err(EvolutionError::NoCommit(_))),
        "{unborn:?}"
    );
    let unknown = fixture.propose(&["no-such"]).await;
    assert!(
        matches!(unknown, Err(EvolutionError::TransformUnknown(_))),
        "{unknown:?}"
    );
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

async fn custom(
    fixture: &Fixture,
    name: &str,
    code: &str,
    is_trusted: bool,
) -> Result<Proposals, EvolutionError> {
    let path = fixture.host.path(name);
    std::fs::write(&path, code).unwrap();
    let options = EvolveOptions {
        custom: Some(CustomTransform {
            path,
            options: json!({}),
        }),
        limit: 20,
        ..EvolveOptions::default()
    };
    let project = fixture.project(is_trusted).await;
    fixture
        .evolver
        .propose(&project, &options, &ProgressSink::none(), &fixture.cancel)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_keeps_the_bytes_beside_its_change() {
    let fixture = Fixture::usual();
    let code = "module.exports = (file, { j }) => j(file.source).find(j.VariableDeclaration, { kind: 'var' }).forEach((path) => { path.node.kind = 'const'; }).toSource();";
    let refused = custom(&fixture, "t.js", code, false).await;
    assert!(refused.is_err(), "{refused:?}");
    let made = custom(&fixture, "t.js", code, true).await.unwrap();
    let done = fixture.approve(&made.evolutions[0], true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", done.branch)]),
        CHANGED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_that_goes_wrong_is_told_and_changes_nothing() {
    let fixture = Fixture::usual();
    for (code, reason) in [
        (
            "module.exports = () => { throw new Error('not this one'); };",
            "not this one",
        ),
        (
            "module.exports = (file) => file.source.replace('exports.f', 'exports.g');",
            "f is gone, g is new",
        ),
        (
            "module.exports = (file) => file.source + ' ) (';",
            "does not parse",
        ),
        ("module.exports = () => process.exit(0);", "process.exit"),
    ] {
        let made = custom(&fixture, "t.js", code, true).await.unwrap();
        assert!(made.evolutions.is_empty(), "{code}");
        let told = made
            .summary
            .unread_files
            .iter()
            .find(|file| file.path == "lib/a.js")
            .unwrap();
        assert!(told.reason.contains(reason), "{code}: {}", told.reason);
    }
    for code in ["module.exports = 1;", "this is no program"] {
        let refused = custom(&fixture, "t.js", code, true).await;
        assert!(
            matches!(refused, Err(EvolutionError::CustomTransform { .. })),
            "{refused:?}"
        );
    }
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_can_write_nothing_and_is_ended_at_its_limit() {
    let mut fixture = Fixture::usual();
    let before = fixture.tree();
    for code in [
        "module.exports = (file) => { require('fs').writeFileSync(file.path, ''); };",
        "module.exports = (file) => { require('fs').rmSync(file.path); };",
        "module.exports = (file) => { require('child_process').execFileSync('rm', [file.path]); };",
        "module.exports = async (file) => { await require('fs/promises').appendFile(file.path, 'x'); };",
    ] {
        let made = custom(&fixture, "t.js", code, true).await.unwrap();
        let unread = &made.summary.unread_files;
        let told = unread.iter().find(|file| file.path == "lib/a.js").unwrap();
        assert!(
            told.reason.contains("may not write files"),
            "{code}: {told:?}"
        );
        assert_eq!(fixture.tree(), before, "{code}");
    }
    fixture.evolver.limits.custom_file = Duration::from_secs(3);
    for (code, place) in [
        (
            "module.exports = (file) => { while (file.path.endsWith('a.js')); };",
            "lib/a.js",
        ),
        ("for (;;);", "loading"),
    ] {
        let endless = custom(&fixture, "endless.js", code, true)
            .await
            .unwrap_err();
        let EvolutionError::CustomTransform { path, why } = &endless else {
            panic!("{endless:?}")
        };
        assert!(path.ends_with("endless.js") && why.contains(place), "{why}");
        assert!(why.contains("within 3 s"), "{why}");
    }
    assert_eq!(fixture.tree(), before);
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
