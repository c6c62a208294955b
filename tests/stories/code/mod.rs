//! Code from the outside: a project is analyzed, evolved, approved and taken back by the command line, by gRPC and by tasks,
//! and its working tree stays as it was.

mod agents;
mod decisions;
mod idempotence;
mod interrupted;
mod nightly;
mod people;
mod sarif;
mod split;
mod tasks;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use shim_redis_harness::Redis;
use shim_tests::binary;
use shim_tests::node;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tokio::process::Command;

const MANIFEST: &str = r#"{"name": "ranges", "version": "1.0.0", "type": "commonjs", "scripts": {"test": "node --test"}}"#;
const SOURCE: &str = "'use strict';\r\nvar limit = 10;\r\n\r\n// keep\texactly  this\r\nexports.clamp = function (value) {\r\n\tvar top = limit;\r\n\treturn value > top ? top : value;\r\n};";
const TEST: &str = "const test = require('node:test');\nconst assert = require('node:assert');\ntest('clamp', () => assert.equal(require('../src/ranges.js').clamp(12), 10));\n";

/// A stack with its tools, and a project that is committed.
pub(crate) struct CodeEnv {
    temp: TempEnv,
    redis: Redis,
    pub(crate) service: Service,
}

impl CodeEnv {
    async fn new() -> Self {
        Self::with(|_, launch| launch).await
    }

    /// With other settings of the stack; the project's folder is there when they are made.
    pub(crate) async fn with(settings: impl FnOnce(&TempEnv, Launch) -> Launch) -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        node::share_evolution_tools(&temp.data_dir());
        std::fs::create_dir(temp.root().join("ranges")).unwrap();
        let launch = Launch::stack(&temp.data_dir(), &redis.url())
            .env("SHIM_EVOLUTION_ROOTS", &temp.root().display().to_string());
        let service = settings(&temp, launch).start_or_panic().await;
        let env = Self {
            temp,
            redis,
            service,
        };
        env.make_project();
        env
    }

    /// Commits further files.
    fn commit(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "more"]);
    }

    /// Submits a task of a kind, and waits for its end; the last line of JSON, its merged result.
    async fn done(&self, kind: &str, payload: &Value) -> Value {
        let payload = payload.to_string();
        let words = [
            "tasks",
            "submit",
            "g",
            "--kind",
            kind,
            "--payload",
            &payload,
        ];
        let said = self
            .json(&[&words[..], &["--wait", "--json"]].concat())
            .await;
        said.last().unwrap().clone()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.temp.root().join("ranges")
    }

    fn make_project(&self) {
        for (path, text) in [
            ("package.json", MANIFEST),
            ("src/ranges.js", SOURCE),
            ("test/ranges.test.js", TEST),
        ] {
            let path = self.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["config", "core.autocrlf", "false"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "ranges"]);
    }

    fn git(&self, args: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(self.root())
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `shim` in the project.
    async fn shim(&self, words: &[&str]) -> Output {
        Command::new(binary::shim())
            .arg("--data-dir")
            .arg(self.temp.data_dir())
            .args(words)
            .current_dir(self.root())
            .env("HOME", self.temp.root())
            .env("SHIM_REDIS_URL", self.redis.url())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// What a command that must succeed prints.
    async fn said(&self, words: &[&str]) -> String {
        let output = self.shim(words).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{words:?}: {said}\n{errors}");
        said
    }

    /// The lines of JSON that a command prints.
    async fn json(&self, words: &[&str]) -> Vec<Value> {
        let said = self.said(words).await;
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The working tree is as it was committed, on its branch, without worktrees beside it.
    fn assert_untouched(&self) {
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        assert_eq!(self.git(&["branch", "--show-current"]), "main\n");
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        let source = std::fs::read_to_string(self.root().join("src/ranges.js")).unwrap();
        assert_eq!(source, SOURCE);
    }
}

/// The first value of this name, wherever it stands.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => object
            .get(name)
            .or_else(|| object.values().find_map(|inner| find(inner, name))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
