//! A tool host for tests: with the real packages, which the first test that asks for them installs, or with scripts alone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shim_exec::Groups;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::service::BoxFuture;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::install::MARKER;
use super::programs::Programs;
use super::{HostCall, HostConfig, ProgressSink, ToolHost, scripts};
use crate::error::EvolutionError;
use crate::project::{Project, TrustStore};

/// Trusts every project, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust(pub(crate) bool);

impl TrustStore for Trust {
    fn is_trusted<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<bool, EvolutionError>> {
        Box::pin(async { Ok(self.0) })
    }
}

/// Folders, groups and settings of one test.
pub(crate) struct TestHost {
    pub(crate) folder: TempDir,
    pub(crate) groups: Arc<Groups>,
    pub(crate) config: HostConfig,
    pub(crate) background: BackgroundTasks,
}

impl TestHost {
    /// With scripts alone: a method finds no package.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = HostConfig::new(folder.path());
        let packages = config.tools.join(scripts::packages_name());
        std::fs::create_dir_all(packages.join("node_modules")).unwrap();
        std::fs::write(packages.join("package.json"), scripts::PACKAGE).unwrap();
        std::fs::write(packages.join(MARKER), "{}").unwrap();
        Self::with(folder, config)
    }

    /// With the real packages, in a folder that all tests share.
    pub(crate) fn installed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node/evolution");
        let config = HostConfig {
            tools: shared,
            ..HostConfig::new(folder.path())
        };
        Self::with(folder, config)
    }

    /// With nothing installed.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = HostConfig::new(folder.path());
        Self::with(folder, config)
    }

    fn with(folder: TempDir, config: HostConfig) -> Self {
        let groups = Groups::open(&folder.path().join("groups"), "SHIM_EVOLUTION").unwrap();
        Self {
            groups: Arc::new(groups),
            config,
            background: BackgroundTasks::new("test", &Shutdown::new()),
            folder,
        }
    }

    pub(crate) fn host(&self) -> ToolHost {
        let groups = Arc::clone(&self.groups);
        ToolHost::new(self.config.clone(), groups, &self.background).unwrap()
    }

    pub(super) fn programs(&self) -> Programs {
        let output = self.folder.path().join("output");
        Programs::open(Arc::clone(&self.groups), &output).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of its own in this test's folder.
    pub(super) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The real Node under another name, with `npm` beside it as a script of its own.
    pub(super) fn set_npm(&mut self, script: &str) {
        let node = shim_exec::find_program(Path::new("node")).unwrap();
        self.config.node = self.script("node", &format!("exec {} \"$@\"", node.display()));
        self.script("npm", script);
    }

    /// What lies in the folder of the tools, but for locks and output.
    pub(super) fn tools(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.config.tools).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| name != "install.lock" && name != "output")
            .collect();
        names.sort();
        names
    }

    /// Adds a method that only this test's host has: the body of a function of `params` and `context`.
    pub(super) fn method(&self, name: &str, body: &str) {
        let packages = self.config.tools.join(scripts::packages_name());
        let scripts = scripts::place(&packages).unwrap();
        let code = format!("module.exports = async (params, context) => {{ {body} }};\n");
        std::fs::write(scripts.join("methods").join(format!("{name}.js")), code).unwrap();
    }

    /// The project in a folder of this test, which is made.
    pub(crate) async fn project(&self, name: &str, is_trusted: bool) -> Project {
        let root = self.path(name);
        std::fs::create_dir_all(&root).unwrap();
        Project::open(&root, &[], &Trust(is_trusted)).await.unwrap()
    }
}

/// Calls a method of the test's own, without code of the project.
pub(super) async fn call(
    host: &ToolHost,
    project: &Project,
    method: &str,
    params: Value,
) -> Result<Value, EvolutionError> {
    call_within(host, project, method, params, Duration::from_secs(60)).await
}

pub(super) async fn call_within(
    host: &ToolHost,
    project: &Project,
    method: &str,
    params: Value,
    limit: Duration,
) -> Result<Value, EvolutionError> {
    let call = HostCall {
        method,
        params,
        limit,
        runs_project_code: false,
    };
    host.call(
        project,
        call,
        &ProgressSink::none(),
        &CancellationToken::new(),
    )
    .await
}

/// The pid of the host that answers.
pub(super) async fn pid_of(host: &ToolHost, project: &Project) -> u32 {
    let answer = call(host, project, "ping", json!({})).await.unwrap();
    u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()
}
