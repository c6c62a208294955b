//! Evolutions over real git, the real tools and the real test runners.

#![allow(clippy::unwrap_used)]

mod approvals;
mod crashes;
mod custom;
mod offers;
mod repositories;
mod transforms;

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
